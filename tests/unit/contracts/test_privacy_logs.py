"""Event decoders of the privacy contracts accept what the contracts write and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.privacy import ceremony_events, keys, opening_events, query_log
from contracts.privacy.bindings import (
    KEY_CEREMONY,
    OPENINGS,
    PRIVACY_KEYS,
    QUERY_LOG,
    decode_ceremony_event,
    decode_key_event,
    decode_opening_event,
    decode_query_log_event,
)
from contracts.privacy.logs import EventShape, bytes_tail, event_fields, words_tail

WORD = st.binary(min_size=32, max_size=32)
TOPIC = b"\x11" * 32
BYTES = {TOPIC: EventShape("Bytes", 1, 2, most_bytes=40)}
LISTS = {TOPIC: EventShape("Lists", 0, 1, lists=2, most_items=3)}
DECODERS = [
    (decode_key_event, PRIVACY_KEYS, keys.EVENTS),
    (decode_ceremony_event, KEY_CEREMONY, ceremony_events.EVENTS),
    (decode_query_log_event, QUERY_LOG, query_log.EVENTS),
    (decode_opening_event, OPENINGS, opening_events.EVENTS),
]


def number(value: int) -> bytes:
    return value.to_bytes(32, "big")


@given(WORD, WORD, st.binary(max_size=40))
@settings(deadline=None)
def test_words_and_a_byte_string_are_read_back(first, second, blob):
    data = first + second + number(96) + bytes_tail(blob)
    found = event_fields(BYTES, [TOPIC, first], data)
    assert found is not None
    assert (found.topics, found.words, found.blob, found.lists) == (
        (first,),
        (first, second),
        blob,
        (),
    )


@given(WORD, st.lists(WORD, max_size=3), st.lists(WORD, max_size=3))
@settings(deadline=None)
def test_words_and_lists_are_read_back(word, one, two):
    head = word + number(96) + number(96 + 32 + 32 * len(one))
    found = event_fields(LISTS, [TOPIC], head + words_tail(one) + words_tail(two))
    assert found is not None
    assert (found.words, found.lists) == ((word,), (tuple(one), tuple(two)))


GOOD = number(1) + number(2) + number(96) + bytes_tail(b"x" * 33)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:-1],
        GOOD[:96],
        GOOD + bytes(32),
        GOOD[:-1] + b"\x01",
        number(1) + number(2) + number(95) + GOOD[96:],
        number(1) + number(2) + number(96) + bytes_tail(b"x" * 41),
        number(1) + number(2) + number(96) + number(2**255),
    ],
)
def test_other_forms_of_a_byte_string_are_no_event(data):
    assert event_fields(BYTES, [TOPIC, TOPIC], GOOD) is not None
    assert event_fields(BYTES, [TOPIC, TOPIC], data) is None


def test_a_list_over_its_bound_and_other_topics_are_no_event():
    long = number(1) + number(96) + number(96 + 160) + words_tail([TOPIC] * 4) + words_tail([])
    assert event_fields(LISTS, [TOPIC], long) is None
    for topics in ([], [bytes(32), TOPIC], [TOPIC], [TOPIC, TOPIC, TOPIC], [TOPIC, b"short"]):
        assert event_fields(BYTES, topics, GOOD) is None


@pytest.mark.parametrize(("decode", "address", "events"), DECODERS)
def test_decoders_are_total(decode, address, events):
    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def check(data):
        topic = data.draw(st.sampled_from([*events, TOPIC]))
        rest = data.draw(st.lists(WORD | st.binary(max_size=40), max_size=4))
        words = data.draw(st.lists(st.integers(0, 300).map(number) | WORD, max_size=12))
        decode(address, [topic, *rest], b"".join(words) + data.draw(st.binary(max_size=33)))
        assert decode(TOPIC[:20], [topic, *rest], b"") is None
        assert decode(address, [], b"") is None

    check()
