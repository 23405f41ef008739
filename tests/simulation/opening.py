"""What a simulated node's replica is built from: its disk, and whether it forgot (P6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulwark.ledger.ids import Height
from consensus.journal import KEY_SILENT
from consensus.keyring import Keyring
from consensus.trace import Opening

if TYPE_CHECKING:
    from tests.simulation.node import SimNode


def opening_of(node: SimNode, silent: bool) -> tuple[Opening, Keyring]:
    """The opening of the epoch that the node's disk stands in, and the key it votes with."""
    disk, span, world = node.disk, node.span, node.world
    records = disk.read_records()
    forgot = (
        node.voted_before and not disk.opened and not any(key == KEY_SILENT for key, _ in records)
    )
    disk.opened = disk.opened or not forgot
    node.voted_before = True
    stable = disk.stable
    terms, keyring = world.terms_of(span), world.keyring_of(node.index, span)
    opening = Opening(
        node.config,
        terms,
        keyring.address,
        tuple(records),
        Height(node.ledger.height),
        node.ledger.tip,
        stable if stable and stable.subject.height > span.start else None,
        node.ledger.end_of(span),
        forgot or silent,
    )
    return opening, keyring
