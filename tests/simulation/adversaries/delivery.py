"""Adversaries that sign nothing wrong: they only decide who hears of it, and when.

No evidence can exist against them; only timers and retransmission answer them (pitfall L8).
"""

from __future__ import annotations

import random
from typing import ClassVar

from bulwark.ledger.votes import VoteKind
from consensus.keyring import Keyring
from consensus.messages import Body, Decision, Message, NewView, PrePrepare
from tests.simulation.adversaries.base import Adversary


class Silent(Adversary):
    """Sends nothing at all."""

    KIND: ClassVar[str] = "silent"

    def change(self, receiver: int, message: Message, now_ms: int) -> list[tuple[int, Message]]:
        """Nothing."""
        return []


class Slow(Adversary):
    """Proposes and opens views just before the others' patience ends, for ever (pitfall L8)."""

    KIND: ClassVar[str] = "slow"

    def __init__(self, rng: random.Random, n: int, index: int, keyring: Keyring) -> None:
        super().__init__(rng, n, index, keyring)
        self._delay_ms = rng.choice([400, 700, 900])

    def change(self, receiver: int, message: Message, now_ms: int) -> list[tuple[int, Message]]:
        """What the others wait for comes late, the rest at once."""
        if isinstance(message, PrePrepare | NewView | Decision):
            return [(self._delay_ms, message)]
        return [(0, message)]


class PartialSender(Adversary):
    """Sends everything to some and nothing to the others, who then lack it."""

    KIND: ClassVar[str] = "partial"

    def __init__(self, rng: random.Random, n: int, index: int, keyring: Keyring) -> None:
        super().__init__(rng, n, index, keyring)
        self._turn_ms = rng.choice([500, 3_000, 1_000_000])

    def change(self, receiver: int, message: Message, now_ms: int) -> list[tuple[int, Message]]:
        """All or nothing; whom it favours changes now and then."""
        turn = now_ms // self._turn_ms
        return [(0, message)] if (receiver + turn) % self.n < (self.n + 1) // 2 else []


class BodyWithholder(Adversary):
    """Votes for its batches, but shows them to one other validator only and serves no body."""

    KIND: ClassVar[str] = "body-withholder"

    def change(self, receiver: int, message: Message, now_ms: int) -> list[tuple[int, Message]]:
        """Whoever else takes part must fetch the body from the one who has it (O5, S12)."""
        if isinstance(message, Body | Decision):
            return []
        if isinstance(message, PrePrepare):
            shown = (self.index + 1 + message.height % (self.n - 1)) % self.n
            if receiver != shown:
                vote = self.vote(VoteKind.PREPARE, message.view, message.height, message.digest)
                return [(0, vote)]
        return [(0, message)]
