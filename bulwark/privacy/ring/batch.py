"""Batches: many proofs in one weighted sum, and which of them are bad.

Rules owned here: every equation of every proof has its own fresh weight, so two bad proofs cannot
cancel; a batch that fails is halved until the bad proofs stand alone and are named. What proofs
have in common (ring, opener, generators) is multiplied once, so a batch over one ring costs about
17 multiplications a proof beyond the first at 64 members. k bad ones among n cost at most about
2 k log2(n) further sums: a caller that hears from untrusted peers rejects by `check_links` first.
"""

from __future__ import annotations

from collections.abc import Sequence

from bulwark.privacy.errors import ProofRefused
from bulwark.privacy.group import RandomBytes
from bulwark.privacy.ring.combination import Combination
from bulwark.privacy.ring.proof import RingProof
from bulwark.privacy.ring.statement import RingStatement
from bulwark.privacy.ring.suite import E, S
from bulwark.privacy.ring.verifier import Claim, claim, draw_weights


def verify_batch(
    pairs: Sequence[tuple[RingStatement[E, S], RingProof[E, S]]], random_bytes: RandomBytes
) -> list[ProofRefused | None]:
    """One verdict a pair in order: None where the proof holds, else the error that says why not.

    The rings may differ. Raises `RandomnessRefused`.
    """
    verdicts: list[ProofRefused | None] = [None] * len(pairs)
    claims: list[tuple[int, Claim[E, S]]] = []
    for position, (statement, proof) in enumerate(pairs):
        try:
            claims.append((position, claim(statement, proof)))
        except ProofRefused as refused:
            verdicts[position] = refused
    waiting = [claims] if claims else []
    while waiting:
        some = waiting.pop()
        if _hold([one for _, one in some], random_bytes):
            continue
        if len(some) == 1:
            position, bad = some[0]
            verdicts[position] = bad.refusal()
        else:
            half = len(some) // 2
            waiting += (some[:half], some[half:])
    return verdicts


def _hold(claims: Sequence[Claim[E, S]], random_bytes: RandomBytes) -> bool:
    """Whether all equations of all claims hold."""
    combination = Combination(claims[0].statement.ring.suite)
    for one in claims:
        combination.add(one.statement, one.proof, one.challenge, draw_weights(random_bytes))
    return combination.holds()
