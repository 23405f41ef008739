"""What the outside may ask of a node about openings: a Protocol and its views.

The desk (`node.openings.desk`) implements it, the API translates it to HTTP. All of it is read in
the state of the node's last block; writes are transactions of this member's account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from bulwark.ledger.ids import Digest, Height
from node.service import Idempotency, Stage


class CaseVote(Struct, frozen=True):
    """One member's vote in a case."""

    member: str
    approve: bool


class CaseView(Struct, frozen=True):
    """A case as it stands in the last block."""

    case_id: bytes
    state: str
    """`open`, `approved`, `refused`, `closed` or `expired`."""
    regulator: str
    """Member id of who asked."""
    evaluator: str
    """Member id of who anchored the statement."""
    statement_hash: bytes
    basis_hash: bytes
    """SHA-256 of the legal basis."""
    needed: int
    """Approvals that grant it."""
    voters: int
    approvals: int
    rejections: int
    partials: int
    """Parts of the opening that members posted and that count."""
    height: Height
    """Block that opened it."""
    deadline_ms: int
    result_hash: bytes | None
    votes: tuple[CaseVote, ...] = ()
    """Of the members of now; empty in a list."""
    posted: tuple[str, ...] = ()
    """Members that posted a part that counts; empty in a list."""
    stale: tuple[str, ...] = ()
    """Members whose part is of an earlier sharing of the key; their nodes make it anew."""
    obstacle: str | None = None
    """Why this node took no part in it so far."""


class CaseOutcome(Struct, frozen=True):
    """What became of a request, a vote or a closing of this member."""

    transaction: Digest
    stage: Stage
    height: Height | None
    case: CaseView | None
    """None until the transaction is executed."""


class Finished(Struct, frozen=True):
    """A case that this regulator opened."""

    outcome: CaseOutcome
    member_key: bytes
    """The ring key that asked, 32 bytes."""
    member: str | None
    """Who registered it."""
    result_hash: bytes
    bad: tuple[tuple[str, str], ...]
    """Members whose posted parts do not hold, and why."""


class StatementView(Struct, frozen=True):
    """A statement of an evaluator's log, as it holds against the ledger."""

    statement_hash: bytes
    nullifier: bytes
    epoch: int
    """Quota epoch that it spent a slot of."""
    scope: int
    slot: int
    ring_size: int
    interval: tuple[int, int] | None
    """Epoch and number of the interval under which it is anchored, None for none yet."""
    obstacle: str | None
    """Why it does not hold, None if proof, place and alliance are right."""


class StatementPage(Struct, frozen=True):
    """Some statements of a log, and where the next page begins."""

    statements: tuple[StatementView, ...]
    next: bytes | None


class OpeningsService(Protocol):
    """Openings as this node sees them."""

    async def statements(self, evaluator: str, cursor: bytes | None, most: int) -> StatementPage:
        """A page of an evaluator's log, each statement verified; for regulators' nodes.

        Raises Forbidden for another member's log at a node of no regulator, Unavailable where the
        evaluator is not connected or does not show its log.
        """
        ...

    def cases(self, *, open_only: bool) -> Sequence[CaseView]:
        """Cases, newest first, at most 256; `open_only`: those that can still be acted on."""
        ...

    def case(self, case_id: bytes) -> CaseView:
        """One case. Raises NotFound."""
        ...

    async def request(
        self,
        statement_hash: bytes,
        basis_hash: bytes,
        *,
        wait: Stage,
        idempotency: Idempotency | None,
    ) -> CaseOutcome:
        """Ask for an opening. Raises NotFound, Conflict, Forbidden, Busy."""
        ...

    async def vote(
        self, case_id: bytes, *, approve: bool, wait: Stage, idempotency: Idempotency | None
    ) -> CaseOutcome:
        """Vote for this member. Raises NotFound, Conflict, Forbidden, Busy."""
        ...

    async def finish(self, case_id: bytes, *, wait: Stage) -> Finished:
        """Combine the parts and close the case. Raises NotFound, Conflict, Forbidden, Busy."""
        ...

    async def exculpation(self, case_id: bytes) -> Mapping[str, object]:
        """The proof that this member's key did not make a case's question.

        Raises NotFound, Conflict (it did, or the case is not approved), Unavailable.
        """
        ...

    def record(self, case_id: bytes) -> Mapping[str, object]:
        """The court's file of a case that this regulator closed. Raises NotFound, Conflict."""
        ...
