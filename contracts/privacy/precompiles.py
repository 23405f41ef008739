"""Input and answer of the native precompile that checks proofs of possession.

Rules it owns: the byte layout of the question (purpose, context, key, proof) and of the context of
a member's key; the answer is one word, 1 for yes and 0 for no. It checks no proof.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from contracts.errors import OutOfRange, WrongLength
from contracts.words import WORD

POSSESSION_PRECOMPILE: Final = bytes(18) + b"\xb1\x02"
"""Address of the precompile that verifies a proof of possession."""
RING_KEY_PURPOSE: Final = b"ring-key"
REGULATOR_KEY_PURPOSE: Final = b"regulator-key"
PROOF_BYTES: Final = 64
YES: Final = bytes(31) + b"\x01"
NO: Final = bytes(32)


class PossessionQuestion(Struct, frozen=True):
    """What the precompile is asked: does `proof` show knowledge of the secret of `public`?"""

    purpose: bytes
    context: bytes
    public: bytes
    proof: bytes


def member_context(chain_id: int, member_id: bytes) -> bytes:
    """Context of a proof for a member's own key, 40 bytes. Raises OutOfRange and WrongLength."""
    if not 0 <= chain_id < 1 << 64:
        raise OutOfRange("chain id", chain_id, 0, (1 << 64) - 1)
    if len(member_id) != WORD:
        raise WrongLength("member id", len(member_id), WORD)
    return chain_id.to_bytes(8, "big") + member_id


def encode_question(question: PossessionQuestion) -> bytes:
    """Input of the precompile. Raises OutOfRange and WrongLength."""
    if not 1 <= len(question.purpose) <= 255:
        raise OutOfRange("bytes of purpose", len(question.purpose), 1, 255)
    if len(question.context) > 65_535:
        raise OutOfRange("bytes of context", len(question.context), 0, 65_535)
    if len(question.public) != WORD:
        raise WrongLength("public key", len(question.public), WORD)
    if len(question.proof) != PROOF_BYTES:
        raise WrongLength("proof", len(question.proof), PROOF_BYTES)
    return (
        bytes([len(question.purpose)])
        + question.purpose
        + len(question.context).to_bytes(2, "big")
        + question.context
        + question.public
        + question.proof
    )


def decode_question(data: bytes) -> PossessionQuestion | None:
    """The question in a precompile's input, None for bytes that are none."""
    if not data or data[0] == 0:
        return None
    purpose_end = 1 + data[0]
    context_start = purpose_end + 2
    if len(data) < context_start:
        return None
    context_end = context_start + int.from_bytes(data[purpose_end:context_start], "big")
    if len(data) != context_end + WORD + PROOF_BYTES:
        return None
    return PossessionQuestion(
        purpose=data[1:purpose_end],
        context=data[context_start:context_end],
        public=data[context_end : context_end + WORD],
        proof=data[context_end + WORD :],
    )
