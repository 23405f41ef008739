"""What the ring proof's tests share: repeatable bytes, an alliance with keys, cheating provers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from bulwark.privacy.ring.moves import FirstMove, commit, respond
from bulwark.privacy.ring.proof import RingProof
from bulwark.privacy.ring.prover import draw_coins, prove
from bulwark.privacy.ring.ristretto import RISTRETTO255
from bulwark.privacy.ring.statement import Ring, RingStatement


def stream(seed: str) -> Callable[[int], bytes]:
    """Repeatable bytes that look random: SHAKE-256 over the seed and a call counter."""
    calls = iter(range(10**9))

    def random_bytes(count: int) -> bytes:
        return hashlib.shake_256(f"{seed}/{next(calls)}".encode()).digest(count)

    return random_bytes


class World:
    """An alliance of `members` keys with an opener, all from one seed."""

    def __init__(self, members: int, suite=RISTRETTO255, seed: str = "world") -> None:
        self.suite = suite
        self.random_bytes = stream(f"{seed} {members}")
        self.secrets = [self.scalar() for _ in range(members)]
        self.keys = [suite.multiply_base(secret) for secret in self.secrets]
        self.ring = Ring(suite, tuple(self.keys))
        self.opener_secret = self.scalar()
        self.statement = RingStatement(
            chain_id=1337,
            genesis_hash=hashlib.sha256(b"genesis").digest(),
            ring_height=812,
            ring=self.ring,
            opener=suite.multiply_base(self.opener_secret),
            opener_epoch=3,
            epoch=20_414,
            scope=2,
            slot=17,
            message=hashlib.sha512(b"request").digest(),
        )

    def scalar(self):
        return self.suite.reduce(self.random_bytes(64))

    def point(self):
        """An element nobody knows the logarithm of."""
        return self.suite.hash_to_group(self.random_bytes(32), b"tests")

    def prove(self, index: int, **changes) -> RingProof:
        statement = replace(self.statement, **changes)
        return prove(statement, self.secrets[index], index, self.random_bytes)

    def first_move(self, index: int, secret=None, statement=None) -> FirstMove:
        """A first move made without looking whether secret and index fit."""
        statement = statement or self.statement
        secret = secret or self.secrets[index]
        digits = statement.ring.digits
        coins = draw_coins(self.suite, secret, digits, statement.transcript(), self.random_bytes)
        return commit(statement, secret, index, coins)

    def answer(self, move: FirstMove, statement=None) -> RingProof:
        """The proof a first move makes with the real challenge of the statement."""
        transcript = (statement or self.statement).transcript()
        for element in move.elements():
            transcript.add(self.suite.encode_element(element))
        return respond(self.suite, move, self.suite.reduce(transcript.digest()))


def inverse(suite, scalar):
    return suite.scalar(pow(int(scalar), -1, suite.order))
