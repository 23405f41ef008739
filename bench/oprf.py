"""Threshold OPRF: evaluations a second of an evaluator, tags a second of who asks, on one core.

Rules: CPU time of one thread, the best of some rounds; three of five holders, 256 values a round;
the client blinds, checks three answers with their proofs, combines and hashes. What the network,
the ring proof and the database cost besides is in the figures of the running alliance.
"""

from __future__ import annotations

import os
import time
from typing import Final

from bench.figures import Figure
from bulwark.privacy.group import multiply_base, random_scalar
from bulwark.privacy.sharing import split
from bulwark.privacy.tags import tag_input
from bulwark.privacy.threshold import (
    MAX_BATCH,
    Evaluation,
    EvaluatorShare,
    TaggingRound,
    ThresholdKey,
    evaluate,
)

THRESHOLD: Final = 3
HOLDERS: Final = 5
ROUNDS: Final = 5


def oprf_figures(rounds: int = ROUNDS) -> list[Figure]:
    """`oprf.client.rate` in tags a second, `oprf.evaluator.rate` in evaluations a second."""
    key, shares = _alliance()
    client, evaluator = [], []
    for number in range(rounds):
        inputs = [tag_input(1, "phone", f"+4420{number:04}{i:04}") for i in range(MAX_BATCH)]
        begin = time.thread_time_ns()
        asking = TaggingRound(key, inputs, os.urandom)
        blinded = asking.blinded_elements()
        blinding_ns = time.thread_time_ns() - begin
        answers: list[Evaluation] = []
        for share in shares[:THRESHOLD]:
            begin = time.thread_time_ns()
            answers.append(evaluate(share, blinded, os.urandom))
            evaluator.append(MAX_BATCH / (time.thread_time_ns() - begin) * 1e9)
        begin = time.thread_time_ns()
        for answer in answers:
            asking.accept(answer)
        asking.tags()
        client.append(MAX_BATCH / (time.thread_time_ns() - begin + blinding_ns) * 1e9)
    note = f"{THRESHOLD} of {HOLDERS}, {MAX_BATCH} a round, one core"
    return [
        Figure("oprf.client.rate", max(client), note),
        Figure("oprf.evaluator.rate", max(evaluator), note),
    ]


def _alliance() -> tuple[ThresholdKey, list[EvaluatorShare]]:
    dealing = split(random_scalar(os.urandom), THRESHOLD, HOLDERS, os.urandom)
    shares = [
        EvaluatorShare(share.index, share.value, multiply_base(share.value))
        for share in dealing.shares
    ]
    public = tuple(share.public_share for share in shares)
    return ThresholdKey(THRESHOLD, dealing.commitments.public_key, public), shares
