"""Sealed forms have one length a scope, one reader and one purpose, and bent bytes are refused."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.ledger.ids import Digest, MemberId
from bulwark.privacy.group import reduce_scalar
from bulwark.privacy.query import (
    EvaluationRequest,
    GuardedRequest,
    RefusalCode,
    Refused,
    Scope,
)
from bulwark.privacy.ring.ristretto import proof_bytes
from bulwark.privacy.sealing import SealingKey
from node.guarded.envelope import (
    EnvelopeRefused,
    Envelopes,
    open_question,
    pad_question,
    sealed_sizes,
)
from tests.unit.node.guarded.questions import REPLY_KEY
from tests.unit.node.guarded.world import DOMAIN, deterministic

ENVELOPES = Envelopes(DOMAIN)
OWN = MemberId("bank-b")
KEY = SealingKey.new(deterministic(b"own"))


def question(count: int, scope: Scope = Scope.SMALL) -> GuardedRequest:
    request = EvaluationRequest(
        key_id=1,
        share_epoch=0,
        scope=scope,
        epoch=9,
        slot=5,
        ring_height=64,
        opener_epoch=3,
        nonce=bytes(16),
        expires_ms=1,
        reply_key=REPLY_KEY.public,
        blinded=tuple(reduce_scalar(bytes([n]) * 64).encoding for n in range(count)),
    )
    return GuardedRequest(request, bytes(proof_bytes(5)))


@pytest.mark.parametrize(("scope", "counts"), [(Scope.SMALL, (1, 8)), (Scope.BULK, (1, 256))])
def test_every_question_of_a_scope_has_the_length_that_relays_pass(
    scope: Scope, counts: tuple[int, int]
) -> None:
    lengths = set()
    for count in counts:
        padded = pad_question(question(count, scope), 5)
        lengths.add(len(ENVELOPES.seal_question(padded, OWN, KEY.public)))
    assert len(lengths) == 1
    assert lengths <= sealed_sizes([5])


def test_a_question_comes_back_whole() -> None:
    asked = question(3)
    sealed = ENVELOPES.seal_question(pad_question(asked, 5), OWN, KEY.public)
    other = SealingKey.new(deterministic(b"next"))
    assert open_question(ENVELOPES.unseal_question(sealed, OWN, [other, KEY])) == asked


def test_a_question_opens_for_no_other_member_chain_or_purpose() -> None:
    sealed = ENVELOPES.seal_question(pad_question(question(3), 5), OWN, KEY.public)
    foreign = Envelopes(dataclasses.replace(DOMAIN, chain_id=1))
    cousin = Envelopes(dataclasses.replace(DOMAIN, genesis_hash=Digest(b"h" * 32)))
    for envelopes, own in ((ENVELOPES, MemberId("bank-c")), (foreign, OWN), (cousin, OWN)):
        with pytest.raises(EnvelopeRefused):
            envelopes.unseal_question(sealed, own, [KEY])
    with pytest.raises(EnvelopeRefused):
        ENVELOPES.unseal_answer(sealed, question(3).request, KEY)


def test_an_answer_opens_for_its_own_request_only() -> None:
    request = question(3).request
    refused = Refused(RefusalCode.BUSY, "too much work waits")
    sealed = ENVELOPES.seal_answer(refused, request)
    assert ENVELOPES.unseal_answer(sealed, request, REPLY_KEY) == refused
    with pytest.raises(EnvelopeRefused):
        ENVELOPES.unseal_answer(sealed, replace(request, slot=6), REPLY_KEY)


def test_refusals_and_answers_of_a_scope_have_one_length() -> None:
    request = question(3).request
    lengths = {
        len(ENVELOPES.seal_answer(Refused(RefusalCode.BUSY, detail), request))
        for detail in ("", "x" * 200)
    }
    assert len(lengths) == 1


@pytest.mark.parametrize("key", [bytes(32), b"\xff" * 32, (1).to_bytes(32, "little")])
def test_a_question_whose_reply_key_is_none_is_refused(key: bytes) -> None:
    bent = question(1)
    bent = replace(bent, request=replace(bent.request, reply_key=key))
    with pytest.raises(EnvelopeRefused):
        open_question(pad_question(bent, 5))


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_bent_questions_are_refused_or_say_the_same_bytes(data: st.DataObject) -> None:
    padded = bytearray(pad_question(question(2), 5))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(padded) - 1))
        padded[at] ^= data.draw(st.integers(1, 255))
    try:
        found = open_question(bytes(padded))
    except EnvelopeRefused:
        return
    assert pad_question(found, 5) == bytes(padded)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(EnvelopeRefused):
        open_question(data)
    with pytest.raises(EnvelopeRefused):
        ENVELOPES.unseal_question(data, OWN, [KEY])
    with pytest.raises(EnvelopeRefused):
        ENVELOPES.unseal_answer(data, question(1).request, REPLY_KEY)
