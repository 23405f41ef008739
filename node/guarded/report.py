"""What a node tells of guarded questions: metric families, counted in total and never by asker.

Rules: no label names another member, so that no series shows who asked whom or when; the quota is
this member's own affair and is shown with what it used of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from bulwark.privacy.query import RefusalCode, Scope
from node.guarded.evaluator import GuardedEvaluator
from node.guarded.freshness import Rings
from node.guarded.ports import Keys
from node.guarded.relay import Relay
from node.guarded.slotbook import SlotBook


class Proofs(Protocol):
    """Who proves questions; see `node.guarded.proving.QuestionProver`."""

    @property
    def proofs(self) -> int:
        """Ring proofs made since start."""
        ...


class GuardedReport:
    """Read-only view of a running node's guarded path."""

    def __init__(
        self,
        *,
        keys: Keys,
        rings: Rings,
        slots: SlotBook,
        prover: Proofs,
        evaluator: GuardedEvaluator,
        relay: Relay,
    ) -> None:
        self._keys = keys
        self._rings = rings
        self._slots = slots
        self._prover = prover
        self._evaluator = evaluator
        self._relay = relay

    def families(self) -> Iterable[Metric]:
        """Metrics of own questions, of those evaluated and of those passed on."""
        yield from self._of_quota()
        yield from self._of_keys()
        evaluator = self._evaluator
        refused = CounterMetricFamily(
            "bulwark_guarded_refused", "Questions refused here, by reason", labels=["reason"]
        )
        for code in RefusalCode:
            refused.add_metric([code.name.lower()], float(evaluator.refusals[code]))
        refused.add_metric(["unreadable"], float(evaluator.unreadable))
        yield refused
        for name, text, value in (
            ("bulwark_guarded_proofs", "Ring proofs of own questions made", self._prover.proofs),
            ("bulwark_guarded_answered", "Questions evaluated here", evaluator.answered),
            ("bulwark_guarded_repeated", "Questions answered here again", evaluator.repeated),
            ("bulwark_guarded_evaluations", "Elements evaluated here", evaluator.evaluated),
            ("bulwark_guarded_passed", "Others' questions passed on", self._relay.passed),
            ("bulwark_guarded_not_passed", "Others' questions not passed on", self._relay.refused),
        ):
            yield CounterMetricFamily(name, text, value=float(value))
        yield GaugeMetricFamily(
            "bulwark_guarded_waiting", "Questions being evaluated", value=float(evaluator.waiting)
        )

    def _of_quota(self) -> Iterable[Metric]:
        quota = GaugeMetricFamily(
            "bulwark_quota", "Own questions allowed in this quota period", labels=["scope"]
        )
        used = GaugeMetricFamily(
            "bulwark_quota_used",
            "Own slots of this quota period that are used or set aside",
            labels=["scope"],
        )
        view = self._rings.now
        if view is not None:
            for scope in Scope:
                quota.add_metric([scope.name.lower()], float(view.quotas[scope]))
                taken = min(view.quotas[scope], self._slots.used(view.epoch, scope))
                used.add_metric([scope.name.lower()], float(taken))
        yield quota
        yield used

    def _of_keys(self) -> Iterable[Metric]:
        view, live = self._rings.now, self._keys.tag_key()
        ring = 0 if view is None or view.ring is None else len(view.ring)
        for name, text, value in (
            ("bulwark_ring_members", "Members that may ask", ring),
            ("bulwark_share_epoch", "Sharing of the tag key in force", live and live.share_epoch),
            ("bulwark_holds_share", "1 with a share of the tag key", live and bool(live.share)),
        ):
            yield GaugeMetricFamily(name, text, value=float(value or 0))
