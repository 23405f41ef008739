"""A node in memory behind the NodeService port: it keeps, answers and refuses as a node does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from bulwark.indicators.errors import NormalisationError
from bulwark.indicators.model import IndicatorReport, ScreeningRequest
from bulwark.indicators.normalise import normalise
from bulwark.ledger.anchor import Anchor, AnchorKind
from bulwark.ledger.epochs import EpochTerms
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import (
    Address,
    Digest,
    Epoch,
    Height,
    MemberId,
    RecordId,
    Tag,
    ValidatorIndex,
    View,
)
from bulwark.ledger.merkle import root_of
from bulwark.ledger.proofs import AnchorProof, RecordProof, SealedHeader
from bulwark.ledger.record import Record, RecordPayload
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.signing import SigningDomain
from bulwark.ledger.validators import Validator, ValidatorSet
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from node.diagnosis.facts import Facts
from node.diagnosis.finding import Diagnosis
from node.diagnosis.verdict import diagnose
from node.evidence import EvidenceEntry
from node.service import (
    BlockView,
    Caller,
    Conflict,
    Idempotency,
    IdempotencyMismatch,
    MemberView,
    NotFound,
    Progress,
    Readiness,
    Reason,
    RecordView,
    Refusal,
    ReportOutcome,
    ScreeningAnswer,
    Stage,
)
from tests.unit.api.fake_chain import SENDER, START_MS, FakeChain

MEMBER = MemberId("bank-a")


def certificate(kind: VoteKind, height: Height, digest: Digest) -> Certificate:
    """A certificate of three signers whose signatures are no signatures."""
    subject = VoteSubject(kind, View(0), height, digest)
    votes = tuple((ValidatorIndex(at), bytes([at]) * 65) for at in range(3))
    return Certificate(subject, votes)


@dataclass
class FakeNode:
    """NodeService over dictionaries."""

    chain: FakeChain = field(default_factory=FakeChain)
    records: dict[RecordId, tuple[Record, IndicatorReport, Stage]] = field(default_factory=dict)
    tags: dict[bytes, list[RecordId]] = field(default_factory=dict)
    promises: dict[str, tuple[Digest, object]] = field(default_factory=dict)
    reachable: bool = True
    ready: bool = True
    failure: Exception | None = None
    held: asyncio.Event | None = None
    """Screenings wait for it."""
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a screening waits."""
    callers: list[Caller] = field(default_factory=list)
    remembered: list[bool] = field(default_factory=list)
    seen: list[IndicatorReport] = field(default_factory=list)
    facts: Facts = field(default_factory=lambda: Facts(START_MS, "bank-a", (), 0, 4, 3, START_MS))
    cases: dict[Digest, EvidenceEntry] = field(default_factory=dict)
    posts: int = 0

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _promised(self, idempotency: Idempotency | None) -> object | None:
        if idempotency is None or idempotency.key not in self.promises:
            return None
        digest, answer = self.promises[idempotency.key]
        if digest != idempotency.body_digest:
            raise IdempotencyMismatch("this key was used with another body")
        return answer

    def _promise(self, idempotency: Idempotency | None, answer: object) -> None:
        if idempotency is not None:
            self.promises[idempotency.key] = (idempotency.body_digest, answer)

    async def report(
        self,
        reports: Sequence[IndicatorReport],
        *,
        by: Caller,
        wait: Stage,
        idempotency: Idempotency | None = None,
        progress: Progress | None = None,
    ) -> list[ReportOutcome]:
        self._fail()
        self.callers.append(by)
        if progress is not None:
            progress(len(reports), 0)
        known = self._promised(idempotency)
        if isinstance(known, list):
            return known
        outcomes = [self._report(report, wait) for report in reports]
        self._promise(idempotency, outcomes)
        return outcomes

    def _report(self, report: IndicatorReport, wait: Stage) -> ReportOutcome:
        self.seen.append(report)
        try:
            tag = tag_of(report)
        except NormalisationError as error:
            return ReportOutcome(None, refusal=Refusal(error.rule, error.message))
        for known in self.tags.get(tag, ()):
            if self.records[known][1].fraud_type is report.fraud_type:
                return ReportOutcome(known, Stage.EXECUTED, Height(1), duplicate=True)
        salt = sha256(b"salt %d" % len(self.records))
        payload = RecordPayload(operation=1, kind=report.kind, fraud_type=report.fraud_type)
        record = Record.of(salt, Tag(tag), payload)
        self.records[record.record_id] = (record, report, wait)
        self.tags.setdefault(tag, []).append(record.record_id)
        return ReportOutcome(record.record_id, wait, Height(1) if wait >= 3 else None)

    async def screen(
        self,
        requests: Sequence[ScreeningRequest],
        *,
        by: Caller,
        progress: Progress | None = None,
        at: Height | None = None,
        remember: bool = True,
    ) -> list[ScreeningAnswer]:
        self._fail()
        if at is not None and at > self.chain.tip:
            raise NotFound(f"there is no block {at} on this node")
        self.callers.append(by)
        self.remembered.append(remember)
        if progress is not None:
            progress(len(requests), 0)
        if self.held is not None:
            self.waiting.set()
            await self.held.wait()
        return [self._screen(request) for request in requests]

    def _screen(self, request: ScreeningRequest) -> ScreeningAnswer:
        reason = None if self.reachable else "2 of 3 evaluators answered"
        try:
            found = self.tags.get(tag_of(request), [])
        except NormalisationError as error:
            refusal = Refusal(error.rule, error.message)
            return ScreeningAnswer(False, "none", 0, (), (), Height(0), 0, True, None, refusal)
        views = tuple(self._view(record_id) for record_id in found)
        reasons = (Reason("reported", 40, "reported by 1 member"),) if views else ()
        band, score = ("high", 80) if views else ("none", 0)
        at, age = Height(self.chain.tip), 1200
        return ScreeningAnswer(
            bool(views), band, score, reasons, views, at, age, self.reachable, reason
        )

    def _view(self, record_id: RecordId) -> RecordView:
        _, report, stage = self.records[record_id]
        fields = {"kind": report.kind.label, "fraud_type": report.fraud_type.label}
        fields["confidence"] = report.confidence
        return RecordView(record_id, MEMBER, Height(1), START_MS, fields, stage=stage)

    async def record(self, record_id: RecordId) -> RecordView:
        self._fail()
        if record_id not in self.records:
            raise NotFound("no such record")
        return self._view(record_id)

    async def record_proof(self, record_id: RecordId) -> RecordProof:
        if record_id not in self.records:
            raise NotFound("no such record")
        record, _, stage = self.records[record_id]
        if stage < Stage.FINALIZED:
            raise Conflict("the record is not final yet")
        sidecar = Sidecar((record,))
        policy = sha256(b"policy")
        anchor = Anchor(
            kind=AnchorKind.RECORDS, height=Height(1), transaction_index=0, log_index=0,
            account=SENDER, digest=sidecar.root, reference=policy, count=1, schema=1,
        )  # fmt: skip
        return RecordProof(record, 0, (), self.anchored(anchor))

    def anchored(self, anchor: Anchor) -> AnchorProof:
        root = root_of([anchor.leaf_hash])
        header = FakeChain().add([], record_log_size=1, record_log_root=root).header
        sealed = certificate(VoteKind.CHECKPOINT, header.height, header.hash())
        return AnchorProof(anchor, 0, (), SealedHeader(header, sealed))

    async def block(self, at: int | str) -> BlockView:
        height = self.chain.height(at)
        body = None if height is None else self.chain.block(height)
        if body is None:
            raise NotFound("no such block")
        final = body.header.height <= (self.chain.height("finalized") or 0)
        sealed = certificate(VoteKind.CHECKPOINT, body.header.height, body.hash)
        hashes = tuple(transaction.hash for transaction in body.transactions)
        return BlockView(body.header, body.hash, hashes, 0, sealed if final else None)

    def epoch_at(self, height: Height) -> EpochTerms:
        names = ("bank-a", "telco-b", "bank-c", "telco-d")
        found = tuple(
            Validator(MemberId(name), Address(bytes([at + 1]) * 20))
            for at, name in enumerate(names)
        )
        domain = SigningDomain(1337, sha256(b"genesis"), Epoch(0))
        return EpochTerms(ValidatorSet(Epoch(0), found), domain, Height(0))

    def members(self) -> Sequence[MemberView]:
        address = "0x" + SENDER.hex()
        roles = ("validator", "reporter")
        return [
            MemberView(MEMBER, "Bank A", roles, address, address, None),
            MemberView(MemberId("telco-b"), "Telco B", roles, address, address, True),
        ]

    def status(self) -> Mapping[str, object]:
        return {"member": MEMBER, "height": self.chain.tip, "peers": [], "view": 0}

    def diagnosis(self) -> Diagnosis:
        return diagnose(self.facts)

    def evidence(self) -> Sequence[EvidenceEntry]:
        return list(self.cases.values())

    def evidence_of(self, identity: Digest) -> EvidenceEntry:
        if identity not in self.cases:
            raise NotFound("this node has no such evidence")
        return self.cases[identity]

    async def post_evidence(self, identity: Digest) -> EvidenceEntry:
        entry = self.evidence_of(identity)
        if not entry.posted:
            self.posts += 1
            entry = self.cases[identity] = replace(entry, posted="0x" + identity.hex())
        return entry

    def readiness(self) -> Readiness:
        return Readiness(self.ready, {"storage": True, "quorum": self.ready})

    def metrics(self) -> bytes:
        return b"# TYPE bulwark_height gauge\nbulwark_height 4"


def tag_of(asked: IndicatorReport | ScreeningRequest) -> bytes:
    """A stand-in for the keyed tag: a hash of the normalised value."""
    normalised = normalise(asked.kind, asked.value, asked.region or None)
    return sha256(f"{normalised.profile} {normalised.value}".encode())
