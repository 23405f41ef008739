"""Proof that a validator broke the protocol: signed messages that an honest one never signs.

Anyone with the epoch's terms can check it later: `holds`. The core reports each case once. A wiped
validator that keeps rule P6 is never accused: it signs nothing that its forgotten votes contradict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from msgspec import Struct

from bulwark.ledger.errors import LedgerError
from bulwark.ledger.ids import ValidatorIndex
from bulwark.ledger.votes import VoteKind
from consensus.authentication import authenticate
from consensus.errors import AuthenticationFailed
from consensus.messages import Message, NewView, ViewChange, Vote
from consensus.newview import select_new_view
from consensus.terms import Terms

M = TypeVar("M", Vote, ViewChange, NewView)


@dataclass(frozen=True, slots=True)
class _Pair(Generic[M]):
    """Two messages of one kind that contradict each other."""

    first: M
    second: M

    @property
    def culprit(self) -> ValidatorIndex:
        """Who signed both."""
        return self.first.signer

    @property
    def messages(self) -> tuple[Message, ...]:
        """What proves it, in order."""
        return self.first, self.second


@dataclass(frozen=True, slots=True)
class DoubleVote(_Pair[Vote]):
    """Two votes of one validator with equal kind, view and height and different digests."""

    def holds(self, terms: Terms) -> bool:
        """Whether the two votes prove it."""
        a, b = self.first.subject, self.second.subject
        return (
            self.first.signer == self.second.signer
            and (a.kind, a.view, a.height) == (b.kind, b.view, b.height)
            and a.digest != b.digest
            and _signed(self.messages, terms)
        )


@dataclass(frozen=True, slots=True)
class DoubleViewChange(_Pair[ViewChange]):
    """Two different VIEW-CHANGEs of one validator for one view."""

    def holds(self, terms: Terms) -> bool:
        """Whether the two messages prove it; what a wipe excuses does not."""
        excused = amnesia_between(self.first, self.second, terms)
        return not excused and _contradict(self.first, self.second, terms)


@dataclass(frozen=True, slots=True)
class DoubleNewView(_Pair[NewView]):
    """Two different NEW-VIEWs of one leader for one view."""

    def holds(self, terms: Terms) -> bool:
        """Whether the two messages prove it."""
        return _contradict(self.first, self.second, terms)


class WrongNewView(Struct, frozen=True):
    """A leader's NEW-VIEW whose O does not follow from the VIEW-CHANGEs it names."""

    new_view: NewView
    view_changes: tuple[ViewChange, ...]
    """Those it names, in its order."""

    @property
    def culprit(self) -> ValidatorIndex:
        """Who signed it."""
        return self.new_view.signer

    @property
    def messages(self) -> tuple[Message, ...]:
        """What proves it, in order."""
        return self.new_view, *self.view_changes

    def holds(self, terms: Terms) -> bool:
        """Whether the messages prove it."""
        named = tuple(digest for _, digest in self.new_view.view_changes)
        if named != tuple(change.hash() for change in self.view_changes):
            return False
        if not _signed(self.messages, terms):
            return False
        signers = [signer for signer, _ in self.new_view.view_changes]
        if signers != [change.signer for change in self.view_changes]:
            return True
        if any(change.view != self.new_view.view for change in self.view_changes):
            return True
        plan = select_new_view(self.view_changes, terms.start)
        return plan.digests != self.new_view.digests


class ForgottenCommit(Struct, frozen=True):
    """A COMMIT and a later VIEW-CHANGE of its signer that hides what was prepared for it."""

    vote: Vote
    view_change: ViewChange

    @property
    def culprit(self) -> ValidatorIndex:
        """Who signed both."""
        return self.vote.signer

    @property
    def messages(self) -> tuple[Message, ...]:
        """What proves it, in order."""
        return self.vote, self.view_change

    def holds(self, terms: Terms) -> bool:
        """Whether the two messages prove it."""
        contradict = forgotten_commit(self.vote, self.view_change, terms)
        return contradict and _signed(self.messages, terms)


Evidence: TypeAlias = DoubleVote | DoubleViewChange | DoubleNewView | WrongNewView | ForgottenCommit


def amnesia_between(one: ViewChange, other: ViewChange, terms: Terms) -> bool:
    """P6: whether the signer may have been wiped between them, its window having moved on.

    A forgotten VIEW-CHANGE has a checkpoint of at most h* + L, a later one of at least h* + 4L.
    """
    apart = abs(one.base_above(terms.start) - other.base_above(terms.start))
    return apart >= 2 * terms.window


def forgotten_commit(vote: Vote, change: ViewChange, terms: Terms) -> bool:
    """Whether a VIEW-CHANGE lacks the PREPARE certificate behind its signer's COMMIT.

    It must show one of the vote's view or a later one for each height of its window at which it
    cast COMMIT in a lower view; a COMMIT cast after leaving the view is as wrong. Above its window
    only a signer votes that was wiped since (P6): that proves nothing.
    """
    subject = vote.subject
    if subject.kind is not VoteKind.COMMIT or vote.signer != change.signer:
        return False
    base = change.base_above(terms.start)
    if subject.view >= change.view or not base < subject.height <= base + terms.window:
        return False
    return not any(
        certificate.subject.height == subject.height and certificate.subject.view >= subject.view
        for certificate in change.prepared
    )


def _contradict(a: ViewChange | NewView, b: ViewChange | NewView, terms: Terms) -> bool:
    """Whether one signer said two things about one view."""
    same = (a.signer, a.view) == (b.signer, b.view)
    return same and a.signed_body() != b.signed_body() and _signed((a, b), terms)


def _signed(messages: tuple[Message, ...], terms: Terms) -> bool:
    """Whether every message is what `authenticate` lets through."""
    try:
        for message in messages:
            authenticate(message, terms)
    except (AuthenticationFailed, LedgerError):
        return False
    return True
