"""What the outside may ask of a node: the one Protocol that `api` sees.

The node implements it (`node.app`), the API translates it to HTTP. Clear-text identifiers come in
through `report` and `screen` and go no further than the process of the member that typed them.
The Ethereum-shaped read side is a Protocol of its own in `node.ethereum`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum, StrEnum
from typing import Protocol

from msgspec import Struct, field

from bulwark.indicators.model import IndicatorReport, ScreeningRequest
from bulwark.indicators.usage import Limit
from bulwark.ledger.epochs import EpochTerms
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Digest, Height, MemberId, RecordId
from bulwark.ledger.proofs import RecordProof
from bulwark.ledger.standing import Standing
from bulwark.ledger.votes import Certificate
from node.diagnosis.finding import Diagnosis
from node.evidence import EvidenceEntry


class Role(StrEnum):
    """What an API key may do."""

    REPORTER = "reporter"
    """Report indicators, give and withdraw consents, screen."""
    ANALYST = "analyst"
    """Screen and read records."""
    OPERATOR = "operator"
    """Read node state, metrics, send transactions."""
    AUDITOR = "auditor"
    """Read records, proofs, blocks, members, proposals."""
    ADMIN = "admin"
    """Propose changes of the alliance and vote on them for this member."""


class Caller(Struct, frozen=True):
    """Who asks, as the access log names it: the id of the API key, never the key, and its role."""

    key_id: str
    role: Role


Progress = Callable[[int, int], None]
"""Told how many rows are done, and how many of them have no tag for want of evaluators."""


class Stage(IntEnum):
    """How far a write got; each includes the ones before it."""

    ACCEPTED = 1
    """Durable in this node's outbox."""
    ORDERED = 2
    """In a batch with a commit certificate."""
    EXECUTED = 3
    """In an executed block of this node."""
    FINALIZED = 4
    """In a block with a checkpoint certificate."""

    @property
    def label(self) -> str:
        """The name used in the API."""
        return self.name.lower()


class ServiceError(Exception):
    """A request that the node refuses or can not serve; `code` is stable, `status` is for HTTP."""

    status: int = 500
    code: str = "internal"

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class NotFound(ServiceError):
    """There is no such thing on this node."""

    status = 404
    code = "not-found"


class HistoryPruned(ServiceError):
    """It is on the ledger, and this node gave the bytes back to its disk; an archive has them."""

    status = 410
    code = "pruned"

    def __init__(self, what: str, lowest: int) -> None:
        self.lowest = lowest
        """Lowest block that is whole here."""
        super().__init__(
            f"{what} is pruned on this node, which is whole from block {lowest} on; "
            "ask a node that keeps everything"
        )


class Conflict(ServiceError):
    """The request contradicts what the ledger or the node already holds."""

    status = 409
    code = "conflict"


class RuleRefused(Conflict):
    """A rule of the ledger forbids it; `rule` is its id, as `lifecycle.rule.no_dispute`."""

    def __init__(self, rule: str, detail: str) -> None:
        self.rule = rule
        super().__init__(f"{rule}: {detail}")


class IdempotencyMismatch(ServiceError):
    """The idempotency key was used before with another body."""

    status = 422
    code = "idempotency-key-reused"


class Busy(ServiceError):
    """A queue is full; the client should come back after a pause."""

    status = 429
    code = "busy"


class Unavailable(ServiceError):
    """The alliance can not be reached or does not make progress, so the wish can not be met now."""

    status = 503
    code = "unavailable"


class Forbidden(ServiceError):
    """This node's member does not have the ledger role that the request needs."""

    status = 403
    code = "forbidden"


class Idempotency(Struct, frozen=True):
    """A client's promise that two requests with one key are one wish."""

    key: str
    """1..128 printable ASCII characters."""
    body_digest: Digest
    """SHA-256 of method, path and body."""


class Refusal(Struct, frozen=True):
    """Why one row was not taken."""

    rule: str
    """Stable id of the rule that it broke, as `phone.not-a-valid-number`."""
    detail: str
    """What is allowed; never contains the value."""
    field: str = "value"


class ReportOutcome(Struct, frozen=True):
    """What became of one reported row."""

    record_id: RecordId | None
    """None when it was refused."""
    stage: Stage | None = None
    height: Height | None = None
    """Block that holds it, once executed."""
    duplicate: bool = False
    """True when this member already has a live record of the same indicator, type and role."""
    refusal: Refusal | None = None


class Reason(Struct, frozen=True):
    """One weighted reason of a screening's score."""

    code: str
    weight: int
    text: str


