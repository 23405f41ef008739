"""Input and answer of the membership precompile: one encoding, and a name for what is none."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contracts.errors import ContractError, OutOfRange, WrongLength
from contracts.privacy.membership import (
    ANSWER_BYTES,
    PROOF_LENGTHS,
    MembershipAnswer,
    MembershipQuestion,
    Refusal,
    decode_membership_answer,
    decode_membership_question,
    encode_membership_answer,
    encode_membership_question,
)

QUESTION = MembershipQuestion(b"l" * 32, (1 << 64) - 1, b"m" * 32, b"p" * PROOF_LENGTHS[2])
ANSWER = MembershipAnswer(b"t" * 32, 19_675, b"e" * 32)


def test_proofs_have_five_lengths() -> None:
    assert PROOF_LENGTHS == (641, 801, 961, 1121, 1281)


@pytest.mark.parametrize("length", PROOF_LENGTHS)
def test_a_question_comes_back_from_its_bytes(length: int) -> None:
    question = replace(QUESTION, proof=b"p" * length)
    data = encode_membership_question(question)
    assert len(data) == 96 + length
    assert decode_membership_question(data) == question


def test_a_question_that_has_no_encoding_is_refused() -> None:
    for wrong in (
        replace(QUESTION, label=b"l" * 31),
        replace(QUESTION, message=b""),
        replace(QUESTION, proof=b"p" * 642),
    ):
        with pytest.raises(WrongLength):
            encode_membership_question(wrong)
    for slot in (-1, 1 << 64):
        with pytest.raises(OutOfRange, match="slot"):
            encode_membership_question(replace(QUESTION, slot=slot))


@pytest.mark.parametrize("answer", [ANSWER, *Refusal], ids=str)
def test_an_answer_comes_back_and_only_a_proof_that_holds_has_a_one(
    answer: MembershipAnswer | Refusal,
) -> None:
    data = encode_membership_answer(answer)
    assert len(data) == ANSWER_BYTES
    assert (data[:32] == (1).to_bytes(32, "big")) == isinstance(answer, MembershipAnswer)
    assert decode_membership_answer(data) == answer


def test_an_answer_that_is_none_is_refused() -> None:
    good = encode_membership_answer(ANSWER)
    for bad in (b"", good[:-1], bytes(160), bytes(31) + b"\x02" + good[32:], bytes(63) + b"\x63"):
        with pytest.raises(ContractError):
            decode_membership_answer(bad.ljust(160, b"\0") if len(bad) == 64 else bad)
