"""Bugs planted into the core for the length of a block: Twins that does not see them is too weak.

Each is one rule broken in all validators alike, as a programmer would break it. With `no_oracle`
the reference says nothing: only a fork, a contradiction, a false charge or a standstill counts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from unittest.mock import patch

from msgspec.structs import force_setattr, replace

from bulwark.ledger.ids import Digest, ValidatorIndex
from bulwark.ledger.validators import ValidatorSet
from consensus import newview, ordering, restoring, viewchange
from consensus.log import Slot, Votes
from consensus.messages import PrePrepare, ViewChange
from consensus.newview import NewViewPlan, select_new_view
from consensus.ordering import Ordering
from consensus.retransmission import Retransmission
from consensus.state import ReplicaState
from tests.scenarios.checks import Watch
from tests.scenarios.keys import make_terms


@contextmanager
def no_oracle() -> Iterator[None]:
    """The reference is silent, so that only consequences count."""
    with (
        patch.object(Watch, "_new_view", lambda self, message: None),
        patch.object(Watch, "certificate", lambda self, certificate, kind, height: None),
    ):
        yield


@contextmanager
def small_quorum() -> Iterator[None]:
    """S5: two of four are taken for a quorum."""
    original = ValidatorSet.__post_init__

    def fewer(self: ValidatorSet) -> None:
        original(self)
        object.__setattr__(self, "quorum", len(self) // 2)

    with patch.object(ValidatorSet, "__post_init__", fewer):
        make_terms.cache_clear()
        try:
            yield
        finally:
            make_terms.cache_clear()


@contextmanager
def no_o() -> Iterator[None]:
    """S2: a new view starts with nothing to propose again."""

    def empty(changes: object, start: object = 0) -> NewViewPlan:
        return dataclasses.replace(select_new_view(changes, start), digests=())  # type: ignore[arg-type]

    with patch.object(viewchange, "select_new_view", empty):
        yield


@contextmanager
def lowest_view_wins() -> Iterator[None]:
    """V6: of several certificates the one of the lowest view is chosen."""
    with patch.object(newview, "_rank", lambda c: (-c.subject.view, c.subject.digest)):
        yield


@contextmanager
def no_certificates() -> Iterator[None]:
    """S2: VIEW-CHANGE carries no PREPARE certificates."""

    class Bare(ViewChange, frozen=True):
        """Made by the core only; what travels decodes as ever."""

        def __post_init__(self) -> None:
            force_setattr(self, "prepared", ())

    with patch.object(viewchange, "ViewChange", Bare):
        yield


@contextmanager
def forget_prepared() -> Iterator[None]:
    """V9: entering a view forgets what was prepared before it."""
    original = Slot.enter_view

    def forget(self: Slot, now_ms: int, again: Digest | None) -> list[Digest]:
        dropped = original(self, now_ms, again)
        self.prepared = None
        return dropped

    with patch.object(Slot, "enter_view", forget):
        yield


@contextmanager
def votes_after_leaving() -> Iterator[None]:
    """V8: a replica that sent VIEW-CHANGE goes on voting in the view it left."""
    with patch.object(ReplicaState, "ordering", property(lambda self: True)):
        yield


@contextmanager
def digest_blind() -> Iterator[None]:
    """D3: votes are counted whatever digest they name."""

    def blind(votes: Votes, quorum: int) -> Digest | None:
        return next(iter(votes.values())).subject.digest if len(votes) >= quorum else None

    def everybody(votes: Votes, digest: Digest) -> dict[ValidatorIndex, bytes]:
        return {i: v.signature for i, v in votes.items()}

    with (
        patch.object(ordering, "tally", blind),
        patch.object(ordering, "signatures_for", everybody),
    ):
        yield


@contextmanager
def second_proposal() -> Iterator[None]:
    """O2: a later proposal of the same proposer replaces the accepted one."""
    original = Ordering.on_pre_prepare

    def replaced(self: Ordering, sender: ValidatorIndex, message: PrePrepare, at_ms: int) -> None:
        slot = self._state.log.get(message.height)
        if slot is not None and slot.digest not in (None, message.digest):
            slot.digest = None
        original(self, sender, message, at_ms)

    with patch.object(Ordering, "on_pre_prepare", replaced):
        yield


@contextmanager
def no_guard() -> Iterator[None]:
    """P1 and O2: the sign guard is gone as well, and prepares are counted per slot."""
    with (
        second_proposal(),
        patch("consensus.state.require", lambda *given: None),
        patch.object(ReplicaState, "voted", _voted_for_this),
    ):
        yield


def _voted_for_this(self: ReplicaState, slot: Slot, kind: object) -> bool:
    last = slot.own.get(kind)  # type: ignore[call-overload]
    if last is None:
        return False
    return bool(last.subject.digest == slot.digest and last.subject.view == self.active_view)


@contextmanager
def no_view_proof() -> Iterator[None]:
    """R5: nobody is told the NEW-VIEW it missed."""
    with patch.object(Retransmission, "_send_view", lambda self, peer, status: None):
        yield


@contextmanager
def bodies_dropped() -> Iterator[None]:
    """V9: bodies behind own PREPAREs are dropped with the view."""
    original = Slot.enter_view

    def drop(self: Slot, now_ms: int, again: Digest | None) -> list[Digest]:
        self.vouched.clear()
        dropped = original(self, now_ms, None)
        for digest in list(self.bodies):
            if self.committed is None:
                del self.bodies[digest]
                dropped.append(digest)
        return dropped

    with patch.object(Slot, "enter_view", drop):
        yield


@contextmanager
def lowest_checkpoint() -> Iterator[None]:
    """L2: O starts at the lowest checkpoint that the leader finds, not at the highest."""

    def lowest(changes: object, start: object = 0) -> NewViewPlan:
        given = list(changes)  # type: ignore[call-overload]
        bases = [c.base_above(start) for c in given]
        least = given[bases.index(min(bases))]
        only = [replace(c, checkpoint=least.checkpoint) for c in given]
        return select_new_view(only, start)  # type: ignore[arg-type]

    with (
        patch.object(viewchange, "select_new_view", lowest),
        patch.object(restoring, "select_new_view", lowest),
    ):
        yield


PLANTED: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "quorum of two": small_quorum,
    "O is empty": no_o,
    "lowest view wins": lowest_view_wins,
    "no certificates in VIEW-CHANGE": no_certificates,
    "prepared forgotten on entry": forget_prepared,
    "votes after leaving (V8 off)": votes_after_leaving,
    "digests ignored in counting": digest_blind,
    "second proposal accepted": second_proposal,
    "second proposal and no sign guard": no_guard,
    "NEW-VIEW never forwarded": no_view_proof,
    "bodies dropped with the view": bodies_dropped,
    "lowest checkpoint as base": lowest_checkpoint,
}
