"""Orders of final blocks are carried out once, whenever the node stops, and confirmed once."""

from __future__ import annotations

import pytest

from bulwark.ledger.ids import Digest, Height, RecordId
from bulwark.ledger.lifecycle import Operation
from bulwark.ledger.record import Record
from node.erasure.book import ERASED, Erased, Stage
from node.erasure.triggers import DESTROYED, RECALLED, Cause
from node.fsck import fsck
from node.storage.memory import MemoryStore
from tests.unit.node.erasure.world import ALPHA, BRAVO, CHARLIE, REGULATOR, World, follow_up
from tests.unit.node.execution.alliance import make_sidecar

BOTH = RECALLED | DESTROYED


def statements(seed: str = "s", count: int = 4) -> tuple[Record, ...]:
    return tuple(e for e in make_sidecar(count, seed).entries if isinstance(e, Record))


def with_order(world: World, by: object = ALPHA, final: bool = True) -> tuple[Record, Digest]:
    """A world with four records of alpha and an order to erase the first of them."""
    records = statements()
    world.anchor(ALPHA, *records)
    order = follow_up(Operation.ERASE, records[0].record_id)
    return records[0], world.anchor(by, order, final=final)  # type: ignore[arg-type]


@pytest.mark.parametrize("by", [ALPHA, REGULATOR], ids=["its reporter", "a regulator"])
async def test_a_final_order_destroys_salt_tag_and_payload(by: object) -> None:
    world = World()
    record, root = with_order(world, by)
    await world.follower.follow()
    assert world.is_erased(record.record_id)
    assert not world.holds(record.salt) and not world.holds(record.tag)
    erased = world.book.erased(record.record_id)
    assert erased is not None and (erased.root, erased.height) == (root, 2)
    duty = world.book.duty(root)
    assert duty is not None and (duty.bits, duty.stage) == (BOTH, Stage.SCRUBBING)
    assert [t.cause for t in world.recalls.told] == [Cause.ERASED]
    assert fsck(world.store, world.node.genesis).problems == ()


async def test_fsck_names_a_record_that_was_erased_by_no_order_or_an_unknown_one() -> None:
    world = World()
    record, _ = with_order(world)
    await world.follower.follow()
    key = ERASED + record.record_id
    held = world.store.get(key)
    assert held is not None
    world.store.write({key: None}, sync=True)
    (problem,) = fsck(world.store, world.node.genesis).problems
    assert problem.reason == "was erased and no order is known"
    other = Erased(RecordId(b"\x55" * 32), Digest(bytes(32)), Height(2))
    world.store.write(world.book.erased_puts(record.record_id, other), sync=True)
    (problem,) = fsck(world.store, world.node.genesis).problems
    assert "the ledger has no order 5555" in problem.reason
    world.store.write({key: held}, sync=True)
    assert fsck(world.store, world.node.genesis).problems == ()


async def test_an_order_that_the_lifecycle_refuses_destroys_nothing() -> None:
    world = World()
    record, root = with_order(world, BRAVO)
    await world.follower.follow()
    assert not world.is_erased(record.record_id)
    assert world.book.duty(root) is None and world.recalls.told == []
    assert world.follower.followed == 2


async def test_an_order_that_is_not_final_destroys_nothing() -> None:
    world = World()
    record, _ = with_order(world, final=False)
    await world.follower.follow()
    assert not world.is_erased(record.record_id)


async def test_a_second_order_for_a_record_asks_nothing_of_anybody() -> None:
    world = World()
    record, _ = with_order(world)
    again = world.anchor(REGULATOR, follow_up(Operation.ERASE, record.record_id, 2))
    await world.follower.follow()
    assert world.book.duty(again) is None
    assert len(world.recalls.told) == 1


async def test_a_retraction_is_recalled_and_confirmed_and_destroys_nothing() -> None:
    world = World()
    records = statements()
    world.anchor(ALPHA, *records)
    root = world.anchor(ALPHA, follow_up(Operation.RETRACT, records[1].record_id))
    await world.follower.follow()
    assert [(t.subject, t.cause) for t in world.recalls.told] == [
        (records[1].record_id, Cause.RETRACTED)
    ]
    world.confirmer.work()
    assert world.mine() == 1
    assert world.confirmations(root) == [("alpha", RECALLED)]
    assert not world.is_erased(records[1].record_id) and world.book.scrub_due == 0


async def test_an_upheld_dispute_is_recalled_and_a_rejected_one_is_not() -> None:
    world = World()
    records = statements()
    world.anchor(ALPHA, *records)
    for record, ruling in ((records[0], 1), (records[1], 2)):
        world.anchor(BRAVO, follow_up(Operation.DISPUTE, record.record_id))
        world.anchor(REGULATOR, follow_up(Operation.RULE, record.record_id, ruling))
    await world.follower.follow()
    assert [(t.subject, t.cause) for t in world.recalls.told] == [
        (records[0].record_id, Cause.OVERRULED)
    ]


async def scrubbed(world: World) -> None:
    """What the scrubber does to the book when files are clean."""
    world.book.scrubbed(world.book.scrub_due)


