"""One line a step of a case, for the tests of openings."""

from __future__ import annotations

from msgspec.structs import replace

from bulwark.ledger.merkle import root_of
from contracts.privacy.bindings import (
    OPENINGS,
    QUERY_LOG,
    CaseRecord,
    CaseRequest,
    CaseState,
    decode_opening_event,
    encode_close_case,
    encode_open_case,
    encode_post_partial,
    encode_state,
    encode_statements_anchor,
    encode_vote,
    read_case,
    statement_leaf,
    statement_proof,
)
from contracts.privacy.openings import (
    CASE_OF_SELECTOR,
)
from tests.contracts.harness import Outcome, Signer, member, signer
from tests.unit.contracts.privacy_harness import (
    DAY,
    REGULATOR,
    PrivacyChain,
    privacy_alliance,
    validators,
)

LEAVES = [statement_leaf(*(bytes([16 * i + part + 1]) * 32 for part in range(4))) for i in range(5)]
CASE = b"\xca" * 32
ASKED = 2
REQUEST = CaseRequest(
    CASE,
    *(bytes([16 * ASKED + part + 1]) * 32 for part in range(4)),
    basis_hash=b"\xba" * 32,
    evaluator=member("m1").id,
)
PROOF = statement_proof(LEAVES, ASKED)
RESULT = b"\x99" * 32
SHARING = b"\x5e" * 32
LATER = b"\x5f" * 32
BY = signer("regulator")
FOURTEEN_DAYS = 14 * DAY
OPEN, APPROVED, REFUSED, CLOSED, EXPIRED = CaseState


def alliance(count: int = 4) -> PrivacyChain:
    """A chain on which m1 anchored the leaves."""
    chain = privacy_alliance([*validators(count), REGULATOR], [])
    root = root_of(LEAVES)
    data = encode_statements_anchor(chain.epoch, 1, len(LEAVES), root)
    assert chain.send(signer("m1" if count > 1 else "m0"), QUERY_LOG, data).ok
    chain.council(SHARING)
    return chain


def ask(chain: PrivacyChain, request: CaseRequest = REQUEST, by: Signer = BY) -> Outcome:
    return chain.send(by, OPENINGS, encode_open_case(request, PROOF))


def opened(count: int = 4) -> PrivacyChain:
    chain = alliance(count)
    request = REQUEST if count > 1 else replace(REQUEST, evaluator=member("m0").id)
    assert ask(chain, request).reason is None
    return chain


def vote(chain: PrivacyChain, index: int, approve: bool = True) -> Outcome:
    return chain.send(signer(f"m{index}"), OPENINGS, encode_vote(CASE, approve))


def partial(
    chain: PrivacyChain, name: str = "m0", sealed: bytes = b"sealed", session: bytes = SHARING
) -> Outcome:
    data = encode_post_partial(CASE, sealed, RESULT, session)
    return chain.send(signer(name), OPENINGS, data)


def close(chain: PrivacyChain, by: Signer = BY) -> Outcome:
    return chain.send(by, OPENINGS, encode_close_case(CASE, RESULT))


def case(chain: PrivacyChain) -> CaseRecord:
    """By the reads of storage, which must agree with the views."""
    found = read_case(chain.state.get_storage, CASE, chain.now_s)
    assert found is not None
    assert int.from_bytes(chain.view(OPENINGS, encode_state(CASE)), "big") == found.state
    output = chain.view(OPENINGS, CASE_OF_SELECTOR + CASE)
    words = [output[at : at + 32] for at in range(32, len(output), 32)]
    asked = found.request
    assert words == [
        found.regulator,
        asked.evaluator,
        asked.statement_hash,
        asked.nullifier,
        asked.e1,
        asked.e2,
        asked.basis_hash,
        found.result_hash or bytes(32),
        found.session or bytes(32),
    ]
    return found


def events(outcome: Outcome) -> list[object]:
    return [decode_opening_event(*entry) for entry in outcome.logs]


def approved() -> PrivacyChain:
    chain = opened()
    for index in range(3):
        assert vote(chain, index).ok
    return chain
