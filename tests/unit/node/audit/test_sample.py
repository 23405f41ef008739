"""Samples over a real chain: two nodes draw the same, and the audited member has no say in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.audit.sampling import GAP_MS, STAGES, Sample
from bulwark.ledger.ids import Height, MemberId
from bulwark.ledger.record import Record
from node.audit.desk import AuditDesk
from node.audit.port import Drawing, SampleWish
from node.audit.seeds import SeedKeeper
from node.service import Conflict, NotFound
from node.storage.schema import SAMPLES
from tests.unit.node.audit.test_reports import ALPHA, BRAVO, CHARLIE, Ledger, desk_of, statement
from tests.unit.node.execution.alliance import CREATED_MS

WISH = SampleWish(population="records", to_height=Height(3), size=6)
Deeds = Callable[[Ledger], None]


def populated() -> Ledger:
    """Twelve records of two members in blocks 1 to 3."""
    ledger = Ledger()
    for number, key in enumerate((ALPHA, BRAVO, ALPHA)):
        ledger.anchor(key, *(statement(f"{number} {n}") for n in range(4)))
    return ledger


def seeded(ledger: Ledger, deeds: Deeds = lambda ledger: None, last_ms: int = 500) -> Ledger:
    """Ten seconds in which bravo writes, `deeds`, then charlie: the last block is the seed's."""
    for number in range(6):
        ledger.anchor(BRAVO, statement(f"calm {number}"), later_ms=2_000)
    deeds(ledger)
    ledger.anchor(CHARLIE, statement("honest"), later_ms=last_ms)
    return ledger


async def drawn(desk: AuditDesk, wish: SampleWish = WISH) -> Sample:
    """The sample once its seed is made."""
    for _ in range(2_000):
        found = await desk.sample(wish)
        if isinstance(found, Sample):
            return found
        assert 0 <= found.done <= found.stages == STAGES
        await asyncio.sleep(0.005)
    raise AssertionError("no seed was made")


async def drawn_at(ledger: Ledger, wish: SampleWish = WISH) -> Sample:
    desk = desk_of(ledger.node)
    try:
        return await drawn(desk, wish)
    finally:
        desk.close()


async def test_two_regulators_at_two_nodes_draw_the_same_sample() -> None:
    one, two = await drawn_at(seeded(populated())), await drawn_at(seeded(populated()))
    assert one == two and one.to_json() == two.to_json()
    (stratum,) = one.strata
    assert stratum.size == 12 and len(stratum.items) == 6
    assert len({item.name for item in stratum.items}) == 6
    assert one.seed.basis.height == 10 and one.population.basis.height == 3


async def test_every_item_is_a_record_of_the_population_and_its_member_is_asked_to_open_it() -> (
    None
):
    ledger = seeded(populated())
    sample = await drawn_at(ledger, replace(WISH, size=12))
    (stratum,) = sample.strata
    assert sorted(item.number for item in stratum.items) == list(range(12))
    for item in stratum.items:
        found = ledger.node.records.by_id(bytes.fromhex(item.name))  # type: ignore[arg-type]
        assert found is not None and found.height == item.height <= 3
        assert item.member == {1: "alpha", 2: "bravo", 3: "alpha"}[found.height]
    asked = sample.to_open()
    assert {member: len(names) for member, names in asked.items()} == {"alpha": 8, "bravo": 4}
    smaller = await drawn_at(ledger, replace(WISH, size=5))
    assert smaller.strata[0].items == stratum.items[:5]


async def test_a_sample_by_member_draws_from_every_members_part() -> None:
    ledger = seeded(populated())
    sample = await drawn_at(ledger, replace(WISH, size=3, by_member=True))
    assert [(s.member, s.size, len(s.items)) for s in sample.strata] == [
        ("alpha", 8, 3),
        ("bravo", 4, 3),
    ]
    for stratum in sample.strata:
        assert {item.member for item in stratum.items} == {stratum.member}
    whose = await drawn_at(ledger, replace(WISH, member=MemberId("bravo"), size=9))
    assert [(s.size, len(s.items)) for s in whose.strata] == [(4, 4)]


