"""The suspender: proposes by itself to suspend a member that evidence on the ledger convicts.

Rules: it proposes once for a case, and never where anybody proposed for that case before, open or
not: people said no, or will say something; it never approves, so two thirds of the members decide;
only what the contract verified for this alliance, or this node itself, counts; never against the
own member; what a dry run refuses is not proposed. Members take turns by the case's id, so that
one of them proposes and nobody's turn says who brought the case. Everything is read from the
ledger, so a restart repeats nothing and misses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from msgspec import Struct

from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import Address, Digest, Epoch, Height, MemberId
from consensus.terms import Terms
from contracts.actions import Action, SuspendMember
from contracts.evidence import (
    DOUBLE_VOTE_PROVEN_TOPIC,
    EVIDENCE_FILED_TOPIC,
    EVIDENCE_REGISTRY,
    EvidenceFiled,
    decode_double_vote_proven,
    decode_evidence_filed,
)
from contracts.governance import read_case_status
from contracts.members import Member, Role, member_id_bytes, read_members
from contracts.slots import ReadSlot
from node.chain.store import ChainStore
from node.evidence import Case, EvidenceInvalid
from node.governance.documents import shown_id
from node.governance.planning import SUSPENDED_ROLES
from node.governance.port import DryRun, VoteOutcome
from node.guarded.accusation import KIND, WrongEvaluation
from node.logs import Log
from node.service import Idempotency, ServiceError, Stage
from node.storage.port import KeyValueStore
from node.storage.schema import event

LIFETIME_S: Final = 7 * 86_400
"""Time for people to look at the case and vote."""
TURN_MS: Final = 10_000
"""Between the turns of two members: longer than a proposal takes to be executed."""
MAX_PENDING: Final = 256
"""Cases that wait for their turn or for their verification; a flood of filings fills no memory."""

log = Log("suspender")


class Desk(Protocol):
    """What this needs of the governance desk."""

    def dry_run(self, action: Action) -> DryRun:
        """What an action would do."""
        ...

    async def propose(
        self,
        action: Action,
        *,
        lifetime_s: int,
        force: bool,
        wait: Stage,
        idempotency: Idempotency | None,
    ) -> VoteOutcome:
        """Propose and approve. Raises ServiceError."""
        ...


class SuspenderParts(Struct, frozen=True, kw_only=True):
    """What proposing works with."""

    store: KeyValueStore
    chain: ChainStore
    read_slot: ReadSlot
    genesis_hash: Digest
    terms_of: Callable[[Epoch], Terms | None]
    """Terms of an epoch, None for one that this node forgot."""
    holds: Callable[[WrongEvaluation, Height], bool | None]
    """Whether a wrong evaluation that was filed in this block holds; None while not looked at."""
    desk: Desk
    own: MemberId
    now_ms: Callable[[], int]
    """A clock for waiting."""


@dataclass(slots=True)
class _Pending:
    """A case on the ledger that nobody proposed to act on."""

    culprit: bytes
    is_proven: Callable[[], bool | None]
    """False for a case that proves nothing, None while that is not known."""
    since_ms: int | None = None
    """When it was first found proven."""
    is_sent: bool = False
    refused: str = ""
    """Why the dry run refused it last."""


class Suspender:
    """Follows the evidence on the ledger and proposes."""

    def __init__(self, parts: SuspenderParts) -> None:
        self._parts = parts
        self._next = Height(1)
        self._pending: dict[bytes, _Pending] = {}
        """By case id."""

    async def follow(self) -> int:
        """Look at the blocks that came and at what waits; how many proposals were made."""
        self._read()
        made = 0
        for case_id, pending in list(self._pending.items()):
            if self._is_settled(case_id, pending) or self._proves_nothing(pending):
                del self._pending[case_id]
            elif self._is_due(case_id, pending):
                made += await self._propose(case_id, pending)
        return made

    def _read(self) -> None:
        last = self._parts.chain.applied
        for topic in (DOUBLE_VOTE_PROVEN_TOPIC, EVIDENCE_FILED_TOPIC):
            for height in self._heights(topic, last):
                self._take(height)
        self._next = Height(last + 1)

    def _heights(self, topic: bytes, last: Height) -> Iterator[Height]:
        start = event(Address(EVIDENCE_REGISTRY), Digest(topic), self._next)
        for key, _ in list(self._parts.store.iterate(start[:-8], start=start)):
            height = Height(int.from_bytes(key[-8:], "big"))
            if height <= last:
                yield height

    def _take(self, height: Height) -> None:
        block = self._parts.chain.block(height)
        for entry in [] if block is None else [log for r in block.receipts for log in r.logs]:
            if len(self._pending) >= MAX_PENDING:
                return
            proven = decode_double_vote_proven(entry.address, entry.topics, entry.data)
            # Votes of another alliance prove nothing here, even if a key is used in both.
            if proven is not None and proven.genesis_hash == self._parts.genesis_hash:
                self._note(proven.case_id, proven.culprit, lambda: True)
            filed = decode_evidence_filed(entry.address, entry.topics, entry.data)
            if filed is not None:
                self._take_filed(filed, height)

    def _take_filed(self, filed: EvidenceFiled, height: Height) -> None:
        if filed.kind != KIND:
            self._note(filed.case_id, filed.culprit, lambda: self._case_holds(filed))
            return
        try:
            case = WrongEvaluation.decode(filed.data)
        except DecodeError:
            return
        if case.culprit_bytes == filed.culprit:
            self._note(filed.case_id, filed.culprit, lambda: self._parts.holds(case, height))

    def _note(self, case_id: bytes, culprit: bytes, is_proven: Callable[[], bool | None]) -> None:
        if case_id not in self._pending and culprit != member_id_bytes(self._parts.own):
            self._pending[case_id] = _Pending(culprit, is_proven)

    def _case_holds(self, filed: EvidenceFiled) -> bool:
        try:
            case = Case.decode(filed.data)
        except EvidenceInvalid:
            return False
        terms = self._parts.terms_of(case.epoch)
        if terms is None or not case.holds(terms):
            return False
        culprit = terms.validators.validators[case.evidence.culprit].member
        return member_id_bytes(culprit) == filed.culprit

    def _is_settled(self, case_id: bytes, pending: _Pending) -> bool:
        status = read_case_status(self._parts.read_slot, case_id)
        if status.proposal or status.judged:
            return True
        members = read_members(self._parts.read_slot)
        culprit = next((m for m in members if m.id == pending.culprit), None)
        return culprit is None or not culprit.roles & SUSPENDED_ROLES

    def _is_due(self, case_id: bytes, pending: _Pending) -> bool:
        if pending.is_sent:
            return False
        turn = turn_of(
            read_members(self._parts.read_slot),
            case_id,
            pending.culprit,
            member_id_bytes(self._parts.own),
        )
        if turn is None:
            return False
        since_ms = pending.since_ms
        return since_ms is not None and self._parts.now_ms() >= since_ms + turn * TURN_MS

    def _proves_nothing(self, pending: _Pending) -> bool:
        """Whether it is looked at and does not hold; of one that holds the turns begin."""
        if pending.since_ms is None:
            found = pending.is_proven()
            if found:
                pending.since_ms = self._parts.now_ms()
            return found is False
        return False

    async def _propose(self, case_id: bytes, pending: _Pending) -> bool:
        action = SuspendMember(pending.culprit, case_id)
        name = shown_id(pending.culprit)
        reason = self._parts.desk.dry_run(action).verdict()
        if reason is None:
            try:
                await self._parts.desk.propose(
                    action,
                    lifetime_s=LIFETIME_S,
                    force=False,
                    wait=Stage.ACCEPTED,
                    idempotency=None,
                )
            except ServiceError as error:
                reason = str(error)
        if reason is None:
            pending.is_sent = True
            log.warning("suspension proposed", member=name, case=case_id.hex())
            return True
        if reason != pending.refused:
            pending.refused = reason
            log.warning("no suspension proposed yet", member=name, reason=reason)
        return False


def turn_of(members: tuple[Member, ...], case_id: bytes, culprit: bytes, own: bytes) -> int | None:
    """Place of a member in the order of turns for a case, None for one without a vote."""
    voters = [m.id for m in members if m.roles & Role.VALIDATOR and m.id != culprit]
    if own not in voters:
        return None
    return (voters.index(own) - int.from_bytes(case_id[:8], "big")) % len(voters)
