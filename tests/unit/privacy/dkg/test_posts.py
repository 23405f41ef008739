"""Posts and records have one encoding each, of a bounded length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulwark.ledger.errors import DecodeError
from bulwark.privacy.dkg.live import decode_live_sharing
from bulwark.privacy.dkg.pedersen import Pair
from bulwark.privacy.dkg.phases import Phase
from bulwark.privacy.dkg.posts import (
    decode_deal,
    decode_extract,
    decode_indices,
    decode_pairs,
    encode_indices,
    encode_pairs,
    max_post_bytes,
    seal_info,
)
from bulwark.privacy.dkg.record import max_record_bytes
from bulwark.privacy.dkg.session import Member, Purpose, Session, quorum_threshold
from bulwark.privacy.errors import EncodingRefused
from bulwark.privacy.group import ONE, ORDER, ZERO
from tests.unit.privacy.dkg.world import ceremony, generated, member_id, names


@given(st.sets(st.integers(1, 255)))
def test_lists_of_parties_come_back(parties: set[int]) -> None:
    assert decode_indices(encode_indices(parties)) == tuple(sorted(parties))
    pairs = {party: Pair(ONE, ZERO) for party in parties}
    assert decode_pairs(encode_pairs(pairs)) == pairs


@pytest.mark.parametrize(
    "data", ["", "01", "020201", "020202", "0105ff", "0201", "ff"], ids=lambda it: it or "empty"
)
def test_list_that_is_not_exact_and_ascending_is_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        decode_indices(bytes.fromhex(data))
    with pytest.raises(DecodeError):
        decode_pairs(bytes.fromhex(data))


def test_pair_with_a_scalar_of_the_order_or_more_is_refused() -> None:
    for value in (ORDER, ORDER + 1, (1 << 256) - 1):
        wide = value.to_bytes(32, "little")
        for pair in (wide + bytes(32), bytes(32) + wide):
            with pytest.raises(EncodingRefused):
                decode_pairs(b"\x01\x01" + pair)


def test_pairs_out_of_order_are_refused() -> None:
    pair = bytes(64)
    assert set(decode_pairs(b"\x02\x01" + pair + b"\x02" + pair)) == {1, 2}
    for parties in (b"\x02\x01", b"\x02\x02"):
        with pytest.raises(DecodeError, match="ascending"):
            decode_pairs(b"\x02" + parties[:1] + pair + parties[1:] + pair)


def test_dealers_posts_come_back() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    dealing = made.parties[1]._dealing
    assert dealing is not None
    assert decode_deal(made.session, dealing.deal_post).encode() == dealing.deal_post
    assert decode_extract(made.session, dealing.extract_post).encode() == dealing.extract_post
    assert len(dealing.deal_post) == max_post_bytes(made.session, Phase.DEAL) == 3 * 32 + 4 * 112
    assert len(dealing.extract_post) == max_post_bytes(made.session, Phase.EXTRACT)


def test_sealed_pair_is_bound_to_session_dealer_and_receiver() -> None:
    one = ceremony(Purpose.GENERATE, names(4)).session
    other = ceremony(Purpose.GENERATE, names(4), seed="other").session
    infos = {seal_info(s, d, h) for s in (one, other) for d in (1, 2) for h in (1, 2)}
    assert len(infos) == 8


def test_largest_ceremony_has_bounded_posts_and_record() -> None:
    members = tuple(Member(member_id(name), member_id(name)) for name in names(128))
    session = Session(bytes(32), Purpose.GENERATE, 0, 0, members, quorum_threshold(128))
    assert max_post_bytes(session, Phase.DEAL) == 86 * 32 + 128 * 112 == 17_088
    assert max(max_post_bytes(session, phase) for phase in Phase) == 17_088
    assert max_record_bytes(session) < 6_000_000


def test_live_sharing_comes_back_and_nothing_else_is_read_as_one() -> None:
    sharing = generated(4).sharing
    data = sharing.encode()
    assert decode_live_sharing(data) == sharing
    wrong = [
        data[:-1],
        data + b"\x00",
        data[:8] + b"\x02" + data[9:],
        data[:8] + b"\x00" + data[9:],
    ]
    wrong += [data[:-32] + bytes(32), data[:-32] + data[-64:-32], data[:10] * 2]
    wrong += [data[:42] + data[10:42] + data[74:]]
    for bent in wrong:
        with pytest.raises(DecodeError):
            decode_live_sharing(bent)