async def test_an_erasure_changes_no_sample() -> None:
    ledger = seeded(populated())
    before = await drawn_at(ledger)
    record_id = bytes.fromhex(before.strata[0].items[0].name)
    assert ledger.node.erase(record_id) == 1  # type: ignore[arg-type]
    assert await drawn_at(ledger) == before


async def test_anchors_are_drawn_by_their_digest() -> None:
    ledger = seeded(populated())
    sample = await drawn_at(ledger, replace(WISH, population="anchors", size=2))
    roots = {anchor.digest.hex() for height in (1, 2, 3)
             for anchor in ledger.node.chain.block(Height(height)).anchors}  # type: ignore[union-attr]  # fmt: skip
    assert sample.strata[0].size == 3
    assert {item.name for item in sample.strata[0].items} <= roots


async def test_what_the_audited_member_does_after_the_population_ended_changes_none_of_it() -> None:
    """Whatever it sends: the same twelve records, and a draw that it can not know before S."""

    def sends(count: int) -> Deeds:
        def deeds(ledger: Ledger) -> None:
            for number in range(count):
                extra: Record = statement(f"try {number}")
                ledger.anchor(ALPHA, extra, later_ms=100)

        return deeds

    samples = [await drawn_at(seeded(populated(), sends(count))) for count in range(1, 4)]
    # Its transaction makes block 10 the seed's, since bravo wrote before: that block is the same
    # for all three, so whatever it goes on to do changes nothing any more.
    assert samples[0].seed == samples[1].seed == samples[2].seed
    assert samples[0] == samples[1] == samples[2]
    assert all(sample.strata[0].size == 12 for sample in samples)
    times = [await drawn_at(seeded(populated(), last_ms=ms)) for ms in (500, 501, 502)]
    assert len({sample.seed.value for sample in times}) == 3
    assert {sample.strata[0].size for sample in times} == {12}


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 2 * GAP_MS), min_size=1, max_size=25))
def test_one_member_alone_never_makes_a_seed(pauses: list[int]) -> None:
    async def tried() -> None:
        ledger = populated()
        for number, pause in enumerate(pauses):
            ledger.anchor(ALPHA, statement(f"alone {number}"), later_ms=pause)
        desk = desk_of(ledger.node)
        with pytest.raises(Conflict, match="2 accounts must write"):
            await desk.sample(WISH)
        desk.close()

    asyncio.run(tried())


async def test_a_seed_is_made_once_and_kept_with_its_block() -> None:
    ledger = seeded(populated())
    desk = desk_of(ledger.node)
    first = await desk.sample(WISH)
    assert isinstance(first, Drawing) and first.seed_block == 10
    sample = await drawn(desk)
    desk.close()
    kept = list(ledger.node.store.iterate(SAMPLES))
    assert [key[len(SAMPLES) :] for key, _ in kept] == [sample.seed.basis.block_hash]
    again = desk_of(ledger.node)
    assert await again.sample(WISH) == sample
    again.close()


async def test_a_node_that_stops_lets_go_of_a_seed_in_the_making() -> None:
    ledger = seeded(populated())
    seeds = SeedKeeper(ledger.node.store, 1 << 28)
    desk = desk_of(ledger.node)
    desk._seeds.close()
    desk._seeds = seeds
    assert isinstance(await desk.sample(WISH), Drawing)
    desk.close()
    assert list(ledger.node.store.iterate(SAMPLES)) == []


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"to_height": Height(10_000)}, Conflict),
        ({"population": "tags"}, NotFound),
        ({"population": "access"}, NotFound),
        ({"member": MemberId("nobody")}, NotFound),
    ],
)
async def test_what_can_not_be_drawn_is_refused(change: Any, refusal: type[Exception]) -> None:
    desk = desk_of(seeded(populated()).node)
    with pytest.raises(refusal):
        await desk.sample(replace(WISH, **change))
    desk.close()


async def test_a_population_without_anything_gives_an_empty_sample() -> None:
    ledger = seeded(Ledger())
    sample = await drawn_at(ledger, replace(WISH, to_height=Height(0)))
    assert sample.strata[0].items == () and ledger.time_ms > CREATED_MS
