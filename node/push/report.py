"""What a node tells of events and webhooks: metric families, by the id of a subscription."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from node.push.courier import Courier
from node.push.desk import PushDesk
from node.push.eventlog import EventLog
from node.push.lane import Lane
from node.push.port import State
from node.push.retro import RetroHunt
from node.push.subscriptions import SubscriptionBook

_LABEL = ["webhook"]


class PushReport:
    """Read-only view of a running node's push."""

    def __init__(
        self,
        events: EventLog,
        book: SubscriptionBook,
        courier: Courier,
        desk: PushDesk,
        hunt: RetroHunt,
        wall_ms: Callable[[], int],
    ) -> None:
        self._events = events
        self._book = book
        self._courier = courier
        self._desk = desk
        self._hunt = hunt
        self._wall_ms = wall_ms

    def families(self) -> Iterable[Metric]:
        """Metrics of the log, of the streams and of each subscription."""
        yield CounterMetricFamily("bulwark_events", "Events logged", value=float(self._events.last))
        yield GaugeMetricFamily(
            "bulwark_event_streams", "Streams of events open", value=float(self._desk.streams)
        )
        yield CounterMetricFamily(
            "bulwark_retro_tags", "Tags compared with own questions", value=float(self._hunt.looked)
        )
        yield CounterMetricFamily(
            "bulwark_retro_hits", "Own questions told of later", value=float(self._hunt.hits)
        )
        lanes = list(self._courier.lanes.values())
        yield from _counters(lanes)
        yield from self._gauges(lanes)

    def _gauges(self, lanes: list[Lane]) -> Iterable[Metric]:
        lag = GaugeMetricFamily(
            "bulwark_webhook_lag_events", "Events behind a webhook's cursor", labels=_LABEL
        )
        age = GaugeMetricFamily(
            "bulwark_webhook_lag_seconds",
            "Age of the oldest event that a webhook waits for, 0 for none",
            labels=_LABEL,
        )
        dead = GaugeMetricFamily(
            "bulwark_webhook_dead_letters", "Dead letters that can be replayed", labels=_LABEL
        )
        paused = GaugeMetricFamily(
            "bulwark_webhook_failed", "1 when the node paused a webhook", labels=_LABEL
        )
        for lane in lanes:
            name, cursor = lane.subscription.id, lane.progress.cursor
            lag.add_metric([name], float(max(0, self._events.last - cursor)))
            found, _ = self._events.page(cursor, 1, lane.subscription.types)
            late_ms = self._wall_ms() - found[0].time_ms if found else 0
            age.add_metric([name], max(0, late_ms) / 1000)
            kept = sum(n >= self._events.first for n in self._book.dead_numbers(name))
            dead.add_metric([name], float(kept))
            paused.add_metric([name], float(lane.subscription.state is State.FAILED))
        yield from (lag, age, dead, paused)


def _counters(lanes: list[Lane]) -> Iterable[Metric]:
    tries = CounterMetricFamily(
        "bulwark_webhook_deliveries", "Tries by outcome", labels=["webhook", "outcome"]
    )
    given_up = CounterMetricFamily(
        "bulwark_webhook_given_up", "Events given up since start", labels=_LABEL
    )
    expired = CounterMetricFamily(
        "bulwark_webhook_expired", "Events that went before they were posted", labels=_LABEL
    )
    seconds = CounterMetricFamily(
        "bulwark_webhook_seconds", "Time of all tries since start", labels=_LABEL
    )
    for lane in lanes:
        name = lane.subscription.id
        tries.add_metric([name, "taken"], float(lane.progress.delivered))
        tries.add_metric([name, "failed"], float(lane.progress.failed))
        given_up.add_metric([name], float(lane.dead_letters))
        expired.add_metric([name], float(lane.progress.expired))
        seconds.add_metric([name], lane.latencies_ms / 1000)
    yield from (tries, given_up, expired, seconds)
