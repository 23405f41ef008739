"""Native precompiles: one word for an answer, a price before the work, no error for bad input."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from bulwark.ledger.ids import Address
from bulwark.privacy.group import GENERATOR
from bulwark.privacy.memberkeys import new_ring_key, possession_context
from bulwark.privacy.schnorr import REGULATOR_KEY, RING_KEY, prove_possession
from contracts.privacy.precompiles import (
    NO,
    POSSESSION_PRECOMPILE,
    YES,
    PossessionQuestion,
    encode_question,
)
from node.execution.native import POSSESSION_GAS, QUESTION_WORD_GAS
from tests.unit.node.execution.alliance import Node
from tests.unit.node.execution.test_evm import own_gas, run

DRAW = random.Random(1).randbytes
KEY = new_ring_key(DRAW)
CONTEXT = possession_context(7, bytes(31) + b"\x01")
GOOD = PossessionQuestion(
    RING_KEY, CONTEXT, KEY.public.encoding, prove_possession(RING_KEY, CONTEXT, KEY.secret, DRAW)
)


def answer(data: bytes) -> bytes:
    output: bytes = run(Node(), Address(POSSESSION_PRECOMPILE), data).output
    return output


def test_a_proof_of_possession_that_holds_is_answered_with_one() -> None:
    assert answer(encode_question(GOOD)) == YES


@pytest.mark.parametrize(
    "bent",
    [
        replace(GOOD, purpose=REGULATOR_KEY),
        replace(GOOD, context=possession_context(8, bytes(31) + b"\x01")),
        replace(GOOD, public=GENERATOR.encoding),
        replace(GOOD, public=bytes(32)),
        replace(GOOD, public=GOOD.public[:31] + bytes([GOOD.public[31] | 0x80])),
        replace(GOOD, proof=bytes(64)),
    ],
)
def test_a_proof_for_something_else_is_answered_with_zero(bent: PossessionQuestion) -> None:
    assert answer(encode_question(bent)) == NO


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x08ring", bytes(200), b"\xff" * 300])
def test_what_is_no_question_is_answered_with_zero(data: bytes) -> None:
    assert answer(data) == NO


def test_the_price_is_fixed_and_grows_with_the_question() -> None:
    data = encode_question(GOOD)
    used = own_gas(run(Node(), Address(POSSESSION_PRECOMPILE), data))
    assert used == POSSESSION_GAS + QUESTION_WORD_GAS * ((len(data) + 31) // 32)


def test_without_the_gas_for_it_nothing_is_answered() -> None:
    done = run(Node(), Address(POSSESSION_PRECOMPILE), encode_question(GOOD), gas=22_000)
    assert done.is_error
    assert done.output == b""
