"""Facts of a healthy node of four validators and an observer, to be changed one fact at a time."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from node.diagnosis.facts import ConsensusFacts, Facts, MemberFacts, PeerStatus, SlotFacts

NOW_MS = 1_700_000_100_000
NAMES = ("bank-a", "telco-b", "bank-c", "telco-d")


def status(**change: Any) -> PeerStatus:
    return replace(PeerStatus(2, False, 40, 40, False, NOW_MS - 200), **change)


def member(index: int, **change: Any) -> MemberFacts:
    base = MemberFacts(NAMES[index], index, True, NOW_MS - 60_000, status=status(), version="1.0")
    return replace(base, **change)


def observer(**change: Any) -> MemberFacts:
    return replace(MemberFacts("regulator", None, True, NOW_MS - 60_000), **change)


def consensus(**change: Any) -> ConsensusFacts:
    base = ConsensusFacts(
        me=0,
        view=2,
        changing=False,
        leader=2,
        proposer=2,
        next_height=41,
        pending=0,
        timeout_ms=1_000,
        attempt=0,
    )
    return replace(base, **change)


def healthy(**change: Any) -> Facts:
    base = Facts(
        now_ms=NOW_MS,
        own="bank-a",
        validators=NAMES,
        quorum=3,
        executed=40,
        finalized=40,
        tip_ms=NOW_MS - 900,
        started_ms=NOW_MS - 600_000,
        members=(member(1), member(2), member(3), observer()),
        consensus=consensus(),
        version="1.0",
    )
    return replace(base, **change)


def slot(phase: str, **change: Any) -> SlotFacts:
    return replace(SlotFacts(41, phase), **change)


def waiting(own: ConsensusFacts, waited_ms: int = 3_000) -> Facts:
    """Work has waited for so long."""
    facts = healthy(consensus=own, tip_ms=NOW_MS - waited_ms)
    return replace(facts, pool=replace(facts.pool, count=1, most=10, oldest_ms=NOW_MS - waited_ms))
