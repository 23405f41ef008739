"""Refusals are all counted; their log lines are structured and bounded in rate."""

from __future__ import annotations

import logging

import pytest

from node.network.counters import Counters, Refusals
from node.network.errors import Reason


def test_lines_over_the_rate_are_counted_and_announced_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "node.network")
    now = [5_000]
    counters = Counters()
    refusals = Refusals(counters, lambda: now[0], per_second=2)
    for _ in range(10):
        refusals.note(Reason.TLS, "WRONG_VERSION_NUMBER", None, "192.0.2.1:9")
    assert counters.refused == {Reason.TLS: 10}
    assert len(caplog.records) == 2
    now[0] = 6_000
    refusals.note(Reason.WRONG_PIN, "pin", "bank-a", "192.0.2.1:9")
    last = caplog.records[-1]
    fields = [getattr(last, name) for name in ("reason", "member", "remote", "suppressed")]
    assert fields == ["wrong-pin", "bank-a", "192.0.2.1:9", 8]


def test_normal_ends_are_for_debugging_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "node.network")
    refusals = Refusals(Counters(), lambda: 0, per_second=2)
    refusals.note(Reason.SURPLUS, "both dialled", "bank-a", "192.0.2.1:9")
    refusals.note(Reason.CLOSED, "by the other side", "bank-a", "192.0.2.1:9")
    assert caplog.records == []
