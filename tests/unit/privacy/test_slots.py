"""Slots: every one once, in an order that only the member knows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulwark.privacy.errors import InputRefused
from bulwark.privacy.slots import MAX_QUOTA, SlotOrder

KEY = bytes(range(32))


@given(st.integers(1, 700), st.binary(min_size=32, max_size=32))
def test_every_slot_is_used_exactly_once(quota: int, key: bytes) -> None:
    order = SlotOrder(key, b"epoch", quota)
    assert sorted(order.slot(count) for count in range(quota)) == list(range(quota))


def test_keys_contexts_and_quotas_give_different_orders() -> None:
    orders = {
        tuple(SlotOrder(key, context, quota).slot(count) for count in range(64))
        for key in (KEY, bytes(32))
        for context in (b"one", b"two")
        for quota in (1000, 1001)
    }
    assert len(orders) == 8


def test_early_slots_are_spread_over_the_whole_quota() -> None:
    order = SlotOrder(KEY, b"epoch", 100_000)
    tenths = [order.slot(count) // 10_000 for count in range(1_000)]
    assert all(60 < tenths.count(tenth) < 140 for tenth in range(10))


def test_the_largest_quota_works() -> None:
    order = SlotOrder(KEY, b"epoch", MAX_QUOTA)
    assert 0 <= order.slot(MAX_QUOTA - 1) < MAX_QUOTA


@pytest.mark.parametrize("quota", [0, -1, MAX_QUOTA + 1])
def test_a_quota_outside_its_bounds_is_refused(quota: int) -> None:
    with pytest.raises(InputRefused):
        SlotOrder(KEY, b"epoch", quota)


@pytest.mark.parametrize("count", [-1, 5])
def test_a_request_past_the_quota_has_no_slot(count: int) -> None:
    with pytest.raises(InputRefused):
        SlotOrder(KEY, b"epoch", 5).slot(count)


def test_the_key_is_not_shown() -> None:
    assert KEY.hex() not in repr(SlotOrder(KEY, b"epoch", 5))
