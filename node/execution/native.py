"""Native precompiles: what the alliance's contracts ask that the EVM can not compute.

Rules: their addresses, inputs, answers and prices are consensus rules, fixed at genesis. A
question that is not well-formed is answered with 0 and never with an error, so that a contract
has one way to refuse; the price is taken before anything is computed. 0x..b101 verifies a proof of
membership (`node.execution.membership`), 0x..b102 checks a proof of possession
(`contracts.privacy.precompiles` has the layout of the question).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from bulwark.privacy.schnorr import verify_encoded_possession
from contracts.privacy.membership import MEMBERSHIP_PRECOMPILE
from contracts.privacy.precompiles import NO, POSSESSION_PRECOMPILE, YES, decode_question
from node.execution.membership import membership

POSSESSION_GAS: Final = 3_000
"""0.1 ms, priced like ecrecover, which takes as long here."""
QUESTION_WORD_GAS: Final = 12
"""For each 32 bytes of a question, as for SHA-256: purpose and context are hashed."""

_Precompile = Callable[[Any], Any]


def possession(computation: Any) -> Any:
    """1 if the proof in the call's data holds, 0 for everything else."""
    data = bytes(computation.msg.data)
    words = (len(data) + 31) // 32
    computation.consume_gas(POSSESSION_GAS + QUESTION_WORD_GAS * words, reason="possession")
    question = decode_question(data)
    holds = question is not None and verify_encoded_possession(
        question.purpose, question.context, question.public, question.proof
    )
    computation.output = YES if holds else NO
    return computation


NATIVE: Final[dict[bytes, _Precompile]] = {
    MEMBERSHIP_PRECOMPILE: membership,
    POSSESSION_PRECOMPILE: possession,
}
"""Address -> precompile."""
