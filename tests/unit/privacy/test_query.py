"""The guarded question on the wire: one encoding, everything covered, sizes that tell nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.ledger.errors import DecodeError, SignatureInvalid
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Epoch
from bulwark.ledger.signing import SigningDomain, SigningKey
from bulwark.privacy.query import (
    EvaluationAnswer,
    EvaluationRequest,
    GuardedRequest,
    RefusalCode,
    Refused,
    Scope,
    answer,
    decode_reply,
    encode_reply,
    padded_reply_size,
    padded_size,
)
from bulwark.privacy.threshold import Evaluation

DOMAIN = SigningDomain(7, sha256(b"genesis"), Epoch(0))
KEY = SigningKey(sha256(b"account"))

word = st.binary(min_size=32, max_size=32)
requests = st.builds(
    EvaluationRequest,
    key_id=st.integers(0, 0xFFFF),
    share_epoch=st.integers(0, 0xFFFFFFFF),
    scope=st.just(Scope.BULK),
    epoch=st.integers(0, 2**64 - 1),
    slot=st.integers(0, 2**32 - 1),
    ring_height=st.integers(0, 2**64 - 1),
    opener_epoch=st.integers(0, 2**32 - 1),
    nonce=st.binary(min_size=16, max_size=16),
    expires_ms=st.integers(0, 2**64 - 1),
    reply_key=word,
    blinded=st.lists(word, min_size=1, max_size=12).map(tuple),
)
REQUEST = EvaluationRequest(
    key_id=1,
    share_epoch=2,
    scope=Scope.SMALL,
    epoch=20_000,
    slot=77,
    ring_height=5,
    opener_epoch=1,
    nonce=bytes(16),
    expires_ms=1_700_000_000_000,
    reply_key=b"\x09" + bytes(31),
    blinded=(b"\x01" * 32, b"\x02" * 32),
)
EVALUATION = Evaluation(3, (b"\x03" * 32, b"\x04" * 32), b"\x05" * 64)


@given(requests, st.binary(max_size=2000))
def test_a_guarded_request_reads_back_as_itself(request: EvaluationRequest, proof: bytes) -> None:
    guarded = GuardedRequest(request, proof)
    assert GuardedRequest.decode(guarded.encode()) == guarded


@pytest.mark.parametrize(
    "change",
    [
        {"key_id": 2}, {"share_epoch": 3}, {"scope": Scope.BULK}, {"epoch": 1}, {"slot": 78},
        {"ring_height": 6}, {"opener_epoch": 2}, {"nonce": b"\x01" * 16}, {"expires_ms": 1},
        {"reply_key": bytes(32)}, {"blinded": (b"\x01" * 32,)},
        {"blinded": (b"\x02" * 32, b"\x01" * 32)},
    ],
)  # fmt: skip
def test_the_digest_that_the_proof_binds_covers_every_field(change: dict[str, object]) -> None:
    assert replace(REQUEST, **change).digest() != REQUEST.digest()  # type: ignore[arg-type]


@given(st.binary(max_size=300))
def test_other_bytes_are_refused_with_a_decode_error(data: bytes) -> None:
    for decode in (GuardedRequest.decode, EvaluationAnswer.decode):
        with pytest.raises(DecodeError):
            decode(data)


@pytest.mark.parametrize("scope", list(Scope))
def test_a_scope_bounds_the_elements(scope: Scope) -> None:
    most = (b"\x01" * 32,) * scope.most
    assert replace(REQUEST, scope=scope, blinded=most).blinded == most
    for blinded in ((), (*most, b"\x01" * 32)):
        with pytest.raises(DecodeError):
            replace(REQUEST, scope=scope, blinded=blinded)


@pytest.mark.parametrize("scope", list(Scope))
def test_the_padded_sizes_are_those_of_the_fullest_request_and_reply(scope: Scope) -> None:
    elements = (b"\x01" * 32,) * scope.most
    request = replace(REQUEST, scope=scope, blinded=elements)
    assert len(GuardedRequest(request, bytes(640)).encode()) == padded_size(scope, 640)
    made = answer(request, Evaluation(1, elements, bytes(64)), DOMAIN, KEY)
    assert len(encode_reply(made)) <= padded_reply_size(scope)
    refusal = encode_reply(Refused(RefusalCode.BUSY, "x" * 1000))
    assert len(refusal) <= padded_reply_size(scope)


def test_a_signed_answer_names_request_evaluator_and_key() -> None:
    made = answer(REQUEST, EVALUATION, DOMAIN, KEY)
    made.check_signature(DOMAIN, KEY.address)
    assert decode_reply(encode_reply(made)) == made
    assert (made.request, made.key_id, made.share_epoch) == (REQUEST.digest(), 1, 2)
    for bent in (
        replace(made, request=bytes(64)),
        replace(made, share_epoch=9),
        replace(made, evaluation=replace(EVALUATION, index=4)),
    ):
        with pytest.raises(SignatureInvalid):
            bent.check_signature(DOMAIN, KEY.address)


def test_a_refusal_reads_back_and_an_unknown_code_is_refused() -> None:
    refused = Refused(RefusalCode.SPENT, "slot used")
    data = encode_reply(refused)
    assert decode_reply(data) == refused
    with pytest.raises(DecodeError):
        decode_reply(data[:1] + b"\x63" + data[2:])
    with pytest.raises(DecodeError):
        decode_reply(b"\x00" + data[1:])
