"""The guarded question: what a member sends to evaluators, and what an evaluator answers.

Rules owned here: one canonical encoding of everything; a ring proof covers the digest of the whole
request, so nobody on its way can change elements, reply key, slot or expiry; an answer names the
request it answers, the evaluator, the key and its share epoch, and is signed, so that a wrong one
is evidence; a refusal has a documented code. All requests of one scope have one length once sealed
(`sealed_size`), so a relay can not count elements. It proves, seals and sends nothing by itself.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum
from typing import Final

from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import Address, Digest
from bulwark.ledger.signing import SIGNATURE_BYTES, Signer, SigningDomain, verify
from bulwark.privacy.threshold import MAX_BATCH, Evaluation

ELEMENT_BYTES: Final = 32
NONCE_BYTES: Final = 16
DIGEST_BYTES: Final = 64
DLEQ_BYTES: Final = 64
MAX_PROOF_BYTES: Final = 4096
"""A ring of 256 keys takes 1,120 bytes; room for later suites."""
MAX_DETAIL_BYTES: Final = 200
VERSION: Final = 1
_REQUEST_LABEL: Final = b"Bulwark-v1-evaluation-request"
_ANSWER_TAG: Final = b"oprf/answer"


class Scope(IntEnum):
    """What a slot of the quota is good for."""

    SMALL = 1
    """One question or a few."""
    BULK = 2
    """Lists: nightly tagging, imports, batch screening."""

    @property
    def most(self) -> int:
        """Blinded elements in one request."""
        return 8 if self is Scope.SMALL else MAX_BATCH


class RefusalCode(IntEnum):
    """Why an evaluator does not answer; the numbers are on the wire for ever."""

    MALFORMED = 1
    """The request is not a canonical encoding, or an element of it is not."""
    EXPIRED = 2
    """Its expiry is past, or further ahead than allowed."""
    WRONG_KEY = 3
    """It names another key or share epoch than the evaluator's."""
    WRONG_EPOCH = 4
    """Its quota epoch is not the one that runs."""
    FOREIGN_RING = 5
    """Its ring is not the ring of the members now."""
    NO_SUCH_SLOT = 6
    """Its slot is past the quota."""
    SPENT = 7
    """Its nullifier was used for another request."""
    BAD_PROOF = 8
    """The ring proof does not hold."""
    BUSY = 9
    """Too much work waits; ask again or ask another one."""
    NOT_READY = 10
    """The evaluator holds no share of the key now."""


