"""The examiner: gathers the facts of the running node, asks the rules, remembers since when.

Rules: it only reads; it looks every PERIOD_MS and whenever asked, so that a finding's `since` is
known to within that period; what appears and what is over is one log line each. The rules
themselves are in `node.diagnosis`, without clock and socket.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import MemberId
from bulwark.ledger.validators import ValidatorSet
from consensus.config import Config
from consensus.snapshot import Snapshot
from consensus.types import Status, leader_of
from node.chain.store import ChainStore
from node.diagnosis.facts import (
    CertificateFacts,
    ClockSample,
    ConsensusFacts,
    EvidenceFacts,
    Facts,
    MemberFacts,
    PeerStatus,
    PoolFacts,
    Refusal,
    Settings,
    SlotFacts,
    SyncFacts,
    SyncLiar,
)
from node.diagnosis.finding import Diagnosis, Finding, Severity, Verdict
from node.diagnosis.verdict import diagnose
from node.evidence_book import EvidenceBook
from node.logs import Log
from node.mempool import Mempool
from node.network.network import Network
from node.network.timing import Timekeeper
from node.surroundings import disk_facts
from node.tidings import Tidings

if TYPE_CHECKING:
    from prometheus_client.core import Metric

PERIOD_MS: Final = 2_000
"""Between two looks."""
_Key = tuple[str, str]

log = Log("diagnosis")


class Sources(Struct, frozen=True):
    """What the examiner reads."""

    genesis: Genesis
    member: MemberId
    validators: Callable[[], ValidatorSet]
    """Of the epoch that makes the next block."""
    chain: ChainStore
    mempool: Mempool
    max_transactions: int
    network: Network
    timekeeper: Timekeeper
    evidence: EvidenceBook
    snapshot: Callable[[], Snapshot | None]
    sync: Callable[[], SyncFacts | None]
    """Block sync under way; rate and times are filled in here."""
    halted: Callable[[], str | None]
    liars: Callable[[], tuple[SyncLiar, ...]]
    """Who lied in block sync since the start."""
    now_ms: Callable[[], int]
    started_ms: int
    disk: Path
    certificates: Callable[[], Sequence[CertificateFacts]]
    version: str
    settings: Callable[[], Settings] = Settings
    """The alliance's times in the epoch that runs."""
    wall_ns: Callable[[], int] = time.time_ns
    steady_ns: Callable[[], int] = time.monotonic_ns


