"""Exculpation: a member shows that it is not the author of a query, without any opener.

A query of scope point U carries the nullifier T = x*U of its author. Another member publishes its
own T' = x'*U with a proof that log_G(Y') = log_U(T') (DLEQ of RFC 9497, context of its own); since
x' is the only secret of Y', T' differs from T exactly if it is not the author.

Rules owned here: the proof is bound to chain and statement; T' = T is refused, for the prover as
for the checker; U, T and T' are never the identity. The caller computes U from the statement's
scope (never takes it from the member: only a hashed U has no known logarithm) and takes T from the
statement and Y' from the ring it was proved over.

What it costs, to be told to members before they use it:

* T' is the member's own nullifier for that epoch, scope and slot. If the member used that slot
  itself, everybody sees from now on which query of it was its own.
* **Elimination.** That members can clear themselves means that they can be asked, or forced, to:
  when all others of a ring have done so, the last one is known without any case, vote or
  regulator, and a refusal looks like a confession. No mathematics prevents this as long as T is
  bound to one key. The alliance's rules must say who may ask, and that silence proves nothing.
* It clears a key and not a person, and says nothing about queries of another slot.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from bulwark.privacy import sigma
from bulwark.privacy.errors import EncodingRefused, ExculpationRefused, InputRefused
from bulwark.privacy.group import (
    ELEMENT_BYTES,
    Element,
    RandomBytes,
    decode_element,
    multiply,
)
from bulwark.privacy.memberkeys import RingSecret
from bulwark.privacy.transcript import Transcript

EXCULPATION_BYTES: Final = ELEMENT_BYTES + sigma.PROOF_BYTES
_CONTEXT: Final = b"Bulwark-v1-exculpation-"
_HASH_BYTES: Final = 32


class DisputedQuery(Struct, frozen=True):
    """The query a member wants to clear itself of: statement hash, U and T, on one chain.

    Raises `InputRefused`.
    """

    chain_id: int
    genesis_hash: bytes
    statement_hash: bytes
    scope_point: Element
    nullifier: Element

    def __post_init__(self) -> None:
        for what, value in (
            ("genesis hash", self.genesis_hash),
            ("statement hash", self.statement_hash),
        ):
            if len(value) != _HASH_BYTES:
                raise InputRefused(what, f"{len(value)} bytes", f"{_HASH_BYTES} bytes")
        if self.scope_point.is_identity or self.nullifier.is_identity:
            raise InputRefused("scope point or nullifier", "the identity", "any other element")


class Exculpation(Struct, frozen=True):
    """The member's own nullifier T' for the same scope point, and the proof that it is its own."""

    own_nullifier: Element
    proof: sigma.DleqProof

    def encode(self) -> bytes:
        """96 bytes: T' | proof."""
        return self.own_nullifier.encoding + self.proof.encode()


def decode_exculpation(encoding: bytes) -> Exculpation:
    """An exculpation from 96 bytes from outside. Raises `EncodingRefused`."""
    if not isinstance(encoding, bytes) or len(encoding) != EXCULPATION_BYTES:
        raise EncodingRefused("exculpation", f"must be {EXCULPATION_BYTES} bytes")
    return Exculpation(
        decode_element(encoding[:ELEMENT_BYTES], what="own nullifier"),
        sigma.decode_proof(encoding[ELEMENT_BYTES:]),
    )


def exculpate(secret: RingSecret, query: DisputedQuery, random_bytes: RandomBytes) -> Exculpation:
    """The proof that the holder of `secret` did not make `query`.

    Raises `ExculpationRefused` if it did (then nothing is published), `RandomnessRefused`.
    """
    own = multiply(secret.secret, query.scope_point)
    if own == query.nullifier:
        raise ExculpationRefused("the query was made with this key")
    context, inputs = _context(query), [query.scope_point]
    nonce = sigma.hedged_nonce(context, secret.secret, inputs, random_bytes)
    proof = sigma.prove(context, secret.secret, secret.public, inputs, [own], nonce)
    return Exculpation(own, proof)


def check_exculpation(member_key: Element, query: DisputedQuery, exculpation: Exculpation) -> None:
    """Refuse an exculpation that does not clear the holder of `member_key` of `query`.

    Raises `ExculpationRefused`.
    """
    own = exculpation.own_nullifier
    if member_key.is_identity or own.is_identity:
        raise ExculpationRefused("key or nullifier of the member is the identity element")
    if own == query.nullifier:
        raise ExculpationRefused("the nullifier of the member is the query's")
    if not sigma.verify(_context(query), member_key, [query.scope_point], [own], exculpation.proof):
        raise ExculpationRefused("the proof does not hold for this key and this query")


def _context(query: DisputedQuery) -> bytes:
    transcript = Transcript(_CONTEXT).add_int(query.chain_id).add(query.genesis_hash)
    transcript.add(query.statement_hash).add_elements((query.scope_point, query.nullifier))
    return _CONTEXT + transcript.digest()
