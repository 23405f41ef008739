"""Triggers: the follow-ups of a block that ask something of every member's node.

Rules: an order to erase asks for destruction and recall, a retraction or an upheld dispute for
recall; only what the lifecycle took counts, whatever a member sent; a trigger belongs to the
sidecar that holds it, which is what members confirm. Blocks are read when they are final.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Digest, Height, RecordId
from bulwark.ledger.lifecycle import Operation, State
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.standing import Step
from node.chain.store import StoredBlock

RECALLED: Final = 1
"""Bit of a confirmation's reason: own past hits found and systems told."""
DESTROYED: Final = 2
"""Bit of a confirmation's reason: data destroyed."""

_WATCHED: Final = frozenset({Operation.RULE, Operation.RETRACT, Operation.ERASE})

Histories = Callable[[RecordId], Sequence[Step]]
"""Every follow-up of a record up to the last block, in ledger order, with what became of it."""


class Cause(StrEnum):
    """Why a record is recalled."""

    OVERRULED = "overruled"
    RETRACTED = "retracted"
    ERASED = "erased"
    CONSENT_WITHDRAWN = "consent_withdrawn"


_CAUSES: Final = {
    State.OVERRULED: Cause.OVERRULED,
    State.RETRACTED: Cause.RETRACTED,
    State.ERASED: Cause.ERASED,
}


class Trigger(Struct, frozen=True):
    """A follow-up that the lifecycle took."""

    order: RecordId
    """The follow-up itself."""
    subject: RecordId
    cause: Cause
    root: Digest
    """Sidecar that holds the follow-up."""
    height: Height
    timestamp_ms: int


async def triggers_of(
    block: StoredBlock, sidecar_of: Callable[[Digest], Sidecar | None], histories: Histories
) -> list[Trigger]:
    """Triggers of a block in ledger order. Raises what `histories` raises."""
    found: list[Trigger] = []
    for anchor in block.anchors:
        await asyncio.sleep(0)
        sidecar = sidecar_of(anchor.digest) if anchor.count else None
        for entry in () if sidecar is None else sidecar.entries:
            if not isinstance(entry, Record) or entry.operation not in _WATCHED:
                continue
            subject = entry.payload.previous_record
            # Reading a history takes as long as a vote may wait, and an order holds up to 2,000.
            await asyncio.sleep(0)
            step = None if subject is None else _step(histories(subject), entry, block)
            if subject is None or step is None:
                continue
            found.append(
                Trigger(
                    order=entry.record_id,
                    subject=subject,
                    cause=_CAUSES[step.state],
                    root=anchor.digest,
                    height=block.header.height,
                    timestamp_ms=block.header.timestamp_ms,
                )
            )
    return found


def _step(steps: Iterable[Step], entry: Record, block: StoredBlock) -> Step | None:
    """What an entry did to its subject, None where it was refused or changed nothing."""
    before = State.ACTIVE
    for step in steps:
        is_this = (step.record_id, step.height) == (entry.record_id, block.header.height)
        if is_this and not step.refused and step.state in _CAUSES and step.state is not before:
            return step
        before = step.state
    return None
