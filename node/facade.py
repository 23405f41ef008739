"""The running node as its API sees it: one object that answers `node.service.NodeService`.

It holds no rule of its own: every method hands over to the part that owns the matter, and turns
ledger places into the views that readers get.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from bulwark.indicators.model import IndicatorReport, ScreeningRequest
from bulwark.ledger.epochs import EpochTerms
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import Digest, Height, MemberId, RecordId
from bulwark.ledger.proofs import RecordProof
from node.chain.epochs import EpochBook
from node.chain.proofs import NotProvable, Prover
from node.chain.records import RecordReader
from node.chain.store import ChainStore
from node.diagnosis.finding import Diagnosis
from node.directory import Directory
from node.evidence import EvidenceEntry
from node.evidence_book import EvidenceBook
from node.examiner import Examiner
from node.guarded.accessdesk import AccessDesk
from node.guarded.accusationshelf import AccusationShelf
from node.ledgercase import ledger_case_id
from node.mesh import NetworkMesh
from node.recall.hits import HitLog
from node.reporting.evidence_poster import EvidencePoster
from node.reporting.recordviews import RecordViews
from node.reporting.reporter import Reporter
from node.reporting.tracker import StageTracker
from node.screening.screener import Screener, Seen
from node.service import (
    BlockView,
    Caller,
    Conflict,
    Forbidden,
    Idempotency,
    MemberView,
    NotFound,
    Progress,
    Readiness,
    RecordView,
    ReportOutcome,
    ScreeningAnswer,
    Stage,
)
from node.status import StatusBoard


class Parts(Struct, frozen=True):
    """What the facade hands over to."""

    genesis: Genesis
    member: MemberId
    chain: ChainStore
    epochs: EpochBook
    records: RecordReader
    views: RecordViews
    prover: Prover
    reporter: Reporter
    screener: Screener
    access: AccessDesk
    hits: HitLog
    remember: Callable[[Caller], Seen]
    """What keeps a caller's questions for the retro-hunt."""
    tracker: StageTracker
    mesh: NetworkMesh
    board: StatusBoard
    examiner: Examiner
    evidence: EvidenceBook
    poster: EvidencePoster
    accusations: AccusationShelf
    directory: Directory
    is_reporter: Callable[[], bool]
    """Whether this member's account may anchor now."""


class Facade:
    """NodeService over the parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def report(
        self,
        reports: Sequence[IndicatorReport],
        *,
        by: Caller,
        wait: Stage,
        idempotency: Idempotency | None = None,
        progress: Progress | None = None,
    ) -> list[ReportOutcome]:
        """See NodeService."""
        self._need_reporter()
        await self._parts.access.reporting(by, reports)
        return await self._parts.reporter.report(
            reports, wait=wait, idempotency=idempotency, progress=progress
        )

    async def screen(
        self,
        requests: Sequence[ScreeningRequest],
        *,
        by: Caller,
        progress: Progress | None = None,
        at: Height | None = None,
        remember: bool = True,
    ) -> list[ScreeningAnswer]:
        """See NodeService."""
        await self._parts.access.screening(by, requests)
        seen = self._parts.remember(by) if remember and at is None else None
        answers = await self._parts.screener.screen(requests, progress, at, seen)
        await self._parts.hits.note(by, requests, answers)
        return answers

    def _need_reporter(self) -> None:
        if not self._parts.is_reporter():
            raise Forbidden(
                f"member {self._parts.member} has no role reporter on the ledger; "
                "it can screen and audit, not report"
            )

    async def record(self, record_id: RecordId) -> RecordView:
        """See NodeService."""
        return self._parts.views.view(record_id)

    async def record_proof(self, record_id: RecordId) -> RecordProof:
        """See NodeService."""
        self._parts.views.check_shown(record_id)
        try:
            return self._parts.prover.record(record_id)
        except LookupError as error:
            raise NotFound("this node has no such record") from error
        except NotProvable as error:
            raise Conflict(str(error)) from error

    async def block(self, at: int | str) -> BlockView:
        """See NodeService."""
        chain = self._parts.chain
        height = {"latest": chain.applied, "finalized": chain.finalized}.get(str(at))
        if height is None:
            height = Height(int(at)) if str(at).isdecimal() else Height(-1)
        found = chain.block(height) if 0 <= height <= chain.applied else None
        if found is None:
            raise NotFound(f"there is no block {at} on this node; the last is {chain.applied}")
        return BlockView(
            header=found.header,
            hash=found.header.hash(),
            transaction_hashes=found.transaction_hashes,
            record_count=found.record_count,
            checkpoint=chain.checkpoint(height),
        )

    def epoch_at(self, height: Height) -> EpochTerms:
        """See NodeService."""
        return self._parts.epochs.at(height).terms

    def members(self) -> Sequence[MemberView]:
        """See NodeService."""
        connected = set(self._parts.mesh.connected())
        return [
            MemberView(
                id=member.id,
                name=member.name,
                roles=member.roles,
                node=f"0x{member.node.hex()}",
                account=f"0x{member.account.hex()}",
                connected=None if member.id == self._parts.member else member.id in connected,
            )
            for member in self._parts.directory.members
        ]

    def status(self) -> Mapping[str, object]:
        """See NodeService."""
        return self._parts.board.status()

    def diagnosis(self) -> Diagnosis:
        """See NodeService."""
        return self._parts.examiner.diagnose()

    def evidence(self) -> Sequence[EvidenceEntry]:
        """See NodeService."""
        found = (*self._parts.evidence.entries(), *self._parts.accusations.entries())
        return [self._with_case(entry) for entry in found]

    def evidence_of(self, identity: Digest) -> EvidenceEntry:
        """See NodeService."""
        entry = self._parts.evidence.get(identity) or self._parts.accusations.get(identity)
        if entry is None:
            raise NotFound("this node has no such evidence")
        return self._with_case(entry)

    def _with_case(self, entry: EvidenceEntry) -> EvidenceEntry:
        case = ledger_case_id(entry.case, entry.culprit, self._parts.genesis.hash)
        return replace(entry, ledger_case=case)

    async def post_evidence(self, identity: Digest) -> EvidenceEntry:
        """See NodeService."""
        entry = self.evidence_of(identity)
        return self._parts.poster.post(entry)

    def readiness(self) -> Readiness:
        """See NodeService."""
        return self._parts.board.readiness()

    def metrics(self) -> bytes:
        """See NodeService."""
        return self._parts.board.metrics()

    def member_of(self, account: bytes) -> MemberId:
        """Name of an account's member."""
        return self._parts.directory.member_of(account)

    def stage_of_record(self, record_id: RecordId) -> tuple[Stage, Height | None]:
        """How far a record of this member got."""
        height = self._parts.records.height_of(record_id)
        return stage_of(self._parts.chain, height)

    def stage_of_transaction(self, transaction_hash: Digest) -> tuple[Stage, Height | None]:
        """How far a transaction of this member got."""
        return stage_of(
            self._parts.chain, self._parts.chain.height_of_transaction(transaction_hash)
        )


def stage_of(chain: ChainStore, height: Height | None) -> tuple[Stage, Height | None]:
    """Stage of something that is in the block at `height`, or in none yet."""
    if height is None:
        return Stage.ACCEPTED, None
    return (Stage.FINALIZED if height <= chain.finalized else Stage.EXECUTED), height
