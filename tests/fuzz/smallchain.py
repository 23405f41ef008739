"""A small real chain of the test alliance: what the product writes, for seeds and servers."""

from __future__ import annotations

from functools import cache

from bulwark.ledger.ids import Address
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.transaction import Transaction
from tests.unit.node.execution.alliance import (
    ACCOUNTS,
    NOWHERE,
    Node,
    anchor,
    call,
    make_sidecar,
)

BLOCKS = 5
STORES_FIVE = bytes.fromhex("6005600055600a6014600039600a6000f3602a60005260206000f3")
"""Init code: stores 5 in slot 0 and leaves a contract that answers 42."""


@cache
def sidecar(number: int) -> Sidecar:
    """The sidecar of block `number`; the third has an erased record."""
    made = make_sidecar(2, f"fuzz {number}")
    return made.erase(1) if number == 3 else made


def transactions(number: int) -> list[Transaction]:
    """Those of block `number`: an anchor, now and then a creation, a payment, a failing call."""
    found = [anchor(ACCOUNTS[1], number - 1, sidecar(number))]
    if number == 1:
        found.append(call(ACCOUNTS[0], 0, None, STORES_FIVE))
    elif number == 2:
        found.append(call(ACCOUNTS[0], 1, NOWHERE, value=7))
    elif number == 4:
        found.append(call(ACCOUNTS[2], 0, Address(b"\x12" * 20), b"\xff" * 40))
    return found


def build(node: Node | None = None) -> Node:
    """Blocks 1 to 5 executed, all but the last certified."""
    node = node or Node()
    for number in range(1, BLOCKS + 1):
        carried = [sidecar(number)]
        node.block(*transactions(number), sidecars=carried, final=number != BLOCKS)
    return node


@cache
def known() -> Node:
    """One such chain, to be read only."""
    return build()
