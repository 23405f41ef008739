"""Input and answer of the native precompile that verifies proofs of membership (ARP-1).

Rules it owns: the byte layout of both, and why a demand is refused. The question is what a contract
wants shown; who is a member, to whom a proof can be opened and which quota epoch runs is read from
the state and is in no question. It verifies no proof. docs/precompiles.md has it byte by byte.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from msgspec import Struct

from bulwark.privacy.ring.contractstatement import MAX_CONTRACT_SLOT
from bulwark.privacy.ring.ristretto import proof_bytes
from contracts.errors import OutOfRange, WrongLength
from contracts.words import WORD

MEMBERSHIP_PRECOMPILE: Final = bytes(18) + b"\xb1\x01"
"""Address of the precompile that verifies a proof of membership."""
HEAD_BYTES: Final = 3 * WORD
ANSWER_BYTES: Final = 5 * WORD
PROOF_LENGTHS: Final = tuple(proof_bytes(4**digits) for digits in range(1, 6))
"""A proof for rings of up to 4, 16, 64, 256 and 1,024 keys."""


class Refusal(IntEnum):
    """Why a proof was not accepted; the numbers are in answers to contracts for ever."""

    CALL_KIND = 1
    """DELEGATECALL or CALLCODE: then it is not clear which contract demands the proof."""
    LENGTH = 2
    """The input is not 96 bytes and a proof of one of the five lengths."""
    SLOT = 3
    """The slot is 2^64 or more."""
    NOT_READY = 4
    """The state has no ring, or no opener yet."""
    RING_SIZE = 5
    """The proof has a length, but that of rings of another size."""
    ENCODING = 6
    """The proof is no canonical encoding."""
    NOT_PROVEN = 7
    """The proof does not hold: it is for another ring, opener, epoch, contract, label, slot,
    message or alliance, or was changed."""


class MembershipQuestion(Struct, frozen=True):
    """What a contract asks: was `message` said by a member for this label and slot?"""

    label: bytes
    """32 bytes."""
    slot: int
    message: bytes
    """32 bytes."""
    proof: bytes


class MembershipAnswer(Struct, frozen=True):
    """What the precompile says of a proof that holds."""

    nullifier: bytes
    """32 bytes: one for each member, contract, label, slot and quota epoch."""
    epoch: int
    """Quota epoch that the proof was verified in."""
    ciphertext_hash: bytes
    """SHA-256 of E1 and E2, whom an opening would name."""


def encode_membership_question(question: MembershipQuestion) -> bytes:
    """Input of the precompile. Raises OutOfRange and WrongLength."""
    for name, value in (("label", question.label), ("message", question.message)):
        if len(value) != WORD:
            raise WrongLength(name, len(value), WORD)
    if not 0 <= question.slot <= MAX_CONTRACT_SLOT:
        raise OutOfRange("slot", question.slot, 0, MAX_CONTRACT_SLOT)
    if len(question.proof) not in PROOF_LENGTHS:
        raise WrongLength("proof", len(question.proof), PROOF_LENGTHS[0])
    return question.label + question.slot.to_bytes(WORD, "big") + question.message + question.proof


def decode_membership_question(data: bytes) -> MembershipQuestion | Refusal:
    """The question in a precompile's input, or why it is none. Looks into no proof."""
    if len(data) - HEAD_BYTES not in PROOF_LENGTHS:
        return Refusal.LENGTH
    slot = int.from_bytes(data[WORD : 2 * WORD], "big")
    if slot > MAX_CONTRACT_SLOT:
        return Refusal.SLOT
    message = data[2 * WORD : HEAD_BYTES]
    return MembershipQuestion(data[:WORD], slot, message, data[HEAD_BYTES:])


def encode_membership_answer(answer: MembershipAnswer | Refusal) -> bytes:
    """160 bytes: holds, refusal, nullifier, epoch, hash of the ciphertext; one word each."""
    if isinstance(answer, Refusal):
        return bytes(WORD) + answer.to_bytes(WORD, "big") + bytes(3 * WORD)
    return (
        (1).to_bytes(WORD, "big")
        + bytes(WORD)
        + answer.nullifier
        + answer.epoch.to_bytes(WORD, "big")
        + answer.ciphertext_hash
    )


def decode_membership_answer(data: bytes) -> MembershipAnswer | Refusal:
    """Inverse of encode_membership_answer(). Raises WrongLength, OutOfRange."""
    if len(data) != ANSWER_BYTES:
        raise WrongLength("answer of the membership precompile", len(data), ANSWER_BYTES)
    words = [data[at : at + WORD] for at in range(0, ANSWER_BYTES, WORD)]
    holds, refusal = int.from_bytes(words[0], "big"), int.from_bytes(words[1], "big")
    if holds == 1 and refusal == 0:
        return MembershipAnswer(words[2], int.from_bytes(words[3], "big"), words[4])
    if holds or refusal not in Refusal.__members__.values():
        raise OutOfRange("refusal of the membership precompile", refusal, 1, max(Refusal))
    return Refusal(refusal)
