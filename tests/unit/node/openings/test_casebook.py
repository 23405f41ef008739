"""The case book: what blocks said is kept over restarts, and saying it again changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.ledger.ids import Address, Height
from bulwark.ledger.receipt import Log
from contracts.privacy.openings import CaseRequest, encode_open_case, encode_vote
from contracts.privacy.query_log import StatementProof
from node.guarded.atrest import AtRest
from node.openings.calls import MAX_CALL_BYTES, decode_open_case
from node.openings.casebook import CaseBook, Closing, Sent
from node.storage.errors import StoreDamaged
from node.storage.memory import MemoryStore
from tests.unit.node.openings.opening_scene import REGULATOR, Scene, asked

WORDS = st.binary(min_size=32, max_size=32)
REQUEST = CaseRequest(*(bytes([i]) * 32 for i in range(1, 8)))


def at_rest(key: bytes = b"\x05" * 32) -> AtRest:
    return AtRest(key, b"openings", lambda count: b"\x07" * count)


def book(store: MemoryStore) -> CaseBook:
    return CaseBook(store, at_rest())


@settings(deadline=None, max_examples=50)
@given(st.lists(WORDS, max_size=24), st.integers(0, (1 << 24) - 1), WORDS)
def test_the_call_of_a_case_is_read_back(siblings, lefts, case_id) -> None:
    request = CaseRequest(case_id, *([b"\1" * 32] * 6))
    proof = StatementProof(lefts, tuple(siblings))
    assert decode_open_case(encode_open_case(request, proof)) == (request, proof)


def test_any_other_calldata_is_no_case() -> None:
    good = encode_open_case(REQUEST, StatementProof(1, (b"\x09" * 32,)))
    offset = 4 + 8 * 32
    bent = [
        b"",
        good[:-1],
        good + b"\0",
        good + bytes(32),
        b"\0" + good[1:],
        good[:offset] + bytes(32) + good[offset + 32 :],
        encode_vote(b"\1" * 32, True),
        good + bytes(MAX_CALL_BYTES),
    ]
    assert [decode_open_case(data) for data in bent] == [None] * len(bent)


async def test_cases_and_parts_stay_over_restarts_and_repeated_blocks(scene: Scene) -> None:
    await scene.anchored(asked(1, 1), asked(1, 2))
    first = await scene.approved(asked(1, 1))
    second = await scene.opened(asked(1, 2))
    await scene.act()
    node = scene.nodes["m0"]
    before = list(node.store.iterate(b"u"))
    assert book(node.store).cases() == [second, first]
    assert [part.member.rstrip(b"\0") for part in book(node.store).partials(first)] == [
        b"m0",
        b"m1",
        b"m2",
        b"m3",
    ]
    assert book(node.store).followed > 0
    for made in scene.nodes[REGULATOR].lane.sent:
        assert node.book.follow(Height(1), [(made.data, [])]) == 0
    assert list(node.store.iterate(b"u")) == before
    assert list(book(node.store).partials(second)) == []
    assert book(node.store).place(b"\0" * 32) is None


def test_logs_of_others_are_passed_over() -> None:
    store = MemoryStore()
    log = Log(Address(b"\x01" * 20), (), b"")
    assert book(store).follow(Height(4), [(b"", [log])]) == 0
    assert (book(store).cases(), book(store).followed) == ([], 0)


def test_the_own_part_and_the_result_come_back() -> None:
    store = MemoryStore()
    it = book(store)
    assert (it.own(b"\1" * 32), it.result(b"\1" * 32)) == (None, None)
    sent = Sent(b"data", b"\2" * 32, 77, b"\4" * 32)
    closing = Closing(b"result", b"served", (("m3", "no proof"),), b"\3" * 32)
    store.write(it.own_puts(b"\1" * 32, sent), sync=False)
    store.write(it.result_puts(b"\1" * 32, closing), sync=False)
    assert book(store).own(b"\1" * 32) == sent
    assert book(store).result(b"\1" * 32) == closing
    stored = b"".join(value for _, value in store.iterate(b"u\x13"))
    assert b"result" not in stored
    with pytest.raises(StoreDamaged):
        CaseBook(store, at_rest(b"\x06" * 32)).result(b"\1" * 32)


def test_a_value_at_rest_opens_only_in_its_place_and_for_its_use() -> None:
    one = at_rest()
    stored = one.encrypt(b"place", b"plain")
    assert one.decrypt(b"place", stored) == b"plain"
    other_use = AtRest(b"\x05" * 32, b"other", lambda count: b"\x07" * count)
    for reader, place, value in (
        (one, b"other", stored),
        (other_use, b"place", stored),
        (one, b"place", stored[:-1]),
        (one, b"place", b""),
    ):
        with pytest.raises(StoreDamaged):
            reader.decrypt(place, value)
    with pytest.raises(ValueError, match="32 needed"):
        AtRest(b"short", b"use", lambda count: bytes(count))
