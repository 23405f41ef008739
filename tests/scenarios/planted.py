"""Bugs that a scenario shows, besides those of `tests.twins.planted`: one broken rule each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from bulwark.ledger.hashing import keccak256
from bulwark.ledger.validators import ValidatorSet
from bulwark.ledger.votes import VoteSubject
from consensus import viewchange
from consensus.amnesia import Amnesia
from consensus.log import LaterBuffer
from consensus.ordering import Ordering
from consensus.retransmission import Retransmission
from consensus.state import ReplicaState
from consensus.viewchange import ViewChanger
from tests.scenarios.keys import make_terms
from tests.simulation.alliance import FastDomain


def replaced(owner: Any, name: str, value: Any) -> Callable[[], AbstractContextManager[None]]:
    """A bug that is one function or property put in the place of another."""

    @contextmanager
    def planted() -> Iterator[None]:
        with patch.object(owner, name, value):
            yield

    return planted


@contextmanager
def two_f_plus_one() -> Iterator[None]:
    """S5: 2f+1 whatever n is."""
    original = ValidatorSet.__post_init__

    def fewer(self: ValidatorSet) -> None:
        original(self)
        object.__setattr__(self, "quorum", 2 * self.faulty + 1)

    with patch.object(ValidatorSet, "__post_init__", fewer):
        make_terms.cache_clear()
        try:
            yield
        finally:
            make_terms.cache_clear()


def _kindless(self: VoteSubject, domain: Any) -> Any:
    body = self.view.to_bytes(8, "big") + self.height.to_bytes(8, "big") + self.digest
    return domain.digest(b"vote", body)


def _counted_twice(self: ReplicaState, slot: Any, vote: Any) -> bool:
    votes = slot.votes(vote.subject.kind)
    votes[vote.signer if vote.signer not in votes else 100 + len(votes)] = vote
    return True


def _no_wait(self: Amnesia, status: Any) -> None:
    self._state.silent_until = None


def _epochless(self: Any, tag: bytes, body: bytes) -> Any:
    return keccak256(b"bulwark" + tag + b"\x00" + body)


PLANTED: dict[str, tuple[Callable[[], AbstractContextManager[None]], str]] = {
    "V10 off": (replaced(ViewChanger, "_stale", lambda *given: False), "v10_forgotten_view_change"),
    "2f+1 at n = 6": (two_f_plus_one, "s05_quorum_of_six"),
    "kind not signed": (
        replaced(VoteSubject, "signing_digest", _kindless),
        "s01_recorded_votes",
    ),
    "epoch not signed": (
        replaced(FastDomain, "digest", _epochless),
        "e02_frame_of_another_epoch",
    ),
    "no deduplication": (
        replaced(ReplicaState, "record", _counted_twice),
        "s04_one_voter_counted_twice",
    ),
    "time unchecked": (replaced(Ordering, "_timely", lambda *given: True), "s13_proposal_times"),
    "no silence after a wipe": (replaced(Amnesia, "on_status", _no_wait), "s07_wiped_disk"),
    "buffer drops what comes early": (
        replaced(LaterBuffer, "add", lambda *given: None),
        "l01_just_above_the_window",
    ),
    "no f+1 rule": (replaced(ViewChanger, "join", lambda self: None), "l05_f_plus_one_rule"),
    "NEW-VIEW never forwarded": (
        replaced(Retransmission, "_send_view", lambda *given: None),
        "l05_restarted_node_learns_the_view",
    ),
    "O not compared": (
        replaced(
            viewchange,
            "WrongNewView",
            lambda *given: None,
        ),
        "s02_wrong_o",
    ),
    "forgotten COMMITs not noticed": (
        replaced(
            viewchange,
            "forgotten_commit",
            lambda *given: False,
        ),
        "ev_forgotten_commit",
    ),
}
