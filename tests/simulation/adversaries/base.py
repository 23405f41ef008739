"""Adversary: what a Byzantine validator makes of each message that its honest core would send.

It holds its own key only, signs whatever it likes with it, and may replay whatever it has seen.
Each kind is one class that overrides `change`; the world asks `outgoing` for every message and
every receiver, and drops what does not authenticate, as an honest receiver does.
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, ClassVar, Final

from msgspec.structs import replace

from bulwark.ledger.batch import Batch
from bulwark.ledger.ids import Digest, Height, ValidatorIndex, View
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from consensus.keyring import Keyring
from consensus.messages import (
    Message,
    NewView,
    PrePrepare,
    StatusReport,
    ViewChange,
    Vote,
)

if TYPE_CHECKING:
    from tests.simulation.ledger import Block

REPLAYS_ONE_IN: Final = 40
"""How often an old message is repeated beside a new one."""
MEMORY: Final = 256
"""Messages it remembers."""


class Adversary:
    """Sends what its core sends; the other kinds override `change`."""

    KIND: ClassVar[str] = ""

    def __init__(self, rng: random.Random, n: int, index: int, keyring: Keyring) -> None:
        self.rng = rng
        self.n = n
        self.index = index
        self.keyring = keyring
        """The only key it has; the world sets the one of the next epoch."""
        self.lies = 0
        """Messages that it changed, delayed, withheld or made up."""
        self._seen: deque[Message] = deque(maxlen=MEMORY)

    # -- what the world calls ----------------------------------------------------------------

    def outgoing(self, receiver: int, message: Message, now_ms: int) -> list[tuple[int, Message]]:
        """(delay in ms, message) for everything that `receiver` gets instead."""
        sent = self.change(receiver, message, now_ms)
        if sent != [(0, message)]:
            self.lies += 1
        if sent and self._seen and self.rng.randrange(REPLAYS_ONE_IN) == 0:
            sent = [*sent, (0, self.rng.choice(self._seen))]
        self._seen.append(message)
        return sent

    def observe(self, message: Message) -> None:
        """Its node received this; it may be replayed later."""
        self._seen.append(message)

    def clock_skew_ms(self) -> int:
        """By how much its node's clock is wrong."""
        return 0

    def serve_blocks(
        self, blocks: list[Block], certificate: Certificate
    ) -> tuple[list[Block], Certificate]:
        """What it serves when another node block-syncs from it."""
        return blocks, certificate

    # -- what a kind overrides ---------------------------------------------------------------

    def change(self, receiver: int, message: Message, now_ms: int) -> list[tuple[int, Message]]:
        """As `outgoing`, without replays."""
        return [(0, message)]

    # -- its own signatures ------------------------------------------------------------------

    def vote(self, kind: VoteKind, view: int, height: int, digest: bytes) -> Vote:
        """A vote of its own."""
        subject = VoteSubject(kind, View(view), Height(height), Digest(digest))
        return Vote(subject, ValidatorIndex(self.index), self.keyring.sign_vote(subject))

    def proposal(self, view: int, height: int, batch: Batch) -> PrePrepare:
        """A PRE-PREPARE of its own, rightful or not."""
        vote = self.vote(VoteKind.PREPARE, view, height, batch.digest)
        unsigned = PrePrepare(
            View(view), Height(height), batch.digest, vote.signer, b"", vote.signature, batch
        )
        signature = self.keyring.sign(PrePrepare.TAG, unsigned.signed_body())
        return replace(unsigned, signature=signature)

    def sign_view_change(self, message: ViewChange) -> ViewChange:
        """The same claims under its own signature."""
        mine = replace(message, signer=ValidatorIndex(self.index))
        return replace(mine, signature=self.keyring.sign(ViewChange.TAG, mine.signed_body()))

    def sign_new_view(self, message: NewView) -> NewView:
        """The same claims under its own signature."""
        mine = replace(message, signer=ValidatorIndex(self.index))
        return replace(mine, signature=self.keyring.sign(NewView.TAG, mine.signed_body()))

    def sign_status(self, message: StatusReport) -> StatusReport:
        """The same claims under its own signature."""
        mine = replace(message, signer=ValidatorIndex(self.index))
        return replace(mine, signature=self.keyring.sign(StatusReport.TAG, mine.signed_body()))

    def is_mine(self, message: Message) -> bool:
        """Whether the message is its own statement, not one that its node forwards."""
        return getattr(message, "signer", None) == self.index

    def half(self, receiver: int) -> int:
        """0 or 1: the two groups to which it tells different things."""
        return receiver % 2
