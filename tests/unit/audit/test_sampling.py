"""Samples: the seed's block, the delay, and a draw that is uniform and the same everywhere."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulwark.audit.report import Basis
from bulwark.audit.sampling import (
    CALM_MS,
    GAP_MS,
    WINDOW_MS,
    Draw,
    Item,
    Population,
    Sample,
    Seed,
    SeedBlock,
    SeedSearch,
    Stratum,
    accounts_needed,
    delay,
)
from bulwark.ledger.ids import Address, Digest, Height, MemberId

BLOCK = Digest(b"\x11" * 32)
A, B, C = (Address(bytes((n,)) * 20) for n in (1, 2, 3))


def population(height: int = 9, kind: str = "records") -> Population:
    return Population(kind, Basis(Height(height), BLOCK, 1_000))


def seed(value: bytes = b"\x22" * 32) -> Seed:
    return Seed(Basis(Height(12), Digest(b"\x33" * 32), 9_000), Digest(value))


def found(needed: int, *steps: tuple[int, Address | None]) -> int | None:
    """Height of the seed after block 0 at 0 ms; a step is the pause and who writes."""
    search, time_ms = SeedSearch(Height(0), 0, needed), 0
    for number, (pause, account) in enumerate(steps, 1):
        time_ms += pause
        senders = frozenset() if account is None else frozenset({account})
        if search.is_seed(SeedBlock(Height(number), time_ms, senders)):
            return number
    return None


CALM = ((2_000, A),) * 5


def test_the_seed_is_the_first_block_after_f_plus_1_accounts_wrote_shortly_before_it() -> None:
    assert CALM_MS == 10_000 and WINDOW_MS == 5_000 and GAP_MS == 4_000
    assert found(2, *CALM, (500, B)) == 6
    assert found(2, *CALM, (500, A), (500, A), (500, None), (500, B)) == 9
    assert found(2, *CALM) is None
    assert found(3, *CALM, (500, B)) is None
    assert found(3, *CALM, (500, B), (500, C)) == 7


def test_what_one_account_wrote_long_before_the_block_does_not_count() -> None:
    quiet = ((2_000, None),) * 3
    assert found(2, *CALM, *quiet, (100, B)) is None
    assert found(2, *CALM, *quiet, (100, B), (100, A)) == 10


def test_a_pause_begins_the_calm_anew_so_what_waited_through_it_seeds_nothing() -> None:
    paused = ((4_001, B), (100, A), (100, B))
    assert found(2, *CALM, *paused) is None
    assert found(2, *CALM, *paused, *((2_000, A),) * 5, (100, B)) == 14


def test_a_member_alone_can_not_make_a_seed_whatever_it_sends_and_when() -> None:
    for pause in (1, 100, 1_000, 3_999):
        assert found(accounts_needed(4), *((pause, A),) * 500) is None
    assert [accounts_needed(n) for n in (1, 3, 4, 6, 7, 10)] == [1, 1, 2, 2, 3, 4]


def test_a_search_takes_only_the_next_block() -> None:
    with pytest.raises(ValueError, match="block 2 does not follow 0"):
        SeedSearch(Height(0), 0, 1).is_seed(SeedBlock(Height(2), 1, frozenset()))


def test_the_delay_is_a_chain_of_pbkdf2_and_its_value_is_fixed() -> None:
    values = list(delay(BLOCK, 400, 4))
    assert len(set(values)) == 4
    assert values == list(delay(BLOCK, 400, 4))
    assert values[-1].hex() == "e13776a4c6e65888d19e5148d88d68c8f249c5e7eb5c3ce5d1c1442fbdbd0071"
    assert values[-1] != list(delay(Digest(b"\x12" * 32), 400, 4))[-1]
    assert values[-1] != list(delay(BLOCK, 404, 4))[-1]
    with pytest.raises(ValueError, match="not divided by 3 stages"):
        list(delay(BLOCK, 400, 3))


@given(
    size=st.integers(0, 400), most=st.integers(0, 450), value=st.binary(min_size=32, max_size=32)
)
def test_a_draw_has_different_numbers_below_the_size_and_begins_like_a_larger_one(
    size: int, most: int, value: bytes
) -> None:
    drawn = Draw(seed(value), population()).numbers(size, most)
    assert len(drawn) == len(set(drawn)) == min(size, most)
    assert all(0 <= number < size for number in drawn)
    larger = Draw(seed(value), population()).numbers(size, most + 7)
    assert larger[: len(drawn)] == drawn


def test_every_pair_of_five_is_drawn_about_equally_often() -> None:
    pairs = Counter(
        tuple(Draw(seed(n.to_bytes(32, "big")), population()).numbers(5, 2)) for n in range(8_000)
    )
    assert len(pairs) == 20
    # Chi-squared with 19 degrees of freedom: 43.8 is the 0.1 % point; the seeds are fixed.
    assert sum((seen - 400) ** 2 / 400 for seen in pairs.values()) < 43.8


def test_a_word_beyond_the_last_whole_multiple_is_thrown_away() -> None:
    draw = Draw(seed(), population())
    bound = (1 << 63) + 1
    draw._words = iter((bound, (1 << 64) - 1, 5))
    assert draw._below(bound) == 5


def test_kind_member_stratum_block_and_seed_each_make_another_draw() -> None:
    base = Draw(seed(), population()).numbers(10**6, 8)
    other_block = Population("records", Basis(Height(9), Digest(b"\x12" * 32), 1_000))
    whose = Population("records", population().basis, MemberId("coast"))
    others = [
        Draw(seed(), population(kind="anchors")),
        Draw(seed(), whose),
        Draw(seed(), population(), "coast"),
        Draw(seed(), other_block),
        Draw(seed(b"\x23" * 32), population()),
    ]
    drawn = [tuple(draw.numbers(10**6, 8)) for draw in others]
    assert len({tuple(base), *drawn}) == 6


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Draw(seed(), population()).numbers(-1, 1)


def test_a_sample_lists_what_each_member_is_asked_to_open_in_ledger_order() -> None:
    items = (
        Item(7, MemberId("coast"), Height(3), "aa"),
        Item(2, MemberId("coast"), Height(2), "bb"),
        Item(4, MemberId("alps"), Height(2), "cc"),
    )
    sample = Sample(population(), seed(), (Stratum(None, 10, items),))
    assert sample.to_open() == {"alps": ["cc"], "coast": ["bb", "aa"]}
    document = sample.to_json()
    assert document["population"] == {
        "kind": "records",
        "member": None,
        "size": 10,
        "up_to": {"height": 9, "block_hash": BLOCK.hex(), "time": "1970-01-01T00:00:01.000Z"},
    }
