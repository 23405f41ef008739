"""Byzantine senders: a node runs the honest core, and what it sends is changed on the way out.

Each adversary holds its own key only. `outgoing` maps one message for one receiver to the messages
that are really sent.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Protocol

from bulwark.ledger.batch import Batch
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import TimestampMs
from bulwark.ledger.votes import VoteKind, VoteSubject
from consensus.keyring import LocalKeyring
from consensus.messages import Message, NewView, PrePrepare, ViewChange, Vote


class Adversary(Protocol):
    """Changes what one node sends."""

    def outgoing(self, receiver: int, message: Message) -> list[Message]:
        """The messages that `receiver` gets instead."""
        ...


class Silent:
    """Sends nothing at all."""

    def outgoing(self, receiver: int, message: Message) -> list[Message]:
        """Nothing."""
        return []


class PartialSender:
    """Sends everything to some and nothing to the others, who then lack it."""

    def __init__(self, rng: random.Random, n: int) -> None:
        self._favoured = {i for i in range(n) if rng.random() < 0.5}

    def outgoing(self, receiver: int, message: Message) -> list[Message]:
        """All or nothing."""
        return [message] if receiver in self._favoured else []


class Equivocator:
    """Proposes one batch to one half and another to the rest, and votes for both."""

    def __init__(self, rng: random.Random, keyring: LocalKeyring) -> None:
        self._rng = rng
        self._keyring = keyring

    def outgoing(self, receiver: int, message: Message) -> list[Message]:
        """A twin of the message for odd receivers, sometimes both."""
        twin: Message | None = None
        if isinstance(message, PrePrepare):
            twin = self._other_proposal(message)
        elif isinstance(message, Vote):
            twin = self._other_vote(message)
        if twin is None:
            return [message]
        if self._rng.random() < 0.2:
            return [message, twin]
        return [twin] if receiver % 2 else [message]

    def _other_proposal(self, message: PrePrepare) -> PrePrepare:
        batch = Batch(
            TimestampMs(message.batch.timestamp_ms + 1), tuple(reversed(message.batch.transactions))
        )
        subject = VoteSubject(VoteKind.PREPARE, message.view, message.height, batch.digest)
        other = replace(message, digest=batch.digest, batch=batch)
        return replace(
            other,
            signature=self._keyring.sign(PrePrepare.TAG, other.signed_body()),
            vote_signature=self._keyring.sign_vote(subject),
        )

    def _other_vote(self, vote: Vote) -> Vote | None:
        if vote.signer != 0 and self._rng.random() < 0.5:
            return None
        subject = replace(vote.subject, digest=sha256(vote.subject.digest))
        return Vote(subject, vote.signer, self._keyring.sign_vote(subject))


class ViewSpammer:
    """Asks for far views all the time and, as leader, opens views with a false O."""

    def __init__(self, rng: random.Random, keyring: LocalKeyring) -> None:
        self._rng = rng
        self._keyring = keyring

    def outgoing(self, receiver: int, message: Message) -> list[Message]:
        """The message, and now and then a lie about views."""
        if isinstance(message, NewView):
            digests = (*message.digests[1:], sha256(b"lie"))
            other = replace(message, digests=digests)
            return [replace(other, signature=self._keyring.sign(NewView.TAG, other.signed_body()))]
        if isinstance(message, ViewChange):
            other_change = replace(
                message, view=message.view + self._rng.randint(0, 50), prepared=()
            )
            signature = self._keyring.sign(ViewChange.TAG, other_change.signed_body())
            return [message, replace(other_change, signature=signature)]
        return [message]


class BadProposer:
    """Proposes batches that no honest node may vote for, or with a time far off."""

    def __init__(self, rng: random.Random, keyring: LocalKeyring) -> None:
        self._rng = rng
        self._keyring = keyring

    def outgoing(self, receiver: int, message: Message) -> list[Message]:
        """An invalid or untimely batch instead of every proposal."""
        if not isinstance(message, PrePrepare):
            return [message]
        if message.height % 2:
            batch = Batch(message.batch.timestamp_ms, (b"bad",))
        else:
            batch = Batch(TimestampMs(message.batch.timestamp_ms + 3_600_000), (b"tx late",))
        subject = VoteSubject(VoteKind.PREPARE, message.view, message.height, batch.digest)
        other = replace(message, digest=batch.digest, batch=batch)
        return [
            replace(
                other,
                signature=self._keyring.sign(PrePrepare.TAG, other.signed_body()),
                vote_signature=self._keyring.sign_vote(subject),
            )
        ]


def make_adversary(rng: random.Random, n: int, keyring: LocalKeyring) -> Adversary:
    """One of the kinds above."""
    kind = rng.randrange(5)
    if kind == 0:
        return Silent()
    if kind == 1:
        return PartialSender(rng, n)
    if kind == 2:
        return Equivocator(rng, keyring)
    if kind == 3:
        return ViewSpammer(rng, keyring)
    return BadProposer(rng, keyring)