class Examiner:
    """Facts of one node, its diagnosis, and what changed."""

    def __init__(self, sources: Sources) -> None:
        self._from = sources
        self.tidings = Tidings()
        """Sources that are told once their desks are built."""
        self._changed_ms: dict[MemberId, int] = {}
        """When a member's connection last came or went."""
        self._since_ms: dict[_Key, int] = {}
        self._known: set[_Key] = set()
        """Findings of which the log told."""
        self._verdict: Verdict | None = None
        self._pace = _SyncPace()
        self._evidence: tuple[int, tuple[EvidenceFacts, ...]] = (0, ())
        self._offset_ns = sources.wall_ns() - sources.steady_ns()

    # -- what happens

    def peer_changed(self, member: MemberId) -> None:
        """A member's connection came or went."""
        self._changed_ms[member] = self._from.now_ms()

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            # First a pause: nobody is connected to a node that has just begun.
            await asyncio.sleep(PERIOD_MS / 1000)
            self._tell(self.diagnose())

    # -- answers

    def diagnose(self) -> Diagnosis:
        """The diagnosis now, each finding with its time."""
        found = diagnose(self.facts())
        keys = {(f.code, f.subject) for f in found.findings}
        self._since_ms = {key: self._since_ms.get(key, found.at_ms) for key in keys}
        dated = tuple(
            f
            if f.since_ms is not None
            else dataclasses.replace(f, since_ms=self._since_ms[f.code, f.subject])
            for f in found.findings
        )
        return replace(found, findings=dated)

    def facts(self) -> Facts:
        """What the rules look at."""
        source = self._from
        validators = source.validators()
        snapshot = source.snapshot()
        own = source.genesis.member(source.member)
        now_ms = source.now_ms()
        wall_ns, steady_ns = source.wall_ns(), source.steady_ns()
        found = Facts(
            now_ms=now_ms,
            own=source.member,
            validators=tuple(v.member for v in validators.validators),
            quorum=validators.quorum,
            executed=source.chain.applied,
            finalized=source.chain.finalized,
            tip_ms=source.chain.tip.timestamp_ms,
            halted=source.halted() or "",
            started_ms=source.started_ms,
            role_wanted="validator" if own is None or own.is_validator else "observer",
            epoch=validators.epoch,
            epoch_end=None if snapshot is None else snapshot.epoch_end,
            members=self._members(validators, snapshot),
            consensus=None if snapshot is None else consensus_facts(snapshot, len(validators)),
            pool=self._pool(),
            sync=self._pace.note(source.sync(), now_ms),
            liars=source.liars(),
            disk=disk_facts(source.disk),
            certificates=tuple(source.certificates()),
            evidence=self._cases(),
            version=source.version,
            clock_moved_ms=(wall_ns - steady_ns - self._offset_ns) // 1_000_000,
            clock_held_ms=max(0, now_ms - wall_ns // 1_000_000),
            settings=source.settings(),
        )
        return self.tidings.added_to(found)

    def families(self) -> Iterable[Metric]:
        """Metrics: findings by severity, clock offsets, evidence."""
        from prometheus_client.core import GaugeMetricFamily

        found = self.diagnose()
        findings = GaugeMetricFamily(
            "bulwark_findings", "Findings of the diagnosis", labels=["severity"]
        )
        for severity in Severity:
            count = sum(f.severity is severity for f in found.findings)
            findings.add_metric([severity.label], float(count))
        yield findings
        verdicts = GaugeMetricFamily(
            "bulwark_verdict", "1 for the verdict that applies", labels=["verdict"]
        )
        for verdict in Verdict:
            verdicts.add_metric([verdict.value], float(verdict is found.verdict))
        yield verdicts
        clocks = GaugeMetricFamily(
            "bulwark_peer_clock_offset_seconds",
            "A member's clock minus this node's",
            labels=["member"],
        )
        for member in sorted(self._from.network.connected()):
            sample = self._from.timekeeper.sample(member)
            if sample is not None:
                clocks.add_metric([member], sample.offset_ms / 1000)
        yield clocks
        cases = self._from.evidence.count() + len(self.tidings.cases())
        yield GaugeMetricFamily("bulwark_evidence", "Cases against members", value=float(cases))

    # -- inside

    def _members(
        self, validators: ValidatorSet, snapshot: Snapshot | None
    ) -> tuple[MemberFacts, ...]:
        source = self._from
        now_ms = source.now_ms()
        index_of = {v.member: i for i, v in enumerate(validators.validators)}
        names = {m.id for m in source.genesis.members} | set(index_of)
        peers = source.network.peers()
        ages = {peer.member: peer.age_ms for peer in peers}
        levels = {peer.member: peer.level for peer in peers}
        refusals = source.network.refusals()
        statuses = {} if snapshot is None else {int(p.index): p for p in snapshot.peers}
        found = []
        for name in sorted(names - {source.member}, key=lambda n: (index_of.get(n, 1 << 20), n)):
            index = index_of.get(name)
            status = None if index is None else statuses.get(index)
            refusal = refusals.get(name)
            sample = source.timekeeper.sample(name)
            up = name in ages
            changed_ms = self._changed_ms.get(name, source.started_ms)
            found.append(
                MemberFacts(
                    id=name,
                    validator=index,
                    connected=up,
                    changed_ms=now_ms - ages[name] if up else changed_ms,
                    refusal=None
                    if up or refusal is None
                    else Refusal(str(refusal[0]), refusal[1], now_ms - refusal[2]),
                    status=None
                    if status is None
                    else PeerStatus(
                        status.view,
                        status.changing,
                        status.executed,
                        status.stable,
                        status.silent,
                        status.at_ms,
                    ),
                    clock=None
                    if sample is None
                    else ClockSample(sample.offset_ms, sample.error_ms, sample.at_ms),
                    version=source.timekeeper.version(name),
                    level=levels.get(name),
                )
            )
        return tuple(found)

    def _pool(self) -> PoolFacts:
        pool = self._from.mempool
        return PoolFacts(
            count=len(pool),
            bytes=pool.bytes,
            most=self._from.max_transactions,
            behind_gap=sum(pending.ready_ms is None for pending in pool.waiting()),
            oldest_ms=pool.oldest_ms(),
        )

    def _cases(self) -> tuple[EvidenceFacts, ...]:
        count = self._from.evidence.count()
        if count == self._evidence[0]:
            return self._evidence[1]
        by_culprit: dict[str, list[str]] = {}
        for entry in self._from.evidence.entries():
            if entry.holds:
                by_culprit.setdefault(entry.culprit, []).append(entry.case.label)
        facts = tuple(
            EvidenceFacts(culprit, tuple(sorted(set(kinds))), len(kinds))
            for culprit, kinds in sorted(by_culprit.items())
        )
        self._evidence = (count, facts)
        return facts

    def _tell(self, found: Diagnosis) -> None:
        """Log what is new and what is over; news of no consequence are left out."""
        if found.verdict is not self._verdict:
            self._verdict = found.verdict
            log.info("verdict", verdict=str(found.verdict), headline=found.headline)
        grave = [f for f in found.findings if f.severity is not Severity.INFO]
        keys = {(f.code, f.subject) for f in grave}
        for finding in grave:
            if (finding.code, finding.subject) not in self._known:
                _log_finding(finding)
        for code, subject in sorted(self._known - keys):
            log.info("finding is over", code=code, subject=subject)
        self._known = keys


def _log_finding(finding: Finding) -> None:
    log.warning(
        "finding",
        code=finding.code,
        severity=finding.severity.label,
        subject=finding.subject,
        seen=finding.seen,
    )


class _SyncPace:
    """How fast block sync gets on."""

    def __init__(self) -> None:
        self._first: tuple[int, int] | None = None
        """When the sync under way was first seen, and the height then."""
        self._last: tuple[int, tuple[int, int]] = (0, (0, 0))
        """When it last got further, and the height and the state values then."""

    def note(self, found: SyncFacts | None, now_ms: int) -> SyncFacts | None:
        """The facts with start, rate and last movement."""
        if found is None:
            self._first = None
            return None
        if self._first is None:
            self._first = (now_ms, found.applied)
            self._last = (now_ms, (0, 0))
        done = (found.applied, found.state_values)
        if done != self._last[1]:
            self._last = (now_ms, done)
        since_ms, start = self._first
        elapsed_ms = now_ms - since_ms
        rate = (found.applied - start) * 60_000 // elapsed_ms if elapsed_ms >= 1_000 else None
        return replace(
            found,
            since_ms=since_ms,
            blocks_per_minute=found.blocks_per_minute or rate or None,
            moved_ms=self._last[0],
        )


def consensus_facts(snapshot: Snapshot, n: int) -> ConsensusFacts:
    """The replica's own picture as facts, among `n` validators."""
    slots = tuple(
        SlotFacts(
            height=slot.height,
            phase=slot.phase,
            prepares=slot.prepares,
            commits=slot.commits,
            checkpoints=slot.checkpoints,
            dissent=slot.dissent,
            has_body=slot.has_body or slot.digest is None,
            refusal=slot.refusal,
            timely=slot.timely,
        )
        for slot in snapshot.slots
    )
    return ConsensusFacts(
        me=snapshot.me,
        view=snapshot.view,
        changing=snapshot.status is Status.CHANGING,
        leader=leader_of(snapshot.view, n),
        proposer=snapshot.proposer,
        next_height=snapshot.next_height,
        pending=snapshot.pending_requests,
        timeout_ms=snapshot.timeout_ms,
        attempt=snapshot.attempt,
        executing=snapshot.executing,
        syncing=snapshot.syncing,
        silent_until=snapshot.silent_until,
        view_changes=snapshot.view_changes,
        slots=slots,
    )


def settings_of(config: Config) -> Settings:
    """The alliance's times as the core runs with them."""
    return Settings(
        heartbeat_ms=config.heartbeat_ms,
        base_timeout_ms=config.base_timeout_ms,
        clock_precision_ms=config.clock_precision_ms,
        status_interval_ms=config.status_interval_ms,
    )
