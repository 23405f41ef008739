"""The status board: the node's state as JSON, as readiness checks and as Prometheus metrics.

Rules: it only reads; names and units of metrics are stable; nothing here names an identifier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import Height, MemberId
from bulwark.ledger.validators import ValidatorSet
from consensus.snapshot import Snapshot
from node.chain.store import ChainStore
from node.examiner import Examiner
from node.guarded.report import GuardedReport
from node.lifecycle import Lifecycle
from node.mempool import Mempool
from node.network.network import Network
from node.reporting.reporter import Reporter
from node.screening.screener import Screener
from node.service import Readiness
from node.sync.report import SyncReport
from node.tagging.tagger import Tagger
from node.version import product_version

MAX_LAG_BLOCKS = 8
"""Blocks behind the alliance with which a node still calls itself in step."""


class Sources(Struct, frozen=True):
    """What the board reads."""

    genesis: Genesis
    member: MemberId
    chain: ChainStore
    mempool: Mempool
    network: Network
    tagger: Tagger
    lifecycle: Lifecycle
    snapshot: Callable[[], Snapshot | None]
    """State of the consensus core; None on an observer."""
    sync_target: Callable[[], Height | None]
    sync: SyncReport
    guarded: GuardedReport
    halted: Callable[[], str | None]
    now_ms: Callable[[], int]
    started_ms: int
    validators: Callable[[], ValidatorSet]
    """Of the epoch that makes the next block."""
    has_keys: Callable[[], bool]
    """Whether the keys that the members share are there."""


class StatusBoard:
    """Read-only views of a running node."""

    def __init__(self, sources: Sources) -> None:
        self._from = sources
        self._reporter: Reporter | None = None
        self._screener: Screener | None = None
        self._examiner: Examiner | None = None
        self._parts: dict[str, Callable[[], object]] = {}
        self._more: list[Callable[[], Iterable[Metric]]] = []
        self._registry = CollectorRegistry()
        self._registry.register(_NodeCollector(self))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def attach(self, reporter: Reporter, screener: Screener) -> None:
        """Tell the board who works for clients; they need the board first."""
        self._reporter = reporter
        self._screener = screener

    def examine_with(self, examiner: Examiner) -> None:
        """Tell the board who diagnoses; its metrics are shown with the others."""
        self._examiner = examiner

    def tell_also(self, name: str, part: Callable[[], object]) -> None:
        """Show a desk's own part of the node's state under a name of its own."""
        self._parts[name] = part

    def show_also(self, families: Callable[[], Iterable[Metric]]) -> None:
        """Show a desk's own metrics with the others."""
        self._more.append(families)

    @property
    def is_validator(self) -> bool:
        """Whether this node votes."""
        return self._from.snapshot() is not None

    def quorum_connected(self) -> bool:
        """Whether the validators in reach, this one included, are a quorum."""
        validators = self._from.validators()
        connected = self._from.network.connected() | {self._from.member}
        return sum(v.member in connected for v in validators.validators) >= validators.quorum

    def lag(self) -> str | None:
        """Why this replica is behind the alliance, None while it is in step."""
        target = self._from.sync_target()
        applied = self._from.chain.applied
        if target is not None and target > applied + MAX_LAG_BLOCKS:
            return f"this node is catching up: block {applied} of at least {target}"
        if not self.quorum_connected():
            return "this node does not reach a quorum of the alliance; its data may be old"
        return None

    def readiness(self) -> Readiness:
        """Whether the node serves; every check by name."""
        checks = {
            "storage": self._from.halted() is None,
            "quorum_connected": self.quorum_connected(),
            "in_step": self._from.sync_target() is None or self.lag() is None,
            "shared_keys": self._from.has_keys(),
        }
        return Readiness(all(checks.values()), checks, self._voting())

    def _voting(self) -> dict[str, int | None]:
        """Numbers only: whoever has no key reads this too."""
        facts = None if self._examiner is None else self._examiner.facts()
        if facts is None:
            return {}
        own = facts.consensus
        return {
            "epoch": facts.epoch,
            "silent_until": None if own is None else own.silent_until,
            "validators": len(facts.validators),
            "heard": len(facts.voters),
            "needed": facts.quorum,
        }

    def status(self) -> Mapping[str, object]:
        """The node's state as JSON."""
        source = self._from
        tip = source.chain.tip
        return {
            "member": source.member,
            "role": "validator" if self.is_validator else "observer",
            "alliance": source.genesis.alliance,
            "chain_id": source.genesis.chain_id,
            "genesis_hash": f"0x{source.genesis.hash.hex()}",
            "version": product_version(),
            "uptime_ms": source.now_ms() - source.started_ms,
            "height": {"executed": source.chain.applied, "finalized": source.chain.finalized},
            "tip": {
                "hash": f"0x{tip.hash().hex()}",
                "timestamp_ms": tip.timestamp_ms,
                "age_ms": max(0, source.now_ms() - tip.timestamp_ms),
                "record_log_size": tip.record_log_size,
            },
            "sync_target": source.sync_target(),
            "sync": source.sync.document(),
            "halted": source.halted(),
            "peers": [
                {
                    "member": peer.member,
                    "age_ms": peer.age_ms,
                    "silent_ms": peer.silent_ms,
                    "known_level": peer.level,
                }
                for peer in source.network.peers()
            ],
            "mempool": {"transactions": len(source.mempool), "bytes": source.mempool.bytes},
            "reports": self._reports(),
            "tagging": {
                "cached": len(source.tagger.cache),
                "rounds": source.tagger.rounds,
                "bad_evaluations": source.tagger.bad_evaluations,
            },
            "consensus": self._consensus(),
            **{name: part() for name, part in self._parts.items()},
        }

    def _reports(self) -> dict[str, int]:
        reporter = self._reporter
        if reporter is None:
            return {}
        return {
            "taken": reporter.taken,
            "duplicates": reporter.duplicates,
            "refused": reporter.refused,
            "pending": reporter.pending_records,
        }

    def _consensus(self) -> Mapping[str, object] | None:
        snapshot = self._from.snapshot()
        if snapshot is None:
            return None
        return {
            "view": snapshot.view,
            "status": str(snapshot.status),
            "executed": snapshot.executed,
            "stable": snapshot.stable,
            "epoch": snapshot.epoch,
            "epoch_end": snapshot.epoch_end,
            "start": snapshot.start,
            "silent_until": snapshot.silent_until,
            "validators": self._statuses(snapshot),
        }

    def _statuses(self, snapshot: Snapshot) -> list[dict[str, object]]:
        """The last STATUS of each other validator."""
        now_ms = self._from.now_ms()
        validators = self._from.validators().validators
        return [
            {
                "member": validators[peer.index].member,
                "view": peer.view,
                "changing": peer.changing,
                "executed": peer.executed,
                "stable": peer.stable,
                "silent": peer.silent,
                "age_ms": max(0, now_ms - peer.at_ms),
            }
            for peer in snapshot.peers
            if peer.index < len(validators)
        ]

    def metrics(self) -> bytes:
        """Prometheus text exposition."""
        return generate_latest(self._registry)

    def families(self) -> Iterable[Metric]:
        """The node's own metrics."""
        source = self._from
        gauges = {
            "bulwark_height_executed": ("Last executed block", source.chain.applied),
            "bulwark_height_finalized": ("Last finalized block", source.chain.finalized),
            "bulwark_tip_age_seconds": (
                "Now minus the tip's timestamp",
                max(0, source.now_ms() - source.chain.tip.timestamp_ms) / 1000,
            ),
            "bulwark_record_log_size": (
                "Anchors in the record log",
                source.chain.tip.record_log_size,
            ),
            "bulwark_peers_connected": ("Members connected", len(source.network.connected())),
            "bulwark_mempool_transactions": ("Transactions waiting", len(source.mempool)),
            "bulwark_mempool_bytes": ("Bytes waiting", source.mempool.bytes),
            "bulwark_records_pending": (
                "Own records not executed yet",
                self._reports().get("pending", 0),
            ),
            "bulwark_tag_cache_entries": ("Tags in the cache", len(source.tagger.cache)),
            "bulwark_ready": ("1 when the node is ready", int(self.readiness().ready)),
        }
        snapshot = source.snapshot()
        if snapshot is not None:
            gauges["bulwark_consensus_view"] = ("Current view", snapshot.view)
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(name, text, value=float(value))
        counters = {
            "bulwark_blocks": ("Blocks executed since start", source.lifecycle.blocks),
            "bulwark_transactions": (
                "Transactions executed since start",
                source.lifecycle.transactions,
            ),
            "bulwark_records": ("Records anchored since start", source.lifecycle.records),
            "bulwark_tagging_rounds": ("OPRF rounds started", source.tagger.rounds),
            "bulwark_tagging_bad_evaluations": (
                "Wrong evaluations refused",
                source.tagger.bad_evaluations,
            ),
        }
        for name, value in self._reports().items():
            if name != "pending":
                counters[f"bulwark_reports_{name}"] = (f"Reported rows {name} since start", value)
        if self._screener is not None:
            counters["bulwark_screenings"] = ("Questions answered", self._screener.asked)
            counters["bulwark_screening_hits"] = ("Questions with a hit", self._screener.hits)
        for name, (text, value) in counters.items():
            yield CounterMetricFamily(name, text, value=float(value))
        yield from source.sync.families()
        yield from source.guarded.families()
        if self._examiner is not None:
            yield from self._examiner.families()
        for families in self._more:
            yield from families()


class _NodeCollector(Collector):
    """Reads the board at each scrape."""

    def __init__(self, board: StatusBoard) -> None:
        self._board = board

    def collect(self) -> Iterable[Metric]:
        """Prometheus' entry point."""
        return self._board.families()

    def describe(self) -> Iterable[Metric]:
        """Nothing at registration: the node is not complete then."""
        return []