class RecordView(Struct, frozen=True):
    """A record as an entitled reader may see it: no clear text, no salt, no tag."""

    record_id: RecordId
    reporter: MemberId
    height: Height
    timestamp_ms: int
    fields: Mapping[str, str | int | None]
    """Vocabulary labels and dates by field name; empty when erased."""
    erased: bool = False
    stage: Stage = Stage.EXECUTED
    standing: Standing | None = None
    """State and history of a statement; None for a follow-up, and in answers, where all stand."""


class ScreeningAnswer(Struct, frozen=True):
    """The answer to one question; never a silent clean."""

    hit: bool
    band: str
    score: int
    reasons: tuple[Reason, ...]
    records: tuple[RecordView, ...]
    height: Height
    """Block height of the state that was asked."""
    age_ms: int
    """Age of that state: now minus its block's timestamp."""
    complete: bool
    """False when the question could not be asked in full; then `incomplete_reason` says why."""
    incomplete_reason: str | None = None
    refusal: Refusal | None = None
    """Set when the value could not be normalised; then the other fields mean nothing."""
    reporters: int = 0
    """Distinct members whose statements count."""
    customers: int = 0
    """Distinct customers behind them, as far as each member told."""
    is_protected: bool = False
    """The holder is a victim or a genuine party: shield it."""
    permitted_actions: tuple[str, ...] = ()
    """What the records allow to do on this answer, mildest first."""
    limits: tuple[Limit, ...] = ()
    """Duties that come with it."""


class BlockView(Struct, frozen=True):
    """A block with what certifies it."""

    header: Header
    hash: Digest
    transaction_hashes: tuple[Digest, ...]
    record_count: int
    checkpoint: Certificate | None
    """None while it is executed but not finalized."""


class MemberView(Struct, frozen=True):
    """A member of the alliance as every node sees it."""

    id: MemberId
    name: str
    roles: tuple[str, ...]
    node: str
    account: str
    connected: bool | None
    """Whether this node has a live connection to it; None for itself."""


class Readiness(Struct, frozen=True):
    """Whether the node can serve, and if not what is missing."""

    ready: bool
    checks: Mapping[str, bool]
    voting: Mapping[str, int | None] = field(default_factory=dict)
    """Epoch, the height until which this validator is silent, validators heard and needed."""


class NodeService(Protocol):
    """A running node."""

    async def report(
        self,
        reports: Sequence[IndicatorReport],
        *,
        by: Caller,
        wait: Stage,
        idempotency: Idempotency | None = None,
        progress: Progress | None = None,
    ) -> list[ReportOutcome]:
        """Take up to 100,000 rows; one outcome a row, in order. Raises ServiceError.

        That `by` reports is in the access log before anything is taken.
        """
        ...

    async def screen(
        self,
        requests: Sequence[ScreeningRequest],
        *,
        by: Caller,
        progress: Progress | None = None,
        at: Height | None = None,
        remember: bool = True,
    ) -> list[ScreeningAnswer]:
        """Answer up to 100,000 questions, in order; with `at` as after that block.

        `remember`: whether the retro-hunt may tell of them later; those with `at` it does not.
        That `by` asks is in the access log before anything is asked. Raises NotFound for a block
        that is not executed here.
        """
        ...

    async def record(self, record_id: RecordId) -> RecordView:
        """A record of any member. Raises NotFound."""
        ...

    async def record_proof(self, record_id: RecordId) -> RecordProof:
        """Offline proof of a finalized record. Raises NotFound, Conflict while not final."""
        ...

    async def block(self, at: int | str) -> BlockView:
        """A block by height, `latest` or `finalized`. Raises NotFound."""
        ...

    def epoch_at(self, height: Height) -> EpochTerms:
        """Who votes on a height, at most one above the last block, in certificates' order."""
        ...

    def members(self) -> Sequence[MemberView]:
        """All members in ledger order."""
        ...

    def status(self) -> Mapping[str, object]:
        """State of this node as JSON: member, roles, heights, view, peers, queues, versions."""
        ...

    def diagnosis(self) -> Diagnosis:
        """Why there is no block, or that all is well."""
        ...

    def evidence(self) -> Sequence[EvidenceEntry]:
        """Every case against a validator that this node holds."""
        ...

    def evidence_of(self, identity: Digest) -> EvidenceEntry:
        """One case. Raises NotFound."""
        ...

    async def post_evidence(self, identity: Digest) -> EvidenceEntry:
        """Send a case to the ledger, once. Raises NotFound, Conflict, Forbidden, Busy."""
        ...

    def readiness(self) -> Readiness:
        """Whether the node serves: storage open, in step with the alliance, a quorum connected."""
        ...

    def metrics(self) -> bytes:
        """Prometheus text exposition."""
        ...
