"""What a node tells of its sync: JSON for the status, families for the metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from node.requests import Topic
from node.sync.faults import Fault
from node.sync.peers import Peers
from node.sync.progress import Phase, Progress

SYNC_TOPICS: Final = (Topic.BLOCKS, Topic.STATE, Topic.TARGET)


class SyncReport:
    """Read-only view of a running node's sync."""

    def __init__(self, progress: Callable[[], Progress | None], peers: Peers) -> None:
        self._progress = progress
        self._peers = peers

    def document(self) -> Mapping[str, object]:
        """`progress` is null without a running sync; `blamed` holds each member's last fault."""
        progress = self._progress()
        return {
            "progress": None if progress is None else progress.document(),
            "blamed": {
                member: {"fault": str(blame.fault), "reason": blame.reason}
                for member, blame in self._peers.blamed.items()
            },
        }

    def families(self) -> Iterable[Metric]:
        """Metrics of the sync under way, and of peers' faults since start."""
        progress = self._progress()
        phases = GaugeMetricFamily("bulwark_sync_phase", "1 for what runs now", labels=["phase"])
        for phase in Phase:
            running = progress is not None and progress.phase is phase
            phases.add_metric([str(phase)], float(running))
        yield phases
        for name, text, value in (
            ("at", "Last block that the sync stored", 0 if progress is None else progress.at),
            ("target", "Block that the sync goes to", 0 if progress is None else progress.target),
            ("state_nodes", "State values fetched", 0 if progress is None else progress.nodes),
        ):
            yield GaugeMetricFamily(f"bulwark_sync_{name}", text, value=float(value))
        faults = CounterMetricFamily(
            "bulwark_sync_peer_faults", "Members left out of a sync, by reason", labels=["fault"]
        )
        for fault in Fault:
            faults.add_metric([str(fault)], float(self._peers.faults[fault]))
        yield faults
        liars = GaugeMetricFamily(
            "bulwark_sync_liar", "When a member last lied in sync, Unix seconds", labels=["member"]
        )
        for member, blame in self._peers.liars.items():
            liars.add_metric([member], blame.at_ms / 1000)
        yield liars
        received = CounterMetricFamily(
            "bulwark_sync_received_bytes", "Bytes of answers in sync", labels=["what"]
        )
        verified = CounterMetricFamily(
            "bulwark_sync_verified", "Blocks and state values that held in sync", labels=["what"]
        )
        for topic in SYNC_TOPICS:
            received.add_metric([topic.name.lower()], float(self._peers.received[topic]))
            verified.add_metric([topic.name.lower()], float(self._peers.verified[topic]))
        yield received
        yield verified
