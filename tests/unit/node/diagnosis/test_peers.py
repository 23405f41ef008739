"""What is said of single members."""

from __future__ import annotations

import pytest

from node.diagnosis import peers
from node.diagnosis.facts import Refusal
from node.diagnosis.finding import Severity
from tests.unit.node.diagnosis.builders import NOW_MS, healthy, member, observer, status


def test_a_validator_without_connection_is_named_with_its_duration() -> None:
    facts = healthy(members=(member(1), member(2, connected=False, changed_ms=NOW_MS - 5_000)))
    (found,) = peers.missing(facts)
    assert (found.code, found.subject) == ("peer.not-connected", "bank-c")
    assert found.severity is Severity.WARNING
    assert found.seen == "validator bank-c is not connected for 5.0 s"
    assert found.since_ms == NOW_MS - 5_000


def test_an_observer_without_connection_is_no_warning() -> None:
    (found,) = peers.missing(healthy(members=(observer(connected=False),)))
    assert found.severity is Severity.INFO and "observer regulator" in found.seen


@pytest.mark.parametrize(
    "reason", ["wrong-pin", "tls", "other-genesis", "misbehaved", "refused-by-peer"]
)
def test_a_refused_connection_says_why_and_what_to_do(reason: str) -> None:
    refusal = Refusal(reason, "certificate expired", NOW_MS - 1_000)
    facts = healthy(members=(member(1, connected=False, changed_ms=None, refusal=refusal),))
    (found,) = peers.missing(facts)
    assert found.code == "peer.refused" and f"{reason} (certificate expired)" in found.seen
    assert found.advice and found.since_ms == NOW_MS - 1_000


def test_a_refusal_that_explains_nothing_is_left_out() -> None:
    refusal = Refusal("silent", "nothing for 4000 ms", NOW_MS)
    (found,) = peers.missing(healthy(members=(member(1, connected=False, refusal=refusal),)))
    assert found.code == "peer.not-connected"


def test_a_node_that_reaches_nobody_is_told_to_look_at_itself() -> None:
    facts = healthy(members=(member(1, connected=False), member(2, connected=False)))
    (found,) = peers.no_peers(facts)
    assert (found.subject, found.severity) == ("bank-a", Severity.CRITICAL)
    assert not list(peers.no_peers(healthy()))
    assert not list(peers.no_peers(healthy(members=())))


def test_a_connected_validator_that_says_nothing_is_named() -> None:
    facts = healthy(members=(member(1, status=status(at_ms=NOW_MS - 2_500)),))
    (found,) = peers.no_status(facts)
    assert (found.code, found.subject) == ("peer.no-status", "telco-b")
    assert "sent no STATUS for 2.5 s; one comes every 500 ms" in found.seen


def test_a_validator_that_never_spoke_is_named_after_a_while() -> None:
    fresh = member(1, status=None, changed_ms=NOW_MS - 500)
    assert not list(peers.no_status(healthy(members=(fresh,))))
    old = member(1, status=None, changed_ms=NOW_MS - 5_000)
    (found,) = peers.no_status(healthy(members=(old,)))
    assert "never sent its STATUS" in found.seen


def test_an_observer_does_not_expect_status() -> None:
    facts = healthy(consensus=None, members=(member(1, status=None),))
    assert not list(peers.no_status(facts))


def test_a_wiped_validator_is_named_while_it_does_not_vote() -> None:
    (found,) = peers.silent(healthy(members=(member(3, status=status(silent=True)),)))
    assert (found.code, found.subject) == ("peer.silent", "telco-d")


def test_a_validator_a_window_behind_is_named_with_the_distance() -> None:
    (found,) = peers.behind(healthy(members=(member(1, status=status(executed=32)),)))
    assert found.seen == "validator telco-b is 8 blocks behind (it executed block 32)"
    assert not list(peers.behind(healthy(members=(member(1, status=status(executed=33)),))))


def test_a_validator_in_another_view_is_worth_knowing() -> None:
    (found,) = peers.other_view(healthy(members=(member(1, status=status(view=5)),)))
    assert found.severity is Severity.INFO
    assert found.seen == "validator telco-b is in view 5, this node in view 2"
    assert not list(peers.other_view(healthy(consensus=None)))
