"""A new case against a validator is told once, for good, and a flood of them a few at a time."""

from __future__ import annotations

from bulwark.ledger.ids import Epoch
from consensus.evidence import DoubleVote
from node.evidence_book import EvidenceBook
from node.push.findings import MAX_A_LOOK, Findings
from node.push.port import EventType
from tests.unit.node.push.world import Push
from tests.unit.node.test_evidence import book, vote


def findings(it: Push, evidence: EvidenceBook) -> Findings:
    return Findings(it.store, it.events, evidence.count, evidence.entries, lambda: it.now_ms)


def lie(evidence: EvidenceBook, number: int) -> str:
    """One more pair of votes that contradict each other; the case's id."""
    case = evidence.keep(DoubleVote(vote(b"a"), vote(bytes([98 + number]))), Epoch(0))
    assert case is not None
    return case.hex()


def test_a_new_case_is_told_once_with_its_culprit() -> None:
    it, evidence = Push(), book()
    look = findings(it, evidence).look
    assert look() == [] and it.events.last == 0
    identity = lie(evidence, 1)
    look()
    look()
    (event,) = it.events.after(0)
    assert (event.type, event.height, event.time_ms) == (EventType.EVIDENCE_FOUND, None, it.now_ms)
    assert event.data["id"] == identity and event.data["holds"] is True
    assert event.data["kind"] == "double-vote" and event.data["culprit"]


def test_a_case_is_not_told_again_when_its_event_is_gone() -> None:
    it, evidence = Push(), book()
    lie(evidence, 1)
    findings(it, evidence).look()
    it.log()
    it.events.prune(it.now_ms + 1, 1)
    assert it.events.first == 2
    findings(it.again(), evidence).look()
    assert it.again().events.last == 2


def test_a_flood_is_told_a_few_at_a_time_and_in_whole() -> None:
    it, evidence = Push(), book()
    for number in range(MAX_A_LOOK + 4):
        lie(evidence, number)
    look = findings(it, evidence).look
    look()
    assert it.events.last == MAX_A_LOOK
    look()
    assert it.events.last == MAX_A_LOOK + 4
