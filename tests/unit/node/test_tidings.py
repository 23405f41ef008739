"""Tidings: later desks' sources join the examiner's facts, and nothing is lost of either."""

from __future__ import annotations

from node.diagnosis.facts import EvidenceFacts, LevelFacts, PruningFacts, RestoreFacts
from node.tidings import Tidings
from tests.unit.node.diagnosis.builders import healthy


def test_without_sources_facts_stay_as_they_are() -> None:
    facts = healthy(evidence=(EvidenceFacts("bank-c", ("double-vote",), 1),))
    assert Tidings().added_to(facts) == facts


def test_every_source_is_asked_each_time() -> None:
    pruning, restore = PruningFacts(5, 4), RestoreFacts(3, "it waits", 1, 2)
    tidings = Tidings(
        level=lambda: LevelFacts(1, 2, 1), pruning=lambda: pruning, restore=lambda: restore
    )
    facts = tidings.added_to(healthy())
    assert (facts.level, facts.pruning, facts.restore) == (LevelFacts(1, 2, 1), pruning, restore)


def test_cases_of_both_kinds_against_one_member_are_one_entry() -> None:
    votes = EvidenceFacts("bank-c", ("double-vote",), 2)
    tidings = Tidings(accused=lambda: [("bank-c", "wrong-evaluation"), ("bank-a", "x")] * 2)
    facts = tidings.added_to(healthy(evidence=(votes,)))
    assert facts.evidence == (
        EvidenceFacts("bank-a", ("x",), 2),
        EvidenceFacts("bank-c", ("double-vote", "wrong-evaluation"), 4),
    )
