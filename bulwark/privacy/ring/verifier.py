"""The verifier: a statement and a proof, checked in the order in which junk is rejected cheaply.

The order for a node: decode the proof; look the nullifier up in the spent set; look whether ring
height and epoch are the current ones; `Claim.check_links`, (5) to (7), a few multiplications;
`Claim.check_membership`, (1) to (4), about one multiplication for each member. `verify` does the
last two at once for callers without such state; it is complete, not a shortcut.

Rules owned here: equations that are checked in one sum have fresh weights of 128 bits, all but one,
so a proof with a false equation passes with a chance of at most 2^-128; a challenge of zero is
refused; a refusal names the equations that fail. Weights come from the caller's randomness or from
`hashed_weights`, where every node has to compute the same; never constants.

It does not know spent nullifiers, fresh heights or who may ask.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic

from bulwark.privacy.errors import ProofRefused, RandomnessRefused
from bulwark.privacy.group import RandomBytes
from bulwark.privacy.ring.combination import EQUATIONS, Combination
from bulwark.privacy.ring.proof import RingProof
from bulwark.privacy.ring.statement import RingStatement
from bulwark.privacy.ring.suite import E, S

NAMES = {
    1: "commitment of the digits",
    2: "digits are bits",
    3: "first half of the encrypted key is of the ring proof's randomness",
    4: "encrypted key is in the ring",
    5: "randomness of the encryption is known",
    6: "secret of the encrypted key is known",
    7: "nullifier is of that secret",
}
"""What each equation shows."""

Sums = tuple[tuple[int, ...], ...]
"""Which equations are checked in one weighted sum each, the cheap sums first."""

LINKS: Sums = ((7,), (5,), (6,))
MEMBERSHIP: Sums = ((3,), (1, 2), (4,))
ALL: Sums = ((7,), (3, 5), (1, 2), (4, 6))
"""Equations that share points stand together; others apart, which saves a weight each."""

WEIGHT_BYTES = 16
_WEIGHTS_LABEL = b"Bulwark-v1-ARP-1-weights"


@dataclass(frozen=True, slots=True)
class Claim(Generic[E, S]):
    """A statement with a proof, and the challenge that follows from both. Made by `claim`."""

    statement: RingStatement[E, S]
    proof: RingProof[E, S]
    challenge: int = field(repr=False)

    def check_links(self) -> None:
        """(5) to (7): seven multiplications whatever the ring. Raises `ProofRefused`."""
        self._check(LINKS, [1] * EQUATIONS)

    def check_membership(self, random_bytes: RandomBytes) -> None:
        """(1) to (4): complete only together with `check_links`.

        Raises `ProofRefused`, `RandomnessRefused`.
        """
        self._check(MEMBERSHIP, draw_weights(random_bytes))

    def check_all(self, random_bytes: RandomBytes) -> None:
        """(1) to (7). Raises `ProofRefused`, `RandomnessRefused`."""
        self._check(ALL, draw_weights(random_bytes))

    def failing(self, equations: Iterable[int] = NAMES) -> tuple[int, ...]:
        """Those of the equations that do not hold, each computed by itself."""
        return tuple(number for number in equations if not self._holds({number: 1}))

    def refusal(self, equations: Iterable[int] = NAMES) -> ProofRefused:
        """The error that names the failing ones of `equations`."""
        failing = self.failing(equations)
        named = ", ".join(f"({number}) {NAMES[number]}" for number in failing)
        return ProofRefused(f"equation does not hold: {named}", failing)

    def _check(self, sums: Sums, weights: Sequence[int]) -> None:
        for first, *others in sums:
            # One weight of a sum may be known: what is not to be foreseen is how equations mix.
            # With -1 its first element is compared instead of multiplied and added.
            chosen = {first: -1} | {number: weights[number - 1] for number in others}
            if not self._holds(chosen):
                raise self.refusal(chosen)

    def _holds(self, weights: Mapping[int, int]) -> bool:
        combination = Combination(self.statement.ring.suite)
        full = [weights.get(number, 0) for number in NAMES]
        combination.add(self.statement, self.proof, self.challenge, full)
        return combination.holds()


def claim(statement: RingStatement[E, S], proof: RingProof[E, S]) -> Claim[E, S]:
    """The claim that the proof shows the statement; computes the challenge, a few hashes.

    Raises `ProofRefused` if the proof is for rings of another size or suite, or the challenge is
    zero.
    """
    suite = statement.ring.suite
    if proof.suite is not suite:
        raise ProofRefused("it is of another suite than the ring")
    if proof.digits != statement.ring.digits:
        raise ProofRefused(f"it has {proof.digits} digits, the ring {statement.ring.digits}")
    transcript = statement.transcript()
    for element in proof.elements():
        transcript.add(suite.encode_element(element))
    challenge = int.from_bytes(transcript.digest(), "little") % suite.order
    if challenge == 0:
        raise ProofRefused("the challenge is zero")
    return Claim(statement, proof, challenge)


def verify(
    statement: RingStatement[E, S], proof: RingProof[E, S], random_bytes: RandomBytes
) -> None:
    """Check a decoded proof, (1) to (7); silence means that it holds.

    Raises `ProofRefused`, which names the failing equations, `RandomnessRefused`.
    """
    claim(statement, proof).check_all(random_bytes)


def draw_weights(random_bytes: RandomBytes) -> list[int]:
    """Seven weights of 128 bits. Raises `RandomnessRefused`."""
    drawn = random_bytes(EQUATIONS * WEIGHT_BYTES)
    if not isinstance(drawn, bytes) or len(drawn) != EQUATIONS * WEIGHT_BYTES:
        raise RandomnessRefused(f"asked for {EQUATIONS * WEIGHT_BYTES} bytes and got other ones")
    return [
        int.from_bytes(drawn[at : at + WEIGHT_BYTES], "little")
        for at in range(0, len(drawn), WEIGHT_BYTES)
    ]


def hashed_weights(claims: Iterable[Claim[E, S]]) -> RandomBytes:
    """Weights that follow from all the claims, for where every node must compute the same.

    SHA-512 over the challenges (they bind statements and elements) and the encoded proofs (they
    bind the scalars), then SHAKE-256 over that and a counter.
    """
    absorbed = hashlib.sha512(_WEIGHTS_LABEL)
    for one in claims:
        absorbed.update(one.challenge.to_bytes(WEIGHT_BYTES * 4, "big"))
        encoded = one.proof.encode()
        absorbed.update(len(encoded).to_bytes(4, "big"))
        absorbed.update(encoded)
    seed = absorbed.digest()
    counter = 0

    def random_bytes(count: int) -> bytes:
        nonlocal counter
        counter += 1
        return hashlib.shake_256(seed + counter.to_bytes(8, "big")).digest(count)

    return random_bytes
