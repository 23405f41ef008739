"""The frame decoder is total, bounded, and indifferent to how the stream was cut."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.network.errors import PayloadTooLarge, PeerRefused, Reason
from node.network.frames import HEADER_BYTES, FrameDecoder, encode_frame
from node.network.kinds import HELLO_LIMITS, SIZE_LIMITS, Kind

SMALL = {kind: min(most, 300) for kind, most in SIZE_LIMITS.items()}
Outcome = tuple[list[tuple[Kind, bytes]], Reason | None]


def decode(chunks: list[bytes], limits: dict[int, int]) -> Outcome:
    decoder = FrameDecoder(limits)
    frames: list[tuple[Kind, bytes]] = []
    for chunk in chunks:
        decoder.feed(chunk)
        try:
            while (frame := decoder.next()) is not None:
                frames.append(frame)
        except PeerRefused as error:
            return frames, error.reason
        assert decoder.buffered < HEADER_BYTES + max(limits.values())
    return frames, None


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


frames_strategy = st.lists(
    st.tuples(st.sampled_from([k for k in Kind if SMALL[k] >= 300]), st.binary(max_size=300)),
    max_size=8,
)


@given(frames_strategy, st.lists(st.integers(0, 5000), max_size=12))
@settings(deadline=None)
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(
    frames: list[tuple[Kind, bytes]], places: list[int]
) -> None:
    stream = b"".join(encode_frame(kind, payload) for kind, payload in frames)
    assert decode(cut(stream, places), SMALL) == (frames, None)


@given(st.binary(max_size=600), st.lists(st.integers(0, 600), max_size=8))
@settings(deadline=None, max_examples=300)
def test_any_bytes_give_frames_or_one_refusal_whatever_the_cut(
    data: bytes, places: list[int]
) -> None:
    assert decode(cut(data, places), SMALL) == decode([data], SMALL)


@given(st.integers(0, 2**32 - 1), st.integers(0, 255), st.binary(max_size=40), st.booleans())
@settings(deadline=None, max_examples=300)
def test_header_is_judged_by_kind_and_length_alone(
    length: int, kind: int, rest: bytes, proved: bool
) -> None:
    limits = SIZE_LIMITS if proved else HELLO_LIMITS
    decoder = FrameDecoder(limits)
    decoder.feed(length.to_bytes(4, "big") + bytes((kind,)) + rest)
    allowed = kind in limits and length <= limits[kind]
    if allowed:
        frame = decoder.next()
        assert (frame is None) == (len(rest) < length)
    else:
        with pytest.raises(PeerRefused):
            decoder.next()


@pytest.mark.parametrize("kind", list(Kind))
def test_limit_of_each_kind_is_exact(kind: Kind) -> None:
    most = SIZE_LIMITS[kind]
    assert decode([encode_frame(kind, bytes(most))], dict(SIZE_LIMITS))[1] is None
    over = (most + 1).to_bytes(4, "big") + bytes((kind,))
    assert decode([over], dict(SIZE_LIMITS)) == ([], Reason.FRAME_TOO_LARGE)
    with pytest.raises(PayloadTooLarge):
        encode_frame(kind, bytes(most + 1))


def test_two_gibibytes_announced_allocate_nothing() -> None:
    decoder = FrameDecoder(SIZE_LIMITS)
    tracemalloc.start()
    decoder.feed((2**31).to_bytes(4, "big") + bytes((Kind.RESPONSE,)))
    with pytest.raises(PeerRefused, match="RESPONSE of 2147483648 bytes announced, 8388608"):
        decoder.next()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


def test_limits_changed_between_frames_apply_from_the_next_header() -> None:
    decoder = FrameDecoder()
    decoder.feed(encode_frame(Kind.HELLO, b"x") + encode_frame(Kind.CONSENSUS, b"y"))
    assert decoder.next() == (Kind.HELLO, b"x")
    decoder.limits = SIZE_LIMITS
    assert decoder.next() == (Kind.CONSENSUS, b"y")
    assert decoder.next() is None


def test_application_frame_before_the_hello_is_unexpected() -> None:
    stream = encode_frame(Kind.CONSENSUS, b"")
    assert decode([stream], dict(HELLO_LIMITS)) == ([], Reason.UNEXPECTED_FRAME)
