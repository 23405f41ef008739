"""Succession: whether a block ends its epoch, and who votes in the next one.

Rules: E1 the first block of an epoch that changes validators or parameters fixes the epoch's end;
what the registry and the governance contract say after that last block are the next epoch's
validators and parameters. A registry that names no validator, and parameters that the core
refuses, change nothing: the alliance goes on as it was instead of halting.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from bulwark.ledger.epochs import EpochTerms
from bulwark.ledger.features import level_of
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address, Epoch, Height, MemberId
from bulwark.ledger.receipt import Receipt
from bulwark.ledger.validators import Validator, ValidatorSet
from contracts.bindings import Role, member_id_text
from contracts.governance import read_parameters
from contracts.governance_events import touches_validators
from contracts.members import read_members
from contracts.slots import ReadSlot
from node.chain.epochs import ChainEpoch, effective, usable


class Succession(Struct, frozen=True):
    """What a block says about the end of its epoch."""

    epoch_end: Height
    """Last height of the epoch, 0 as long as nothing was decided."""
    following: EpochTerms | None
    """The next epoch, if this block is the last of its own."""


def succession(
    genesis: Genesis,
    epoch: ChainEpoch,
    parent: Header,
    receipts: Sequence[Receipt],
    read_slot: ReadSlot,
) -> Succession:
    """E1 for the block after `parent`; `read_slot` reads the state after it."""
    height = Height(parent.height + 1)
    known = parent.epoch == epoch.number and parent.height > epoch.terms.start
    end = parent.epoch_end if known else Height(0)
    if not end and _touched(receipts) and _differs(genesis, epoch, read_slot):
        end = epoch.boundary(height)
    if height != end:
        return Succession(end, None)
    number = Epoch(epoch.number + 1)
    validators = ValidatorSet(number, _validators(read_slot) or epoch.validators.validators)
    parameters = _parameters(genesis, epoch, read_slot)
    return Succession(end, EpochTerms(validators, genesis.domain(number), height, parameters))


def _touched(receipts: Sequence[Receipt]) -> bool:
    return any(touches_validators(receipt.logs) for receipt in receipts)


def _differs(genesis: Genesis, epoch: ChainEpoch, read_slot: ReadSlot) -> bool:
    validators = _validators(read_slot)
    if validators and validators != epoch.validators.validators:
        return True
    wanted = _parameters(genesis, epoch, read_slot)
    if level_of(wanted) != epoch.level:
        return True
    return effective(genesis, wanted) != (epoch.config, epoch.gas_limit)


def _validators(read_slot: ReadSlot) -> tuple[Validator, ...]:
    return tuple(
        Validator(MemberId(member_id_text(member.id)), Address(member.node))
        for member in read_members(read_slot)
        if member.roles & Role.VALIDATOR
    )


def _parameters(genesis: Genesis, epoch: ChainEpoch, read_slot: ReadSlot) -> dict[str, int]:
    wanted = dict(read_parameters(read_slot))
    return wanted if usable(genesis, wanted) else dict(epoch.terms.parameters)
