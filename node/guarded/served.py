"""ServedStatement: what an evaluator keeps of one question it answered, and how it travels.

Rules: everything that the ring proof is about is in it, and the proof itself, so that an auditor
verifies it again with no help (`proven`); the answer is not in it and neither are the elements of
the question. On disk the ring stands apart, since all statements of a ring share it; what travels
carries the ring in full. Nothing tells when within its interval a statement was served.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import Digest
from bulwark.privacy.errors import PrivacyError
from bulwark.privacy.group import ELEMENT_BYTES, decode_element
from bulwark.privacy.openingcase import statement_leaf
from bulwark.privacy.provenquery import ProvenQuery
from bulwark.privacy.query import MAX_PROOF_BYTES
from bulwark.privacy.ring.ristretto import MemberRing, Proof, Statement, decode_proof, member_ring
from bulwark.privacy.ring.statement import MAX_RING, MESSAGE_BYTES, RingStatement

VERSION: Final = 1
ROOT_BYTES: Final = 64
MAX_SERVED_BYTES: Final = 256 + MAX_RING * ELEMENT_BYTES + MAX_PROOF_BYTES


class ServedStatement(Struct, frozen=True):
    """A statement with its ring proof, as it was served."""

    statement: Statement
    proof: Proof

    @property
    def statement_hash(self) -> bytes:
        """32 bytes that name the statement."""
        return self.statement.statement_hash()

    @property
    def leaf(self) -> Digest:
        """Its leaf in the tree of its interval."""
        proof = self.proof
        return statement_leaf(self.statement_hash, proof.nullifier, proof.e1, proof.e2)

    def proven(self) -> ProvenQuery:
        """The same once the ring proof is verified again. Raises ProofRefused."""
        return ProvenQuery(self.statement, self.proof)

    def encode(self) -> bytes:
        """Canonical bytes as they travel, with the ring."""
        ring = self.statement.ring
        writer = Writer().uint(VERSION, 1).blob(encode_ring(ring))
        return writer.blob(self.encode_without_ring()).done()

    def encode_without_ring(self) -> bytes:
        """Canonical bytes as they are stored: the ring by its root."""
        it = self.statement
        writer = Writer().fixed(it.ring.root, ROOT_BYTES)
        writer.uint(it.chain_id, 8).fixed(it.genesis_hash, 32).uint(it.ring_height, 8)
        writer.fixed(it.opener.encoding, ELEMENT_BYTES).uint(it.opener_epoch, 8)
        writer.uint(it.epoch, 8).uint(it.scope, 1).uint(it.slot, 4)
        return writer.fixed(it.message, MESSAGE_BYTES).blob(self.proof.encode()).done()


def encode_ring(ring: MemberRing) -> bytes:
    """The keys one after another, 32 bytes each."""
    return b"".join(key.encoding for key in ring.keys)


def decode_ring(encoding: bytes) -> MemberRing:
    """Inverse of encode_ring(); raises DecodeError."""
    if len(encoding) % ELEMENT_BYTES or len(encoding) > MAX_RING * ELEMENT_BYTES:
        raise DecodeError("ring", f"{len(encoding)} bytes are no list of at most {MAX_RING} keys")
    places = range(0, len(encoding), ELEMENT_BYTES)
    try:
        return member_ring(
            [decode_element(encoding[at : at + ELEMENT_BYTES], what="ring key") for at in places]
        )
    except PrivacyError as error:
        raise DecodeError("ring", str(error)) from error


def ring_root_of(stored: bytes) -> bytes:
    """Root of the ring that a stored statement needs to be decoded; raises DecodeError."""
    return Reader(stored, "served statement").fixed(ROOT_BYTES, "ring root")


def decode_with_ring(stored: bytes, ring: MemberRing) -> ServedStatement:
    """Inverse of encode_without_ring(); raises DecodeError. Verifies no proof."""
    reader = Reader(stored, "served statement")
    if reader.fixed(ROOT_BYTES, "ring root") != ring.root:
        raise DecodeError("served statement.ring", "another ring than the statement's")
    try:
        statement: Statement = RingStatement(
            chain_id=reader.uint(8, "chain id"),
            genesis_hash=reader.fixed(32, "genesis hash"),
            ring_height=reader.uint(8, "ring height"),
            ring=ring,
            opener=decode_element(reader.fixed(ELEMENT_BYTES, "opener"), what="opener"),
            opener_epoch=reader.uint(8, "opener epoch"),
            epoch=reader.uint(8, "epoch"),
            scope=reader.uint(1, "scope"),
            slot=reader.uint(4, "slot"),
            message=reader.fixed(MESSAGE_BYTES, "message"),
        )
        proof = decode_proof(reader.blob("proof", MAX_PROOF_BYTES), len(ring))
    except PrivacyError as error:
        raise DecodeError("served statement", str(error)) from error
    reader.end()
    return ServedStatement(statement, proof)


def decode_served(encoding: bytes) -> ServedStatement:
    """Inverse of ServedStatement.encode(); raises DecodeError. Verifies no proof."""
    reader = Reader(encoding, "served statement")
    if reader.uint(1, "version") != VERSION:
        raise DecodeError("served statement.version", f"{VERSION} needed", 0)
    ring = decode_ring(reader.blob("ring", MAX_RING * ELEMENT_BYTES))
    stored = reader.blob("statement", MAX_SERVED_BYTES)
    reader.end()
    return decode_with_ring(stored, ring)
