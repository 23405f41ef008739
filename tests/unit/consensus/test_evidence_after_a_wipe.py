"""P6: an honest validator that was wiped and waited is accused of nothing, by whatever order."""

from __future__ import annotations

from bulwark.ledger.hashing import sha256
from bulwark.ledger.votes import VoteKind
from consensus.effects import Report
from consensus.evidence import DoubleViewChange, ForgottenCommit
from tests.unit.consensus.support import Subject, only

WINDOW = 8
FORGOTTEN_BASE = 0
LATER = FORGOTTEN_BASE + 3 * WINDOW
"""The lowest checkpoint of a wiped validator's later VIEW-CHANGE lies 3L above a forgotten one."""


def test_a_second_view_change_with_a_checkpoint_far_above_is_no_evidence() -> None:
    subject = Subject(me=0)
    forgotten = subject.view_change(1, 2)
    later = subject.view_change(1, 2, subject.checkpoint(LATER))
    assert not DoubleViewChange(forgotten, later).holds(subject.alliance.terms)
    assert not only(subject.hear(forgotten) + subject.hear(later), Report)


def test_the_fresher_of_two_such_view_changes_is_kept_in_either_order() -> None:
    for order in (False, True):
        subject = Subject(me=0)
        changes = [
            subject.view_change(1, 2),
            subject.view_change(1, 2, subject.checkpoint(LATER)),
        ]
        for change in reversed(changes) if order else changes:
            subject.hear(change)
        assert subject.replica._changer.pool[2] == changes[1]


def test_two_view_changes_of_one_window_are_evidence() -> None:
    subject = Subject(me=0)
    one = subject.view_change(1, 2)
    other = subject.view_change(1, 2, subject.checkpoint(2 * WINDOW - 1))
    assert DoubleViewChange(one, other).holds(subject.alliance.terms)
    assert len(only(subject.hear(one) + subject.hear(other), Report)) == 1


def test_a_commit_above_the_window_of_a_forgotten_view_change_is_no_evidence() -> None:
    subject = Subject(me=0)
    terms = subject.alliance.terms
    change = subject.view_change(1, 2)
    digest = sha256(b"a")
    above = subject.vote(VoteKind.COMMIT, 0, WINDOW + 1, digest, 2)
    within = subject.vote(VoteKind.COMMIT, 0, WINDOW, digest, 2)
    assert not ForgottenCommit(above, change).holds(terms)
    assert ForgottenCommit(within, change).holds(terms)
