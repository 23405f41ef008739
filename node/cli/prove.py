"""`bulwark prove`: a proof for a contract that one of the members says something, naming none.

Rules: the ring key is read from the node's keystore and goes nowhere; ring, opener and quota epoch
are those of the node's ledger now. Before it is printed the proof is held against the node's own
precompile, as the contract would; what is printed names nobody, but who sends it to the contract is
seen.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import click

from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import Address
from bulwark.privacy.errors import PrivacyError
from bulwark.privacy.memberkeys import RingSecret, decode_ring_secret
from bulwark.privacy.ring.contractstatement import (
    MAX_CONTRACT_SLOT,
    Demand,
    contract_statement,
)
from bulwark.privacy.ring.prover import prove
from contracts.errors import ContractError
from contracts.privacy.membership import (
    MEMBERSHIP_PRECOMPILE,
    MembershipQuestion,
    Refusal,
    decode_membership_answer,
    encode_membership_question,
)
from contracts.privacy.rings import RingState, read_ring_state
from node.cli.connection import find_target
from node.cli.faults import BadSetup, Failed, faults
from node.cli.homes import open_config, open_genesis, open_secrets
from node.cli.ledgerreads import LedgerReads
from node.cli.options import emit_json, home_option, json_option
from node.cli.voting import READ_ROLES

EARLY_S: Final = 1
"""A transaction that is sent now is executed this much later, at least."""


class Hexadecimal(click.ParamType[bytes]):
    """Bytes of one length as 0x and hexadecimal digits."""

    name = "hex"

    def __init__(self, length: int) -> None:
        self._length = length

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes:
        """The bytes; fails with what is wanted."""
        if isinstance(value, bytes):
            return value
        text = str(value).removeprefix("0x")
        try:
            found = bytes.fromhex(text)
        except ValueError:
            found = b""
        if len(found) != self._length or len(text) != 2 * self._length:
            self.fail(f"0x and {2 * self._length} hexadecimal digits are needed", param, ctx)
        return found


@click.command(name="prove")
@click.option(
    "--contract", required=True, type=Hexadecimal(20), help="Address of the contract that asks."
)
@click.option("--label", required=True, type=Hexadecimal(32), help="Label that the contract uses.")
@click.option(
    "--slot",
    type=click.IntRange(0, MAX_CONTRACT_SLOT),
    default=0,
    show_default=True,
    help="Slot; a member can use each once in a quota epoch.",
)
@click.option(
    "--message", required=True, type=Hexadecimal(32), help="What the contract binds a proof to."
)
@home_option
@json_option
def command(
    contract: bytes, label: bytes, slot: int, message: bytes, home: Path, as_json: bool
) -> None:
    """Prove to a contract that a member says this, without saying which.

    Prints the proof as hexadecimal digits. It holds in this contract only, for this label, slot and
    message, until the members, the opener or the quota epoch change. Do not send it from an account
    that is known to be yours: the sender of a transaction is seen by everybody.

    \b
    Example:
      bulwark prove --contract 0x5fb8...0aa3 --label 0x2a41...07 --message 0x9c1e...55 \\
        --home alliance/northbank
    """
    config = open_config(home)
    genesis = open_genesis(home, config)
    key = decode_ring_secret(open_secrets(home, config).ring_key)
    demand = Demand(contract=contract, label=label, slot=slot, message=message)
    with LedgerReads(find_target(READ_ROLES, home=home)) as ledger:
        with faults(failure=(ContractError,)):
            now_s = max(ledger.timestamp_s, int(time.time()) + EARLY_S)
            found = read_ring_state(ledger.slot, now_s, genesis.privacy.epoch_seconds)
        with faults(failure=(PrivacyError,)):
            proof = _prove(genesis, found, key, demand)
        question = MembershipQuestion(label, slot, message, proof)
        is_now = found.epoch == ledger.timestamp_s // genesis.privacy.epoch_seconds
        nullifier = _checked(ledger, contract, question) if is_now else None
        height = ledger.height
    if not as_json:
        click.echo(f"0x{proof.hex()}")
        return
    emit_json(
        {
            "proof": f"0x{proof.hex()}",
            "nullifier": None if nullifier is None else f"0x{nullifier.hex()}",
            "epoch": found.epoch,
            "epoch_ends_s": (found.epoch + 1) * genesis.privacy.epoch_seconds,
            "members": len(found.members),
            "height": height,
            "input": f"0x{encode_membership_question(question).hex()}",
        }
    )


def _prove(genesis: Genesis, found: RingState, key: RingSecret, demand: Demand) -> bytes:
    if found.ring is None:
        raise Failed("no member has a ring key in force yet")
    if found.opener is None:
        raise Failed("the council has not made its key yet")
    position = found.ring.position(key.public)
    if position is None:
        raise BadSetup(
            "the ring key of this home is not in force; one that is registered now counts from the "
            "next quota epoch on, a removed member has none"
        )
    statement = contract_statement(
        demand,
        chain_id=genesis.chain_id,
        genesis_hash=genesis.hash,
        ring=found.ring,
        opener=found.opener.key,
        opener_epoch=found.opener.epoch,
        epoch=found.epoch,
    )
    return prove(statement, key.secret, position, os.urandom).encode()


def _checked(ledger: LedgerReads, contract: bytes, question: MembershipQuestion) -> bytes:
    """The nullifier, if the node accepts the proof as it would from the contract."""
    data = encode_membership_question(question)
    with faults(failure=(ContractError,)):
        answer = decode_membership_answer(
            ledger.call(Address(contract), MEMBERSHIP_PRECOMPILE, data)
        )
    if isinstance(answer, Refusal):
        raise Failed(f"the node does not accept the proof: {answer.name.lower()}")
    return answer.nullifier
