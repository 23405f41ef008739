"""Exculpation: who did not ask can show it, and who asked can not."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.privacy import sigma
from bulwark.privacy.errors import EncodingRefused, ExculpationRefused, InputRefused
from bulwark.privacy.exculpation import (
    EXCULPATION_BYTES,
    DisputedQuery,
    Exculpation,
    check_exculpation,
    decode_exculpation,
    exculpate,
)
from bulwark.privacy.group import GENERATOR, IDENTITY, ORDER, Scalar, hash_to_group, multiply
from bulwark.privacy.memberkeys import RingSecret
from tests.unit.privacy.opening_world import CHAIN, GENESIS, SCOPE_POINT, stream

AUTHOR, MEMBER = RingSecret(Scalar.from_int(0xA07)), RingSecret(Scalar.from_int(0x1E5))
RANDOM = stream("exculpation")
QUERY = DisputedQuery(
    CHAIN, GENESIS, b"\x51" * 32, SCOPE_POINT, multiply(AUTHOR.secret, SCOPE_POINT)
)
CLEARED = exculpate(MEMBER, QUERY, RANDOM)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, ORDER - 1), st.integers(1, ORDER - 1), st.binary(min_size=1, max_size=9))
def test_whoever_did_not_ask_is_cleared_and_who_asked_is_not(
    asked: int, other: int, scope: bytes
) -> None:
    author, member = RingSecret(Scalar.from_int(asked)), RingSecret(Scalar.from_int(other))
    point = hash_to_group(scope, b"test scope")
    query = DisputedQuery(CHAIN, GENESIS, bytes(32), point, multiply(author.secret, point))
    with pytest.raises(ExculpationRefused, match="was made with this key"):
        exculpate(author, query, RANDOM)
    if asked != other:
        encoding = exculpate(member, query, RANDOM).encode()
        assert len(encoding) == EXCULPATION_BYTES
        check_exculpation(member.public, query, decode_exculpation(encoding))


class TestForgery:
    def test_author_with_its_true_nullifier_is_refused(self) -> None:
        """All of the proof holds; only T' = T says who asked."""
        context = sigma_context()
        inputs, outputs = [SCOPE_POINT], [QUERY.nullifier]
        nonce = sigma.hedged_nonce(context, AUTHOR.secret, inputs, RANDOM)
        proof = sigma.prove(context, AUTHOR.secret, AUTHOR.public, inputs, outputs, nonce)
        with pytest.raises(ExculpationRefused, match="is the query's"):
            check_exculpation(AUTHOR.public, QUERY, Exculpation(QUERY.nullifier, proof))

    def test_author_with_the_nullifier_of_another_key_is_refused(self) -> None:
        context = sigma_context()
        wrong = Scalar.from_int(0xBAD)
        own = multiply(wrong, SCOPE_POINT)
        for public in (AUTHOR.public, GENERATOR):
            nonce = sigma.hedged_nonce(context, wrong, [SCOPE_POINT], RANDOM)
            proof = sigma.prove(context, wrong, public, [SCOPE_POINT], [own], nonce)
            with pytest.raises(ExculpationRefused, match="does not hold"):
                check_exculpation(AUTHOR.public, QUERY, Exculpation(own, proof))

    def test_author_with_the_exculpation_of_another_member_is_refused(self) -> None:
        with pytest.raises(ExculpationRefused, match="does not hold"):
            check_exculpation(AUTHOR.public, QUERY, CLEARED)

    @pytest.mark.parametrize(
        "change",
        [
            {"chain_id": CHAIN + 1},
            {"genesis_hash": b"\x98" * 32},
            {"statement_hash": b"\x52" * 32},
            {"scope_point": hash_to_group(b"another slot", b"test scope")},
            {"nullifier": GENERATOR},
        ],
        ids=["chain", "genesis", "statement", "scope point", "nullifier"],
    )
    def test_exculpation_of_one_query_clears_nobody_of_another(
        self, change: dict[str, object]
    ) -> None:
        with pytest.raises(ExculpationRefused, match="does not hold"):
            check_exculpation(MEMBER.public, replace(QUERY, **change), CLEARED)  # type: ignore[arg-type]

    def test_identity_as_key_or_nullifier_is_refused(self) -> None:
        for key, given_one in (
            (IDENTITY, CLEARED),
            (MEMBER.public, replace(CLEARED, own_nullifier=IDENTITY)),
        ):
            with pytest.raises(ExculpationRefused, match="identity"):
                check_exculpation(key, QUERY, given_one)
        for change in ({"scope_point": IDENTITY}, {"nullifier": IDENTITY}):
            with pytest.raises(InputRefused, match="the identity"):
                replace(QUERY, **change)


def sigma_context() -> bytes:
    """The context of the proofs about `QUERY`, from its definition."""
    fields = (
        b"Bulwark-v1-exculpation-",
        CHAIN.to_bytes(8, "big"),
        GENESIS,
        QUERY.statement_hash,
        SCOPE_POINT.encoding,
        QUERY.nullifier.encoding,
    )
    framed = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    return fields[0] + hashlib.sha512(framed).digest()


class TestWire:
    def test_context_is_label_and_digest_of_the_query(self) -> None:
        inputs, outputs = [SCOPE_POINT], [CLEARED.own_nullifier]
        assert sigma.verify(sigma_context(), MEMBER.public, inputs, outputs, CLEARED.proof)

    def test_every_bent_byte_is_found(self) -> None:
        encoding = CLEARED.encode()
        for place in range(len(encoding)):
            for bit in (0x01, 0x80):
                bent = encoding[:place] + bytes((encoding[place] ^ bit,)) + encoding[place + 1 :]
                with pytest.raises((EncodingRefused, ExculpationRefused)):
                    check_exculpation(MEMBER.public, QUERY, decode_exculpation(bent))

    @pytest.mark.parametrize("length", [0, 95, 97])
    def test_another_length_is_refused(self, length: int) -> None:
        with pytest.raises(EncodingRefused, match="must be 96 bytes"):
            decode_exculpation((CLEARED.encode() * 2)[:length])

    def test_identity_is_refused_as_own_nullifier(self) -> None:
        with pytest.raises(EncodingRefused, match="own nullifier"):
            decode_exculpation(bytes(32) + CLEARED.encode()[32:])

    def test_hash_of_another_length_is_refused(self) -> None:
        for change in ({"genesis_hash": b""}, {"statement_hash": bytes(33)}):
            with pytest.raises(InputRefused):
                replace(QUERY, **change)


def test_when_all_others_clear_themselves_the_author_is_known() -> None:
    """What the documentation warns of: elimination needs neither case nor regulator."""
    ring = [RingSecret(Scalar.from_int(number)) for number in (3, 5, 0xA07, 9)]
    cleared = set()
    for place, secret in enumerate(ring):
        if secret.public != AUTHOR.public:
            check_exculpation(secret.public, QUERY, exculpate(secret, QUERY, RANDOM))
            cleared.add(place)
    assert set(range(4)) - cleared == {2}
