"""The offline verifier: what it shows of a proof that holds, and that nothing else passes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.client import VerificationFailed, verify_record_proof
from bulwark.client.verify import (
    verify_consent_proof,
    verify_consistency_proof,
    verify_document,
)
from bulwark.ledger.anchor import AnchorKind
from bulwark.ledger.proofs import MAX_PROOF_BYTES
from tests.unit.client.proving import make

PROVED = make()
OTHER = make("another alliance")


def test_a_record_is_shown_with_reporter_and_time() -> None:
    found = verify_record_proof(PROVED.record, PROVED.genesis)
    assert found.record_id.hex() == PROVED.record_id
    assert (found.member, found.height) == ("member-1", 1)
    assert found.payload is not None and found.payload.confidence == 80


def test_a_parsed_document_is_as_good_as_its_bytes() -> None:
    parsed = json.loads(PROVED.record)
    assert verify_record_proof(parsed, PROVED.genesis).record_id.hex() == PROVED.record_id


def test_an_erased_record_is_proved_without_payload() -> None:
    assert verify_record_proof(PROVED.erased, PROVED.genesis).payload is None
    assert verify_document(PROVED.erased, PROVED.genesis).facts["erased"] is True


def test_a_consent_anchor_is_shown_and_a_batch_is_none() -> None:
    found = verify_consent_proof(PROVED.consent, PROVED.genesis)
    assert found.anchor.kind is AnchorKind.CONSENT_GIVEN
    batch = {
        "format": "bulwark-anchor-proof/1",
        "proof": json.loads(PROVED.record)["proof"]["anchored"],
    }
    with pytest.raises(VerificationFailed, match="batch"):
        verify_consent_proof(batch, PROVED.genesis)
    assert verify_document(batch, PROVED.genesis).facts["records"] == 3


def test_consistency_is_shown() -> None:
    proof = verify_consistency_proof(PROVED.consistency, PROVED.genesis)
    assert proof.second.header.record_log_size == 2
    assert verify_document(PROVED.consistency, PROVED.genesis).facts["to_size"] == 2


def test_words_are_those_of_the_vocabulary() -> None:
    verdict = verify_document(PROVED.record, PROVED.genesis)
    assert (verdict.kind, verdict.alliance) == ("record", "proving")
    assert verdict.facts["fraud_type"] == "imp_bank"
    assert verdict.facts["first_seen"] == "2024-10-04"
    assert verdict.facts["country"] == "GB"
    assert "salt" not in verdict.facts and "tag" not in verdict.facts
    consent = verify_document(PROVED.consent, PROVED.genesis)
    assert consent.facts["valid_until"] == "2027-07-01"


def test_a_proof_of_another_alliance_is_refused() -> None:
    with pytest.raises(VerificationFailed):
        verify_record_proof(PROVED.record, OTHER.genesis)


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [p for k, v in value.items() for p in paths(v, (*at, k))]
    if isinstance(value, list):
        return [p for i, v in enumerate(value) for p in paths(v, (*at, i))]
    return [at]


def changed(value: Any) -> Any:
    if isinstance(value, int):
        return value + 1
    middle = len(value) // 2
    return value[:middle] + ("0" if value[middle] != "0" else "1") + value[middle + 1 :]


@pytest.mark.parametrize("path", paths(json.loads(PROVED.record)), ids=str)
def test_any_changed_part_of_a_proof_is_refused(path: tuple[Any, ...]) -> None:
    document = json.loads(PROVED.record)
    holder = document
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = changed(holder[path[-1]])
    with pytest.raises(VerificationFailed) as caught:
        verify_record_proof(document, PROVED.genesis)
    assert caught.value.where and caught.value.reason


@pytest.mark.parametrize(
    "document",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 5_000, b'{"format": "x"}', {"format": None}],
    ids=str,
)
def test_what_is_no_proof_is_refused(document: Any) -> None:
    with pytest.raises(VerificationFailed):
        verify_document(document, PROVED.genesis)
    with pytest.raises(VerificationFailed):
        verify_record_proof(document, PROVED.genesis)


def test_a_document_that_is_too_long_is_not_read() -> None:
    with pytest.raises(VerificationFailed, match="at most"):
        verify_document(b" " * (MAX_PROOF_BYTES + 1), PROVED.genesis)


@pytest.mark.parametrize("genesis", [b"", b"{}", b"[]", PROVED.record])
def test_what_is_no_genesis_document_is_refused_by_name(genesis: bytes) -> None:
    with pytest.raises(VerificationFailed) as caught:
        verify_document(PROVED.record, genesis)
    assert caught.value.where == "genesis"


@given(st.integers(0, len(PROVED.record) - 1), st.integers(0, 255))
@settings(max_examples=150, deadline=None)
def test_one_wrong_byte_never_shows_another_record(at: int, byte: int) -> None:
    raw = bytearray(PROVED.record)
    raw[at] = byte
    try:
        found = verify_record_proof(bytes(raw), PROVED.genesis)
    except VerificationFailed:
        return
    assert found.record_id.hex() == PROVED.record_id
