"""Adversaries that lie about views: what was prepared, what follows from it, which view to enter.

The promise against them: A2 refuses what is forged, V6 and V7 recompute O, evidence names a leader
whose O differs (WrongNewView) and a voter who hides its COMMIT (ForgottenCommit), V3 and V4 keep
one VIEW-CHANGE of each and never follow f of them.
"""

from __future__ import annotations

import random
from typing import ClassVar, Final

from msgspec.structs import replace

from bulwark.ledger.batch import NULL_BATCH
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, View
from bulwark.ledger.votes import Certificate, VoteKind
from consensus.keyring import Keyring
from consensus.messages import Message, NewView, PrePrepare, StatusReport, ViewChange, Vote
from tests.simulation.adversaries.base import Adversary


class _Unsettling(Adversary):
    """Withholds some of its proposals, so that there are view changes to lie in."""

    def __init__(self, rng: random.Random, n: int, index: int, keyring: Keyring) -> None:
        super().__init__(rng, n, index, keyring)
        self._withheld = rng.choice([0.05, 0.3])
        self._gone: set[tuple[int, int]] = set()
        self._decided: set[tuple[int, int]] = set()

    def withholds(self, message: Message) -> bool:
        """Whether this proposal of its own reaches nobody; the same for all receivers."""
        if not isinstance(message, PrePrepare) or not self.is_mine(message):
            return False
        place = (message.view, message.height)
        if place not in self._decided:
            self._decided.add(place)
            if self.rng.random() < self._withheld:
                self._gone.add(place)
        return place in self._gone


class ForgedPrepared(_Unsettling):
    """Its VIEW-CHANGE omits what it prepared, shows old certificates instead, or forged ones."""

    KIND: ClassVar[str] = "forged-prepared"

    def __init__(self, rng: random.Random, n: int, index: int, keyring: Keyring) -> None:
        super().__init__(rng, n, index, keyring)
        self._old: dict[int, Certificate] = {}
        """The first PREPARE certificate it ever held at a height."""
        self._told: dict[tuple[int, int], ViewChange] = {}

    def change(self, receiver: int, message: Message, now_ms: int) -> list[tuple[int, Message]]:
        """One lie a view and half; sometimes the truth beside it."""
        if self.withholds(message):
            return []
        if not isinstance(message, ViewChange) or not self.is_mine(message):
            return [(0, message)]
        for certificate in message.prepared:
            self._old.setdefault(certificate.subject.height, certificate)
        place = (message.view, self.half(receiver))
        if place not in self._told:
            self._told[place] = self._lie(message)
        lie = self._told[place]
        return [(0, lie), (0, message)] if self.rng.random() < 0.1 else [(0, lie)]

    def _lie(self, message: ViewChange) -> ViewChange:
        match self.rng.randrange(5):
            case 0:
                return self.sign_view_change(replace(message, prepared=()))
            case 1:
                return self.sign_view_change(replace(message, prepared=message.prepared[1:]))
            case 2:
                return self.sign_view_change(replace(message, checkpoint=None, prepared=()))
            case 3:
                old = tuple(self._old[c.subject.height] for c in message.prepared)
                return self.sign_view_change(replace(message, prepared=old))
            case _:
                forged = tuple(self._forge(certificate) for certificate in message.prepared)
                return self.sign_view_change(replace(message, prepared=forged))

    def _forge(self, certificate: Certificate) -> Certificate:
        """Real signatures under another batch: must not verify."""
        subject = replace(certificate.subject, digest=sha256(certificate.subject.digest))
        return replace(certificate, subject=subject)


class WrongO(_Unsettling):
    """As leader it opens views with an O that does not follow, or with two of them."""

    KIND: ClassVar[str] = "wrong-o"

    def change(self, receiver: int, message: Message, now_ms: int) -> list[tuple[int, Message]]:
        """A false NEW-VIEW, sometimes only for half of the others."""
        if self.withholds(message):
            return []
        if not isinstance(message, NewView) or not self.is_mine(message):
            return [(0, message)]
        if self.half(receiver) and self.rng.random() < 0.3:
            return [(0, message)]
        return [(0, self.sign_new_view(replace(message, digests=self._lie(message))))]

    def _lie(self, message: NewView) -> tuple[Digest, ...]:
        digests = message.digests
        match self.rng.randrange(4):
            case 0 if digests:
                return digests[:-1]
            case 1 if digests:
                return tuple(NULL_BATCH.digest for _ in digests)
            case 2 if len(digests) > 1:
                return digests[::-1]
            case _:
                return (*digests, sha256(b"lie"))[-8:]


FLOOD: Final = 20
"""Votes for views to come that the spammer sends with each STATUS, to fill buffers (D1)."""


class ViewSpammer(Adversary):
    """Asks for ever farther views with every STATUS, and votes in views that nobody entered."""

    KIND: ClassVar[str] = "view-spammer"

    def __init__(self, rng: random.Random, n: int, index: int, keyring: Keyring) -> None:
        super().__init__(rng, n, index, keyring)
        self._steps = rng.choice([[1], [1, 2, 50], [1_000, 1 << 40]])
        self._asked = 0

    def change(self, receiver: int, message: Message, now_ms: int) -> list[tuple[int, Message]]:
        """The message, and a VIEW-CHANGE out of nothing."""
        if isinstance(message, StatusReport) and self.is_mine(message):
            self._asked = max(self._asked, message.view) + self.rng.choice(self._steps)
            view = View(min(self._asked, 1 << 62))
            spam = self.sign_view_change(ViewChange(view, None, (), message.signer, b""))
            flood = [(0, self._later_vote(message)) for _ in range(FLOOD)]
            return [(0, message), (0, spam), *flood]
        if isinstance(message, ViewChange) and self.is_mine(message):
            far = View(message.view + self.rng.randint(0, 3))
            other = self.sign_view_change(replace(message, view=far, prepared=()))
            return [(0, message), (0, other)]
        return [(0, message)]

    def _later_vote(self, status: StatusReport) -> Vote:
        height = status.stable + self.rng.randint(1, 8)
        view = status.view + self.rng.randint(1, 1_000)
        return self.vote(VoteKind.PREPARE, view, height, sha256(b"%d" % self.rng.randrange(99)))
