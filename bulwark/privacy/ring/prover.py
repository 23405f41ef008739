"""The prover: one non-interactive proof a call, with randomness that cannot serve two.

Rules owned here: all of a proof's random scalars come from SHAKE-256 over the secret, 64 fresh
bytes and the digest of the statement together. So a broken source of randomness alone reveals
nothing: with the same bytes, another statement has other scalars and the same statement has the
same proof. The first move lives for one call. Proving takes the same operations for every member of
one ring; a caller that answers others should still return at a fixed time.

It does not choose a slot (draw slots in random order) and keeps no secret.
"""

from __future__ import annotations

import hashlib

from bulwark.privacy.errors import ProofRefused, RandomnessRefused, WitnessRefused
from bulwark.privacy.group import WIDE_BYTES, Element, RandomBytes, Scalar, multiply
from bulwark.privacy.ring.generators import scope_point
from bulwark.privacy.ring.moves import Coins, coins_from, coins_needed, commit, respond
from bulwark.privacy.ring.proof import RingProof
from bulwark.privacy.ring.ristretto import RISTRETTO255
from bulwark.privacy.ring.statement import RingStatement
from bulwark.privacy.ring.suite import E, S, Suite
from bulwark.privacy.transcript import Transcript

FRESH_BYTES = 64
_COINS_LABEL = b"Bulwark-v1-ARP-1-coins"


def prove(
    statement: RingStatement[E, S], secret: S, index: int, random_bytes: RandomBytes
) -> RingProof[E, S]:
    """A proof that `secret` is that of the key at `index` of the statement's ring.

    Source: note privacy.md section 2.3. Raises `WitnessRefused` if it is not, `RandomnessRefused`
    for a source that does not give 64 bytes, `ProofRefused` for a challenge of zero (2^-252).
    """
    ring = statement.ring
    suite = ring.suite
    if not 0 <= index < len(ring) or suite.multiply_base(secret) != ring.keys[index]:
        raise WitnessRefused(index, len(ring))
    transcript = statement.transcript()
    coins = draw_coins(suite, secret, ring.digits, transcript, random_bytes)
    move = commit(statement, secret, index, coins)
    for element in move.elements():
        transcript.add(suite.encode_element(element))
    challenge = suite.reduce(transcript.digest())
    if int(challenge) == 0:
        raise ProofRefused("the challenge is zero")
    return respond(suite, move, challenge)


def draw_coins(
    suite: Suite[E, S], secret: S, digits: int, prefix: Transcript, random_bytes: RandomBytes
) -> Coins[S]:
    """The scalars of one proof over the statement in `prefix`. Raises `RandomnessRefused`."""
    fresh = random_bytes(FRESH_BYTES)
    if not isinstance(fresh, bytes) or len(fresh) != FRESH_BYTES:
        raise RandomnessRefused(f"asked for {FRESH_BYTES} bytes and got something else")
    count = coins_needed(digits)
    source = hashlib.shake_256(_COINS_LABEL)
    for part in (suite.encode_scalar(secret), fresh, prefix.digest()):
        source.update(part)
    drawn = source.digest(count * WIDE_BYTES)
    scalars = [suite.reduce(drawn[at : at + WIDE_BYTES]) for at in range(0, len(drawn), WIDE_BYTES)]
    return coins_from(scalars, digits)


def nullifier(secret: Scalar, chain_id: int, epoch: int, scope: int, slot: int) -> Element:
    """T = secret * U, what a proof for this slot will spend, over ristretto255.

    Raises `InputRefused` as `scope_point` does, `IdentityResult` for the zero scalar.
    """
    return multiply(secret, scope_point(RISTRETTO255, chain_id, epoch, scope, slot))
