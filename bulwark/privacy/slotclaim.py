"""Slot claims: a member shows an auditor which spent slot is its own, and which entry asked.

A question of scope point U carries the nullifier T = x*U. The member keeps, for every slot that it
spends, T with a proof that log_G(Y) = log_U(T) (DLEQ of RFC 9497, context of its own) and the
numbers of the access-log entries that it asked for. Nobody else can make one for this T, so nobody
can cover another's question; and nobody can make one for a question that was not its own.

Rules owned here: the proof is bound to chain, slot, key and nullifier, not to the entries: those
are the member's word, which the auditor weighs (`bulwark.audit.completeness`). U is computed by the
checker. A claim convinces whoever sees it: it goes to the auditor and nowhere else.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError
from bulwark.privacy import sigma
from bulwark.privacy.errors import ClaimRefused, PrivacyError
from bulwark.privacy.group import ELEMENT_BYTES, Element, RandomBytes, decode_element, multiply
from bulwark.privacy.memberkeys import RingSecret
from bulwark.privacy.ring.generators import scope_point
from bulwark.privacy.ring.ristretto import RISTRETTO255
from bulwark.privacy.transcript import Transcript

VERSION: Final = 1
CLAIM_BYTES: Final = 1 + 8 + 1 + 4 + 2 * ELEMENT_BYTES + sigma.PROOF_BYTES + 16
_CONTEXT: Final = b"Bulwark-v1-slot-claim-"


class Slot(Struct, frozen=True):
    """One slot of a member's quota."""

    chain_id: int
    genesis_hash: bytes
    epoch: int
    scope: int
    number: int

    @property
    def point(self) -> Element:
        """U, whose multiple is the nullifier. Raises InputRefused."""
        return scope_point(RISTRETTO255, self.chain_id, self.epoch, self.scope, self.number)


class SlotClaim(Struct, frozen=True, kw_only=True):
    """One spent slot as its member accounts for it."""

    epoch: int
    scope: int
    slot: int
    nullifier: bytes
    ring_key: bytes
    proof: bytes
    first: int
    """Number of the first access entry that it was spent for, 0 for none."""
    last: int

    def encode(self) -> bytes:
        """CLAIM_BYTES, version first."""
        writer = Writer().uint(VERSION, 1).uint(self.epoch, 8).uint(self.scope, 1)
        writer.uint(self.slot, 4).fixed(self.nullifier, ELEMENT_BYTES)
        writer.fixed(self.ring_key, ELEMENT_BYTES).fixed(self.proof, sigma.PROOF_BYTES)
        return writer.uint(self.first, 8).uint(self.last, 8).done()

    @classmethod
    def decode(cls, data: bytes) -> SlotClaim:
        """Inverse of encode(); raises DecodeError. Checks no proof."""
        reader = Reader(data, "slot claim")
        if reader.uint(1, "version") != VERSION:
            raise DecodeError("slot claim.version", f"{VERSION} needed", 0)
        claim = cls(
            epoch=reader.uint(8, "epoch"),
            scope=reader.uint(1, "scope"),
            slot=reader.uint(4, "slot"),
            nullifier=reader.fixed(ELEMENT_BYTES, "nullifier"),
            ring_key=reader.fixed(ELEMENT_BYTES, "ring key"),
            proof=reader.fixed(sigma.PROOF_BYTES, "proof"),
            first=reader.uint(8, "first"),
            last=reader.uint(8, "last"),
        )
        reader.end()
        if not (claim.first == claim.last == 0 or 1 <= claim.first <= claim.last):
            raise DecodeError("slot claim.entries", f"{claim.first} to {claim.last} is no range")
        return claim


def make_claim(
    secret: RingSecret, slot: Slot, entries: tuple[int, int], random_bytes: RandomBytes
) -> SlotClaim:
    """The claim of the holder of `secret`, for entries first to last, (0, 0) for none.

    Raises InputRefused, RandomnessRefused.
    """
    point = slot.point
    nullifier = multiply(secret.secret, point)
    context = _context(slot, secret.public, nullifier)
    nonce = sigma.hedged_nonce(context, secret.secret, [point], random_bytes)
    proof = sigma.prove(context, secret.secret, secret.public, [point], [nullifier], nonce)
    return SlotClaim(
        epoch=slot.epoch,
        scope=slot.scope,
        slot=slot.number,
        nullifier=nullifier.encoding,
        ring_key=secret.public.encoding,
        proof=proof.encode(),
        first=entries[0],
        last=entries[1],
    )


def check_claim(claim: SlotClaim, chain_id: int, genesis_hash: bytes) -> None:
    """Refuse a claim whose nullifier is not its key's for this slot. Raises ClaimRefused.

    Whose key it is, the caller reads on the ledger.
    """
    slot = Slot(chain_id, genesis_hash, claim.epoch, claim.scope, claim.slot)
    try:
        key = decode_element(claim.ring_key, what="ring key of a claim")
        nullifier = decode_element(claim.nullifier, what="nullifier of a claim")
        proof = sigma.decode_proof(claim.proof)
        point = slot.point
        context = _context(slot, key, nullifier)
        if not sigma.verify(context, key, [point], [nullifier], proof):
            raise ClaimRefused("the nullifier is not this key's for this slot")
    except ClaimRefused:
        raise
    except PrivacyError as error:
        raise ClaimRefused(str(error)) from error


def _context(slot: Slot, key: Element, nullifier: Element) -> bytes:
    transcript = Transcript(_CONTEXT).add_int(slot.chain_id).add(slot.genesis_hash)
    transcript.add_int(slot.epoch).add_int(slot.scope).add_int(slot.number)
    transcript.add_elements((key, nullifier))
    return _CONTEXT + transcript.digest()
