"""How a blinded request and its evaluation travel between nodes: bounded, canonical."""

from __future__ import annotations

from collections.abc import Sequence

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError
from bulwark.privacy.threshold import MAX_BATCH, Evaluation

ELEMENT_BYTES = 32
PROOF_BYTES = 64


def encode_request(blinded: Sequence[bytes]) -> bytes:
    """1 to 256 blinded elements of 32 bytes."""
    return Writer().sequence(blinded, lambda w, element: w.fixed(element, ELEMENT_BYTES)).done()


def decode_request(data: bytes) -> tuple[bytes, ...]:
    """Inverse of encode_request(); raises DecodeError."""
    reader = Reader(data, "evaluation request")
    blinded = reader.sequence("elements", MAX_BATCH, lambda r: r.fixed(ELEMENT_BYTES, "element"))
    reader.end()
    if not blinded:
        raise DecodeError("evaluation request", "no element")
    return blinded


def encode_evaluation(evaluation: Evaluation) -> bytes:
    """Evaluator index, elements, proof."""
    writer = Writer().uint(evaluation.index, 1)
    writer.sequence(evaluation.elements, lambda w, element: w.fixed(element, ELEMENT_BYTES))
    return writer.fixed(evaluation.proof, PROOF_BYTES).done()


def decode_evaluation(data: bytes) -> Evaluation:
    """Inverse of encode_evaluation(); raises DecodeError. The proof is checked by the round."""
    reader = Reader(data, "evaluation")
    index = reader.uint(1, "index")
    elements = reader.sequence("elements", MAX_BATCH, lambda r: r.fixed(ELEMENT_BYTES, "element"))
    proof = reader.fixed(PROOF_BYTES, "proof")
    reader.end()
    return Evaluation(index, elements, proof)
