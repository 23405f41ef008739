"""Reads the call that opened a case back from its transaction.

Rules: a case is opened by a transaction and never by a contract, so its calldata is the call; it is
taken in the one form that `encode_open_case` writes. From it every node knows the statement's place
in the evaluator's tree without asking anybody, so all parts of an opening are about the same case.
"""

from __future__ import annotations

from contracts.errors import ContractError
from contracts.privacy.openings import OPEN_CASE_SELECTOR, CaseRequest, encode_open_case
from contracts.privacy.query_log import MAX_SIBLINGS, StatementProof
from contracts.words import WORD

_HEAD_WORDS = 9
_FIXED = len(OPEN_CASE_SELECTOR) + (_HEAD_WORDS + 1) * WORD
MAX_CALL_BYTES = _FIXED + MAX_SIBLINGS * WORD


def decode_open_case(data: bytes) -> tuple[CaseRequest, StatementProof] | None:
    """What a transaction asked to open; None for any other calldata."""
    if not data.startswith(OPEN_CASE_SELECTOR) or not _FIXED <= len(data) <= MAX_CALL_BYTES:
        return None
    body = data[len(OPEN_CASE_SELECTOR) :]
    words = [body[at : at + WORD] for at in range(0, len(body), WORD)]
    case_id, statement_hash, nullifier, e1, e2, basis_hash, evaluator = words[:7]
    request = CaseRequest(case_id, statement_hash, nullifier, e1, e2, basis_hash, evaluator)
    proof = StatementProof(int.from_bytes(words[7], "big"), tuple(words[_HEAD_WORDS + 1 :]))
    try:
        return (request, proof) if encode_open_case(request, proof) == data else None
    except ContractError:
        return None
