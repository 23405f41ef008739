"""Adversaries that vote wrongly: two votes for one height, or for headers that nobody executed.

The promise against them: W4 counts the first vote and evidence names the voter (DoubleVote), C2
counts only equal CHECKPOINTs, and a claimed height steers nothing (S11).
"""

from __future__ import annotations

import random
from typing import ClassVar

from msgspec.structs import replace

from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Height
from bulwark.ledger.votes import VoteKind
from consensus.keyring import Keyring
from consensus.messages import Message, StableProof, StatusReport, Vote
from tests.simulation.adversaries.base import Adversary


class DoubleVoter(Adversary):
    """Casts every vote twice, for two digests; each receiver gets one of them, or both."""

    KIND: ClassVar[str] = "double-voter"

    def __init__(self, rng: random.Random, n: int, index: int, keyring: Keyring) -> None:
        super().__init__(rng, n, index, keyring)
        self._both = rng.choice([0.1, 0.5, 1.0])
        self._heard: dict[tuple[int, int], bytes] = {}
        """A digest that somebody else voted for at (view, height): the more dangerous lie."""

    def observe(self, message: Message) -> None:
        """Votes of others show which digests are in play."""
        super().observe(message)
        if isinstance(message, Vote):
            self._heard = dict(list(self._heard.items())[-64:])
            self._heard[message.subject.view, message.subject.height] = message.subject.digest

    def change(self, receiver: int, message: Message, now_ms: int) -> list[tuple[int, Message]]:
        """Its vote, another one, or both in either order."""
        if not isinstance(message, Vote) or not self.is_mine(message):
            return [(0, message)]
        subject = message.subject
        digest = self._heard.get((subject.view, subject.height), subject.digest)
        if digest == subject.digest:
            digest = sha256(subject.digest)
        other = self.vote(subject.kind, subject.view, subject.height, digest)
        if self.rng.random() < self._both:
            pair: list[tuple[int, Message]] = [(0, message), (0, other)]
            return pair if self.rng.random() < 0.5 else pair[::-1]
        return [(0, other if self.half(receiver) else message)]


class CheckpointLiar(Adversary):
    """Casts CHECKPOINT over false headers and claims heights that nobody certified."""

    KIND: ClassVar[str] = "checkpoint-liar"

    def __init__(self, rng: random.Random, n: int, index: int, keyring: Keyring) -> None:
        super().__init__(rng, n, index, keyring)
        self._alike = rng.random() < 0.5
        """Whether all receivers get the same false header."""
        self._first: StableProof | None = None

    def change(self, receiver: int, message: Message, now_ms: int) -> list[tuple[int, Message]]:
        """False CHECKPOINTs, inflated STATUS, and for ever the first proof it saw."""
        if isinstance(message, Vote) and self.is_mine(message):
            return self._checkpoint(receiver, message)
        if isinstance(message, StatusReport) and self.is_mine(message):
            far = Height(message.stable + self.rng.choice([0, 1, 20, 10_000]))
            return [(0, self.sign_status(replace(message, stable=far, executed=far)))]
        if isinstance(message, StableProof):
            self._first = self._first or message
            return [(0, self._first)]
        return [(0, message)]

    def _checkpoint(self, receiver: int, vote: Vote) -> list[tuple[int, Message]]:
        subject = vote.subject
        if subject.kind is not VoteKind.CHECKPOINT:
            return [(0, vote)]
        salt = b"header" if self._alike else b"header %d" % receiver
        false = self.vote(subject.kind, 0, subject.height, sha256(salt + subject.digest))
        ahead = self.vote(subject.kind, 0, subject.height + 3, sha256(salt))
        return [(0, false), (0, ahead)]
