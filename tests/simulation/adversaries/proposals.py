"""Adversaries that propose what they must not: two batches, wrong heights, false times.

The promise against them: O2 and evidence for two proposals of one height, W1 and W2 for heights,
O3 for times, O4 for invalid batches.
"""

from __future__ import annotations

import random
from typing import ClassVar

from bulwark.ledger.batch import Batch
from bulwark.ledger.ids import TimestampMs
from bulwark.ledger.votes import VoteKind
from consensus.keyring import Keyring
from consensus.messages import Message, PrePrepare, Vote
from tests.simulation.adversaries.base import Adversary


class Equivocator(Adversary):
    """Proposes one batch to one half and another to the rest, and votes for both."""

    KIND: ClassVar[str] = "equivocator"

    def __init__(self, rng: random.Random, n: int, index: int, keyring: Keyring) -> None:
        super().__init__(rng, n, index, keyring)
        self._others: dict[tuple[int, int], Batch] = {}
        self._bold = rng.choice([0.0, 0.2, 0.5])
        """How often it shows both to one receiver, which proves its guilt."""

    def change(self, receiver: int, message: Message, now_ms: int) -> list[tuple[int, Message]]:
        """The second batch for one half, in proposal and votes."""
        twin: Message | None = None
        if isinstance(message, PrePrepare) and self.is_mine(message):
            twin = self._other_proposal(message)
        elif isinstance(message, Vote) and self.is_mine(message):
            twin = self._other_vote(message)
        if twin is None:
            return [(0, message)]
        if self.rng.random() < self._bold:
            return [(0, message), (0, twin)]
        return [(0, twin if self.half(receiver) else message)]

    def _other_proposal(self, message: PrePrepare) -> PrePrepare:
        place = (message.view, message.height)
        batch = self._others.get(place)
        if batch is None:
            time = TimestampMs(message.batch.timestamp_ms + 1)
            batch = Batch(time, tuple(reversed(message.batch.transactions)))
            self._others = dict(list(self._others.items())[-64:])
            self._others[place] = batch
        return self.proposal(message.view, message.height, batch)

    def _other_vote(self, vote: Vote) -> Vote | None:
        subject = vote.subject
        batch = self._others.get((subject.view, subject.height))
        if batch is None or subject.kind is VoteKind.CHECKPOINT:
            return None
        return self.vote(subject.kind, subject.view, subject.height, batch.digest)


class SeqJumper(Adversary):
    """Proposes and votes for heights ahead of its turn: gaps, the window's edge and beyond."""

    KIND: ClassVar[str] = "seq-jumper"

    def change(self, receiver: int, message: Message, now_ms: int) -> list[tuple[int, Message]]:
        """The message, or one of the same kind somewhere ahead, or both."""
        jump = self.rng.choice([1, 2, 4, 8, 9, 16, 17, 1_000, 1 << 40])
        ahead: Message
        if isinstance(message, PrePrepare) and self.is_mine(message):
            ahead = self.proposal(message.view, message.height + jump, message.batch)
        elif isinstance(message, Vote) and self.is_mine(message):
            subject = message.subject
            ahead = self.vote(subject.kind, subject.view, subject.height + jump, subject.digest)
        else:
            return [(0, message)]
        dice = self.rng.randrange(4)
        if dice == 0:
            return [(0, ahead)]
        return [(0, ahead), (0, message)] if dice == 1 else [(0, message)]


class ClockLiar(Adversary):
    """Proposes times that are off by little or by much, or runs on a wrong clock altogether."""

    KIND: ClassVar[str] = "clock-liar"

    def __init__(self, rng: random.Random, n: int, index: int, keyring: Keyring) -> None:
        super().__init__(rng, n, index, keyring)
        offsets = [-3_600_000, -10_000, -2_400, 400, 600, 10_000, 3_600_000, 10**12]
        self._offset_ms = rng.choice(offsets)
        self._skew_ms = rng.choice([0, 0, 10_000, 86_400_000])

    def clock_skew_ms(self) -> int:
        """A clock that runs ahead; one that is behind would only be told so by nobody."""
        return self._skew_ms

    def change(self, receiver: int, message: Message, now_ms: int) -> list[tuple[int, Message]]:
        """A batch with another time in place of every second proposal."""
        if not (isinstance(message, PrePrepare) and self.is_mine(message)) or message.height % 2:
            return [(0, message)]
        time = TimestampMs(max(0, message.batch.timestamp_ms + self._offset_ms))
        batch = Batch(time, message.batch.transactions)
        return [(0, self.proposal(message.view, message.height, batch))]


class BadBatch(Adversary):
    """Proposes batches that no honest validator may vote for: invalid, or empty while it censors.

    An extra beside the sixteen: its empty batches are the unfair proposer of pitfall L8.
    """

    KIND: ClassVar[str] = "bad-batch"

    def __init__(self, rng: random.Random, n: int, index: int, keyring: Keyring) -> None:
        super().__init__(rng, n, index, keyring)
        self._censors = rng.random() < 0.5

    def change(self, receiver: int, message: Message, now_ms: int) -> list[tuple[int, Message]]:
        """Its own batch never comes through."""
        if not (isinstance(message, PrePrepare) and self.is_mine(message)):
            return [(0, message)]
        if self._censors:
            batch = Batch(message.batch.timestamp_ms, message.batch.transactions[1:])
        else:
            batch = Batch(message.batch.timestamp_ms, (b"bad",))
        return [(0, self.proposal(message.view, message.height, batch))]
