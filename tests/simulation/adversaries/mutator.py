"""An adversary that changes one small thing at a time (ByzzFuzz, OOPSLA 2023): view or height by
one, or a value that it used before; everything signed again with its own key.

Small steps from what is right stay inside windows and views, where code takes them seriously.
"""

from __future__ import annotations

import random
from collections import deque
from typing import ClassVar

from msgspec.structs import replace

from bulwark.ledger.ids import Digest, Height, ValidatorIndex, View
from bulwark.ledger.votes import VoteKind
from consensus.keyring import Keyring
from consensus.messages import Message, NewView, PrePrepare, StatusReport, ViewChange, Vote
from tests.simulation.adversaries.base import Adversary


class Mutator(Adversary):
    """Mutates some of its own messages in one field; forwards the rest."""

    KIND: ClassVar[str] = "mutator"

    def __init__(self, rng: random.Random, n: int, index: int, keyring: Keyring) -> None:
        super().__init__(rng, n, index, keyring)
        self._rate = rng.choice([0.02, 0.1, 0.4])
        self._digests: deque[Digest] = deque(maxlen=16)

    def change(self, receiver: int, message: Message, now_ms: int) -> list[tuple[int, Message]]:
        """The message or its mutant."""
        if isinstance(message, Vote | PrePrepare):
            vote = message if isinstance(message, PrePrepare) else message.subject
            self._digests.append(vote.digest)
        if not self.is_mine(message) or self.rng.random() >= self._rate:
            return [(0, message)]
        return [(0, self._mutant(message))]

    def _near(self, value: int, least: int) -> int:
        return max(least, value + self.rng.choice([-1, 1]))

    def _mutant(self, message: Message) -> Message:
        match message:
            case Vote(subject=subject):
                view, height, digest = subject.view, subject.height, subject.digest
                if subject.kind is VoteKind.CHECKPOINT:
                    return self.vote(subject.kind, 0, self._near(height, 1), digest)
                dice = self.rng.randrange(4)
                if dice == 3:  # in another's name: nobody may believe it
                    other = ValidatorIndex((self.index + 1) % self.n)
                    return replace(message, signer=other)
                if dice == 0:
                    return self.vote(subject.kind, self._near(view, 0), height, digest)
                if dice == 1:
                    return self.vote(subject.kind, view, self._near(height, 1), digest)
                return self.vote(subject.kind, view, height, self.rng.choice(self._digests))
            case PrePrepare(view=view, height=height, batch=batch):
                if self.rng.random() < 0.5:
                    return self.proposal(self._near(view, 0), height, batch)
                return self.proposal(view, self._near(height, 1), batch)
            case ViewChange(view=view):
                return self.sign_view_change(replace(message, view=View(self._near(view, 1))))
            case NewView(view=view):
                moved = View(self._near(view, 1))
                return self.sign_new_view(replace(message, view=moved))
            case StatusReport(view=view, executed=executed):
                if self.rng.random() < 0.5:
                    return self.sign_status(replace(message, view=View(self._near(view, 0))))
                near = Height(self._near(executed, 0))
                return self.sign_status(replace(message, executed=near))
            case _:
                return message
