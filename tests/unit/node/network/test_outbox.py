"""Lanes are bounded, strict and lose nothing that they took."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from node.network.kinds import Lane
from node.network.outbox import Outbox

LIMITS = {Lane.VOTES: 100, Lane.CALLS: 60, Lane.GOSSIP: 40}


def test_votes_are_taken_before_calls_before_gossip() -> None:
    box = Outbox(LIMITS)
    for lane, frame in ((Lane.GOSSIP, b"g"), (Lane.CALLS, b"c"), (Lane.VOTES, b"v")):
        assert box.put(lane, frame)
    assert box.take(100) == [b"v", b"c", b"g"]
    assert box.take(100) == []


def test_full_lane_refuses_and_counts_and_others_go_on() -> None:
    box = Outbox(LIMITS)
    assert box.put(Lane.GOSSIP, bytes(40))
    assert not box.put(Lane.GOSSIP, b"x")
    assert box.put(Lane.VOTES, bytes(100))
    assert not box.put(Lane.VOTES, b"x")
    assert box.dropped == [1, 0, 1]
    assert box.take(1) == [bytes(100)]
    assert box.put(Lane.VOTES, b"x")


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(Lane), st.binary(min_size=1, max_size=30)),
            st.integers(1, 120),
        ),
        max_size=60,
    )
)
@settings(deadline=None)
def test_what_is_taken_is_what_was_put_in_lane_order(steps: list[tuple[Lane, bytes] | int]) -> None:
    box = Outbox(LIMITS)
    model: dict[Lane, list[bytes]] = {lane: [] for lane in Lane}
    for step in steps:
        if isinstance(step, int):
            taken = box.take(step)
            for frame in taken:
                lane = next(lane for lane in Lane if model[lane])
                assert model[lane].pop(0) == frame
            assert sum(map(len, taken[:-1])) < step
            assert taken or not any(model.values())
        else:
            lane, frame = step
            fits = sum(map(len, model[lane])) + len(frame) <= LIMITS[lane]
            assert box.put(lane, frame) == fits
            if fits:
                model[lane].append(frame)
        for lane in Lane:
            assert box.waiting(lane) == sum(map(len, model[lane])) <= LIMITS[lane]
