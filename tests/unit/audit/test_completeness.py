"""Completeness: whatever was served and is not accounted for is found, and nothing else is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from bulwark.audit.completeness import Comparison, Kind, MemberLog, Outcome, Served
from bulwark.ledger.accesslog import AccessEntry, AccessKind, chain_start
from bulwark.ledger.ids import MemberId
from bulwark.privacy.group import Scalar
from bulwark.privacy.memberkeys import RingSecret
from bulwark.privacy.slotclaim import Slot, SlotClaim, make_claim

CHAIN, GENESIS, EPOCH_S = 7, b"\x07" * 32, 100
MEMBERS = {
    MemberId(name): RingSecret(Scalar.from_int(n)) for n, name in ((5, "alps"), (6, "coast"))
}
OWNERS = {secret.public.encoding: member for member, secret in MEMBERS.items()}
ALPS, COAST = MEMBERS
RANDOM_CALLS = iter(range(1, 10**6))


def random_bytes(size: int) -> bytes:
    return next(RANDOM_CALLS).to_bytes(size, "big")


@dataclass
class Scene:
    """Two members that ask, and two evaluators that serve."""

    logs: dict[MemberId, MemberLog] = field(default_factory=dict)
    claims: dict[MemberId, list[SlotClaim]] = field(default_factory=dict)
    served: list[Served] = field(default_factory=list)

    def __post_init__(self) -> None:
        for member in MEMBERS:
            self.logs[member] = MemberLog(member)
            self.claims[member] = []

    def entry(self, member: MemberId, count: int = 1, epoch: int = 3) -> int:
        log = self.logs[member]
        number = log.first + len(log.counts)
        log.add(
            AccessEntry(
                number=number,
                previous=chain_start(GENESIS, bytes(32)).digest,
                time_ms=epoch * EPOCH_S * 1000,
                who="desk",
                role="analyst",
                purpose="fraud_prevention",
                lawful_basis="consent",
                case_ref="",
                kind=AccessKind.SCREENING,
                count=count,
            ),
            EPOCH_S,
        )
        return number

    def question(
        self, member: MemberId, slot: int, entries: tuple[int, int] | None, epoch: int = 3
    ) -> None:
        """Spend a slot; `entries` None: without a claim."""
        made = make_claim(
            MEMBERS[member], Slot(CHAIN, GENESIS, epoch, 1, slot), entries or (0, 0), random_bytes
        )
        if entries is not None:
            self.claims[member].append(made)
        for evaluator in ("north", "south"):
            name = f"{member}-{slot}"
            self.served.append(Served(evaluator, made.nullifier, epoch, 1, slot, name, epoch, None))

    def outcome(
        self,
        epochs: range = range(100),
        counts: Iterable[tuple[str, int, int]] = (),
    ) -> Outcome:
        comparison = Comparison(
            chain_id=CHAIN, genesis_hash=GENESIS, epochs=epochs, owner_of=OWNERS.get
        )
        for member, log in self.logs.items():
            comparison.member(log, self.claims[member])
        for served in self.served:
            comparison.statement(served)
        for evaluator, epoch, count in counts:
            comparison.anchored(evaluator, epoch, count)
        return comparison.outcome()


def kinds(outcome: Outcome) -> list[tuple[Kind, str]]:
    return [(finding.kind, finding.member) for finding in outcome.findings]


def honest() -> Scene:
    scene = Scene()
    for slot in range(3):
        scene.question(ALPS, slot, (scene.entry(ALPS),) * 2)
        scene.question(COAST, slot, (scene.entry(COAST),) * 2)
    return scene


def test_honest_members_pass_and_entries_answered_from_memory_need_no_question() -> None:
    scene = honest()
    scene.entry(ALPS)
    outcome = scene.outcome(counts=[("north", 3, 6), ("south", 3, 6)])
    assert outcome.complete and outcome.findings == ()
    assert (outcome.questions, outcome.claimed, outcome.not_served) == (6, 6, 0)
    assert outcome.claims == {"alps": 3, "coast": 3}


def test_a_question_past_every_log_is_found_with_its_place_and_names_nobody() -> None:
    scene = honest()
    scene.question(COAST, 9, None)
    (finding,) = scene.outcome().findings
    assert (finding.kind, finding.member) == (Kind.UNCLAIMED, "")
    assert (finding.epoch, finding.evaluators, finding.statement) == (
        3,
        ("north", "south"),
        "coast-9",
    )


def test_a_member_that_cuts_its_newest_entry_leaves_a_claim_without_it_or_none() -> None:
    scene = honest()
    scene.logs[ALPS].counts.pop()
    scene.logs[ALPS].epochs.pop()
    assert kinds(scene.outcome()) == [(Kind.MISSING_ENTRY, "alps")]
    scene.claims[ALPS].pop()
    assert kinds(scene.outcome()) == [(Kind.UNCLAIMED, "")]


def test_nobody_can_claim_another_members_question() -> None:
    scene = honest()
    scene.question(COAST, 9, None)
    hidden = make_claim(MEMBERS[COAST], Slot(CHAIN, GENESIS, 3, 1, 9), (1, 1), random_bytes)
    scene.claims[ALPS].append(hidden)
    assert kinds(scene.outcome()) == [(Kind.BAD_CLAIM, "alps"), (Kind.UNCLAIMED, "")]
    scene.claims[ALPS][-1] = replace(hidden, ring_key=MEMBERS[ALPS].public.encoding)
    assert kinds(scene.outcome()) == [(Kind.BAD_CLAIM, "alps"), (Kind.UNCLAIMED, "")]


def test_a_question_without_an_entry_and_one_claimed_twice_are_found() -> None:
    scene = honest()
    scene.question(ALPS, 9, (0, 0))
    scene.claims[COAST].append(scene.claims[COAST][0])
    assert kinds(scene.outcome()) == [(Kind.NO_ENTRY, "alps"), (Kind.BAD_CLAIM, "coast")]


def test_an_entry_of_one_identifier_covers_its_tries_and_not_more() -> None:
    scene = Scene()
    number = scene.entry(ALPS)
    for slot in range(4):
        scene.question(ALPS, slot, (number, number))
    assert scene.outcome().complete
    scene.question(ALPS, 4, (number, number))
    assert kinds(scene.outcome()) == [(Kind.EXCESS, "alps")]


def test_an_upload_covers_a_question_for_every_256_identifiers_and_its_tries() -> None:
    scene = Scene()
    first, last = scene.entry(ALPS, 300), scene.entry(ALPS, 213)
    for slot in range(12):
        scene.question(ALPS, slot, (first, last))
    assert scene.outcome().complete
    scene.question(ALPS, 12, (first, last))
    assert kinds(scene.outcome()) == [(Kind.EXCESS, "alps")]


def test_overlapping_ranges_are_weighed_together() -> None:
    scene = Scene()
    last = [scene.entry(ALPS) for _ in range(3)][-1]
    for first in range(1, 4):
        for slot in range(6):
            scene.question(ALPS, 10 * first + slot, (first, last))
    assert kinds(scene.outcome()) == [(Kind.EXCESS, "alps")]


def test_a_question_is_not_covered_by_an_entry_of_another_time() -> None:
    scene = honest()
    number = scene.entry(ALPS, epoch=3)
    scene.question(ALPS, 9, (number, number), epoch=4)
    assert scene.outcome().complete
    scene.question(ALPS, 9, (number, number), epoch=5)
    assert kinds(scene.outcome()) == [(Kind.OTHER_TIME, "alps")]


def test_what_an_evaluator_anchored_and_does_not_show_is_found() -> None:
    outcome = honest().outcome(counts=[("north", 3, 7), ("south", 3, 6), ("south", 4, 0)])
    assert kinds(outcome) == [(Kind.HIDDEN_STATEMENTS, "north")]
    assert "6 of 7" in outcome.findings[0].text


def test_a_statement_that_does_not_hold_is_held_against_its_evaluator_alone() -> None:
    scene = honest()
    bad = dataclasses.replace(
        scene.served[0], nullifier=b"\x01" * 32, obstacle="the proof does not hold"
    )
    scene.served.append(bad)
    assert kinds(scene.outcome()) == [(Kind.BAD_STATEMENT, "north")]


def test_other_epochs_are_left_out_and_questions_that_failed_are_only_counted() -> None:
    scene = honest()
    scene.question(COAST, 9, None, epoch=50)
    assert scene.outcome(range(10)).complete
    scene.served = [served for served in scene.served if served.statement != "alps-0"]
    outcome = scene.outcome(range(10))
    assert outcome.complete and outcome.not_served == 1


def test_claims_for_entries_that_were_dropped_after_their_time_are_no_finding() -> None:
    scene = Scene()
    log = scene.logs[ALPS]
    log.counts.append(1)
    log.epochs.append(3)
    log.first = 5
    scene.question(ALPS, 1, (4, 4))
    assert scene.outcome().complete
    scene.question(ALPS, 2, (6, 6))
    assert kinds(scene.outcome()) == [(Kind.MISSING_ENTRY, "alps")]
