"""The documented check tells forged, stale, replayed and malformed deliveries from good ones."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulwark.client.webhooks import (
    DELIVERY_HEADER,
    MAX_BODY,
    SIGNATURE_HEADER,
    DeliveryRefused,
    ForgedDelivery,
    MalformedDelivery,
    ReplayedDelivery,
    StaleDelivery,
    signature,
    verify_delivery,
)

SECRET, OTHER = "whsec_one", "whsec_two"
NOW = 1_800_000_000
ID = "0123456789abcdef-42"
BODY = json.dumps({"id": ID, "number": 42, "type": "recall", "data": {}}).encode()


def headers(
    *secrets: str, delivery_id: str = ID, time_s: int = NOW, body: bytes = BODY
) -> dict[str, str]:
    signed = signature(secrets or (SECRET,), delivery_id, time_s, body)
    return {"Bulwark-Delivery": delivery_id, "Bulwark-Signature": signed}


def test_a_good_delivery_is_given_back_with_its_event() -> None:
    found = verify_delivery(headers(), BODY, [SECRET], NOW + 7.9, frozenset())
    assert (found.id, found.type, found.signed_s) == (ID, "recall", NOW)
    assert found.event["number"] == 42


def test_the_signature_is_what_the_documentation_says() -> None:
    assert signature(["whsec_key"], ID, NOW, b"{}") == (
        "t=1800000000,v1=43a98292cbac71a6b2a2d9dec6df2e5b2290fcc00e4a90dda062865efe467659"
    )


@pytest.mark.parametrize("known", [[SECRET], [OTHER], [OTHER, SECRET], ["whsec_x", SECRET]])
def test_while_a_secret_is_changed_either_side_may_know_either(known: list[str]) -> None:
    assert verify_delivery(headers(SECRET, OTHER), BODY, known, NOW, frozenset()).id == ID


def test_a_secret_that_nobody_gave_is_a_forgery() -> None:
    with pytest.raises(ForgedDelivery):
        verify_delivery(headers(OTHER), BODY, [SECRET], NOW, frozenset())


@pytest.mark.parametrize("age_s", [-301, 301, 86_400])
def test_an_old_or_future_signature_is_stale(age_s: int) -> None:
    with pytest.raises(StaleDelivery) as caught:
        verify_delivery(headers(), BODY, [SECRET], NOW + age_s, frozenset())
    assert caught.value.age_s == age_s


def test_the_tolerance_is_inclusive_on_both_sides() -> None:
    for age_s in (-300, 300):
        assert verify_delivery(headers(), BODY, [SECRET], NOW + age_s, frozenset()).id == ID


def test_what_was_done_before_is_a_replay_and_a_forgery_of_it_is_not() -> None:
    with pytest.raises(ReplayedDelivery) as caught:
        verify_delivery(headers(), BODY, [SECRET], NOW, {ID})
    assert caught.value.delivery_id == ID
    with pytest.raises(ForgedDelivery):
        verify_delivery(headers(OTHER), BODY, [SECRET], NOW, {ID})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (DELIVERY_HEADER, ""),
        (DELIVERY_HEADER, "42"),
        (DELIVERY_HEADER, "0123456789ABCDEF-42"),
        (DELIVERY_HEADER, ID + "\n"),
        (SIGNATURE_HEADER, ""),
        (SIGNATURE_HEADER, "t=1800000000"),
        (SIGNATURE_HEADER, "v1=" + "0" * 64),
        (SIGNATURE_HEADER, "t=now,v1=" + "0" * 64),
        (SIGNATURE_HEADER, "t=1800000000,v1=" + "0" * 63),
        (SIGNATURE_HEADER, "t=1800000000" + f",v1={'0' * 64}" * 9),
        (SIGNATURE_HEADER, "t=1800000000," + "x" * 2_000),
    ],
)
def test_headers_of_no_delivery_are_malformed(name: str, value: str) -> None:
    given = {key.lower(): text for key, text in headers().items()} | {name: value}
    with pytest.raises(MalformedDelivery):
        verify_delivery(given, BODY, [SECRET], NOW, frozenset())


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b'{"id": "0123456789abcdef-43", "type": "recall"}', b'{"id": 1}']
)
def test_a_signed_body_that_is_no_event_with_the_same_id_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedDelivery):
        verify_delivery(headers(body=body), body, [SECRET], NOW, frozenset())


def test_a_body_over_the_bound_is_refused_before_anything_is_computed() -> None:
    with pytest.raises(MalformedDelivery, match="bytes"):
        verify_delivery({}, bytes(MAX_BODY + 1), [SECRET], NOW, frozenset())


def test_a_check_without_a_secret_is_a_fault_of_the_receiver() -> None:
    for secrets in ([], [""]):
        with pytest.raises(ValueError, match="secret"):
            verify_delivery(headers(), BODY, secrets, NOW, frozenset())


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_any_changed_byte_of_the_body_is_a_forgery(at: int, flip: int) -> None:
    bent = bytearray(BODY)
    bent[at] ^= flip
    with pytest.raises(ForgedDelivery):
        verify_delivery(headers(), bytes(bent), [SECRET], NOW, frozenset())


@given(st.dictionaries(st.text(), st.text()), st.binary(max_size=200))
def test_whatever_comes_is_refused_by_its_kind(given_headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(DeliveryRefused):
        verify_delivery(given_headers, body, [SECRET], NOW, frozenset())