async def test_a_member_confirms_when_files_are_clean_once_over_restarts() -> None:
    world = World()
    _, root = with_order(world)
    await world.follower.follow()
    world.confirmer.work()
    assert world.sent == [], "files may still hold what was erased"
    await scrubbed(world)
    world.confirmer.work()
    world.confirmer.work()
    assert len(world.sent) == 1
    world = world.restarted()
    world.confirmer.work()
    assert world.mine() == 1
    world.confirmer.work()
    world = world.restarted()
    await world.follower.follow()
    world.confirmer.work()
    assert world.sent == [] and world.confirmations(root) == [("alpha", BOTH)]
    assert list(world.book.duties()) == []


async def test_a_confirmation_that_nobody_holds_any_more_is_sent_again() -> None:
    world = World()
    _, root = with_order(world)
    await world.follower.follow()
    await scrubbed(world)
    world.confirmer.work()
    duty = world.book.duty(root)
    assert duty is not None and duty.stage is Stage.SENT
    sent = world.sent[0].transaction
    world.outbox.remove([(sent.nonce, sent.sender)])
    world = world.restarted()
    world.confirmer.work()
    world.confirmer.work()
    assert world.mine() == 1
    assert world.confirmations(root) == [("alpha", BOTH)]


async def test_a_node_without_a_role_carries_orders_out_and_confirms_nothing() -> None:
    world = World()
    record, _ = with_order(world)
    world.roles.clear()
    await world.follower.follow()
    await scrubbed(world)
    world.confirmer.work()
    assert world.is_erased(record.record_id)
    assert world.sent == [] and list(world.book.duties()) == []


@pytest.mark.parametrize("kept", range(12))
async def test_a_node_that_loses_power_anywhere_ends_in_the_same_state(kept: int) -> None:
    world = World()
    record, root = with_order(world)
    world.store.flush()
    before = MemoryStore(dict(world.store.iterate(b"")))
    await world.follower.follow()
    unsynced = World(before)
    unsynced.store.flush = lambda: None  # type: ignore[method-assign]
    await unsynced.follower.follow()
    again = World(unsynced.store.after_power_cut(kept))
    await again.follower.follow()
    assert again.is_erased(record.record_id) and not again.holds(record.salt)
    assert again.book.erased(record.record_id) == world.book.erased(record.record_id)
    assert again.book.duty(root) == world.book.duty(root)
    assert again.book.scrub_due > 0, "its bytes may be in files"
    assert fsck(again.store, again.node.genesis).problems == ()


async def test_after_a_restart_nobody_knows_what_to_look_for_so_everything_is_compacted() -> None:
    world = World()
    with_order(world)
    assert world.follower.remains.gone == []
    await world.follower.follow()
    assert world.follower.remains.gone and world.follower.remains.records == 1
    assert world.restarted().follower.remains.gone is None


async def test_a_record_that_comes_again_in_another_batch_is_erased_again() -> None:
    world = World()
    record, _ = with_order(world)
    await world.follower.follow()
    world.node.chain.erased.clear()  # as on a node that takes the batch before it follows the order
    world.anchor(CHARLIE, *statements("other", 2), record)
    world.node.chain.erased.add(record.record_id)
    assert world.holds(record.salt)
    await world.follower.follow()
    assert not world.holds(record.salt) and not world.holds(record.tag)


async def test_the_reporter_forgets_by_what_it_knew_its_report_again() -> None:
    world = World()
    records = statements()
    world.anchor(ALPHA, *records)
    name = b"".join(world.outbox.forget_puts(records[0]))
    assert name == b"", "nothing to forget before it is there"
    from node.reporting.outbox import own_name

    own = own_name(records[0].tag, 2, 0)
    world.store.write({b"or" + own: records[0].record_id}, sync=True)
    assert world.outbox.own_record(own) == records[0].record_id
    world.anchor(ALPHA, follow_up(Operation.ERASE, records[0].record_id))
    await world.follower.follow()
    assert world.outbox.own_record(own) is None


async def test_the_tag_cache_forgets_a_tag_that_no_record_has_any_more() -> None:
    world = World()
    first, second = statements("a", 2)
    shared = Record(bytes(32), second.tag, second.payload_bytes)
    world.anchor(ALPHA, first, second)
    world.anchor(BRAVO, shared)
    for name, record in ((b"1" * 16, first), (b"2" * 16, second)):
        world.cache.put(name, record.tag)
    orders = [follow_up(Operation.ERASE, record.record_id) for record in (first, second)]
    world.anchor(ALPHA, *orders)
    await world.follower.follow()
    assert world.cache.get(b"1" * 16) is None
    assert world.cache.get(b"2" * 16) == second.tag, "another record still has it"


async def test_an_order_about_a_record_that_is_not_on_the_ledger_asks_nothing() -> None:
    world = World()
    root = world.anchor(ALPHA, follow_up(Operation.ERASE, RecordId(b"\x77" * 32)))
    await world.follower.follow()
    assert world.book.duty(root) is None and world.follower.followed == 1