class EvaluationRequest(Struct, frozen=True, kw_only=True):
    """What the ring proof covers. Raises DecodeError for a field outside its bounds."""

    key_id: int
    """Key of the tags, 16 bits."""
    share_epoch: int
    """Sharing of that key, 32 bits."""
    scope: Scope
    epoch: int
    """Quota epoch."""
    slot: int
    """Below the quota of the scope, 32 bits."""
    ring_height: int
    """First block whose state has the ring."""
    opener_epoch: int
    """Which opener key the proof is encrypted to, 32 bits."""
    nonce: bytes
    """16 random bytes."""
    expires_ms: int
    """Wall clock; after it no evaluator answers."""
    reply_key: bytes
    """X25519 key made for this request alone, 32 bytes; the answer is sealed to it."""
    blinded: tuple[bytes, ...]
    """Encodings of blinded elements, 32 bytes each; 1 to `scope.most`."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.blinded) <= self.scope.most:
            raise DecodeError(
                "evaluation request.blinded",
                f"{len(self.blinded)} elements given, 1 to {self.scope.most} allowed",
            )

    def encode(self) -> bytes:
        """Canonical bytes."""
        writer = Writer().uint(VERSION, 1).uint(self.key_id, 2).uint(self.share_epoch, 4)
        writer.uint(self.scope, 1).uint(self.epoch, 8).uint(self.slot, 4)
        writer.uint(self.ring_height, 8).uint(self.opener_epoch, 4)
        writer.fixed(self.nonce, NONCE_BYTES).uint(self.expires_ms, 8).fixed(self.reply_key, 32)
        return writer.sequence(self.blinded, lambda w, e: w.fixed(e, ELEMENT_BYTES)).done()

    @classmethod
    def read(cls, reader: Reader) -> EvaluationRequest:
        """Inverse of encode(); raises DecodeError."""
        if reader.uint(1, "version") != VERSION:
            raise DecodeError("evaluation request.version", f"{VERSION} needed", 0)
        key_id, share_epoch = reader.uint(2, "key_id"), reader.uint(4, "share_epoch")
        number = reader.uint(1, "scope")
        if number not in Scope.__members__.values():
            raise DecodeError("evaluation request.scope", f"{number} given, 1 or 2 allowed")
        return cls(
            key_id=key_id,
            share_epoch=share_epoch,
            scope=Scope(number),
            epoch=reader.uint(8, "epoch"),
            slot=reader.uint(4, "slot"),
            ring_height=reader.uint(8, "ring_height"),
            opener_epoch=reader.uint(4, "opener_epoch"),
            nonce=reader.fixed(NONCE_BYTES, "nonce"),
            expires_ms=reader.uint(8, "expires_ms"),
            reply_key=reader.fixed(32, "reply_key"),
            blinded=reader.sequence(
                "blinded", MAX_BATCH, lambda r: r.fixed(ELEMENT_BYTES, "element")
            ),
        )

    def digest(self) -> bytes:
        """SHA-512 over label and encoding, 64 bytes: the message that the ring proof binds."""
        return hashlib.sha512(_REQUEST_LABEL + b"\x00" + self.encode()).digest()


class GuardedRequest(Struct, frozen=True):
    """A request with the proof that one of the members made it."""

    request: EvaluationRequest
    proof: bytes

    def encode(self) -> bytes:
        """Canonical bytes."""
        return Writer().blob(self.request.encode()).blob(self.proof).done()

    @classmethod
    def decode(cls, data: bytes) -> GuardedRequest:
        """Inverse of encode(); raises DecodeError. Looks into no proof."""
        reader = Reader(data, "guarded request")
        inner = Reader(reader.blob("request", MAX_REQUEST_BYTES), "evaluation request")
        request = EvaluationRequest.read(inner)
        inner.end()
        proof = reader.blob("proof", MAX_PROOF_BYTES)
        reader.end()
        return cls(request, proof)


_HEAD_BYTES: Final = 1 + 2 + 4 + 1 + 8 + 4 + 8 + 4 + NONCE_BYTES + 8 + 32 + 4
MAX_REQUEST_BYTES: Final = _HEAD_BYTES + MAX_BATCH * ELEMENT_BYTES


def padded_size(scope: Scope, proof_bytes: int) -> int:
    """Length to which every guarded request of a scope is padded before it is sealed."""
    return 4 + _HEAD_BYTES + scope.most * ELEMENT_BYTES + 4 + proof_bytes


class EvaluationAnswer(Struct, frozen=True, kw_only=True):
    """An evaluator's answer; the signature makes a wrong one evidence."""

    request: bytes
    """Digest of the request, 64 bytes."""
    key_id: int
    share_epoch: int
    evaluation: Evaluation
    signature: bytes
    """Of the evaluator's account key, 65 bytes."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        return self._body() + self.signature

    def _body(self) -> bytes:
        writer = Writer().uint(VERSION, 1).fixed(self.request, DIGEST_BYTES)
        writer.uint(self.key_id, 2).uint(self.share_epoch, 4).uint(self.evaluation.index, 1)
        writer.sequence(self.evaluation.elements, lambda w, e: w.fixed(e, ELEMENT_BYTES))
        return writer.fixed(self.evaluation.proof, DLEQ_BYTES).done()

    @classmethod
    def read(cls, reader: Reader) -> EvaluationAnswer:
        """Inverse of encode(); raises DecodeError. Checks neither proof nor signature."""
        if reader.uint(1, "version") != VERSION:
            raise DecodeError("evaluation answer.version", f"{VERSION} needed", 0)
        digest = reader.fixed(DIGEST_BYTES, "request")
        key_id, share_epoch = reader.uint(2, "key_id"), reader.uint(4, "share_epoch")
        index = reader.uint(1, "index")
        elements = reader.sequence(
            "elements", MAX_BATCH, lambda r: r.fixed(ELEMENT_BYTES, "element")
        )
        evaluation = Evaluation(index, elements, reader.fixed(DLEQ_BYTES, "proof"))
        return cls(
            request=digest,
            key_id=key_id,
            share_epoch=share_epoch,
            evaluation=evaluation,
            signature=reader.fixed(SIGNATURE_BYTES, "signature"),
        )

    @classmethod
    def decode(cls, data: bytes) -> EvaluationAnswer:
        """`read` of exactly these bytes."""
        reader = Reader(data, "evaluation answer")
        answer = cls.read(reader)
        reader.end()
        return answer

    def check_signature(self, domain: SigningDomain, signer: Address) -> None:
        """Raises SignatureInvalid unless the account `signer` made this answer."""
        verify(signer, domain.digest(_ANSWER_TAG, self._body()), self.signature, "answer")


def answer(
    request: EvaluationRequest, evaluation: Evaluation, domain: SigningDomain, key: Signer
) -> EvaluationAnswer:
    """A signed answer to a request."""
    unsigned = EvaluationAnswer(
        request=request.digest(),
        key_id=request.key_id,
        share_epoch=request.share_epoch,
        evaluation=evaluation,
        signature=bytes(SIGNATURE_BYTES),
    )
    digest: Digest = domain.digest(_ANSWER_TAG, unsigned._body())
    return EvaluationAnswer(
        request=unsigned.request,
        key_id=unsigned.key_id,
        share_epoch=unsigned.share_epoch,
        evaluation=evaluation,
        signature=key.sign(digest),
    )


class Refused(Struct, frozen=True):
    """An evaluator's refusal; the detail holds no element and no secret."""

    code: RefusalCode
    detail: str


def encode_reply(reply: EvaluationAnswer | Refused) -> bytes:
    """One byte of kind, then the answer or code and detail."""
    if isinstance(reply, EvaluationAnswer):
        return b"\x01" + reply.encode()
    detail = reply.detail.encode("ascii", "replace")[:MAX_DETAIL_BYTES]
    return Writer().uint(2, 1).uint(reply.code, 1).blob(detail).done()


def decode_reply(data: bytes) -> EvaluationAnswer | Refused:
    """Inverse of encode_reply(); raises DecodeError."""
    reader = Reader(data, "evaluation reply")
    kind = reader.uint(1, "kind", 2)
    if kind == 1:
        found = EvaluationAnswer.read(reader)
        reader.end()
        return found
    if kind != 2:
        raise DecodeError("evaluation reply.kind", "1 or 2 needed", 0)
    number = reader.uint(1, "code")
    detail = reader.text("detail", MAX_DETAIL_BYTES)
    reader.end()
    if number not in RefusalCode.__members__.values():
        raise DecodeError("evaluation reply.code", f"{number} is no code")
    return Refused(RefusalCode(number), detail)


def padded_reply_size(scope: Scope) -> int:
    """Length to which every reply of a scope is padded before it is sealed."""
    answer_bytes = 1 + 1 + DIGEST_BYTES + 2 + 4 + 1 + 4 + scope.most * ELEMENT_BYTES + DLEQ_BYTES
    return max(answer_bytes + SIGNATURE_BYTES, 2 + 4 + MAX_DETAIL_BYTES)
