"""The receipts of all members verify offline, and what is bent in them is named with its place."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from bulwark.client.errors import VerificationFailed
from bulwark.client.receipts import verify_receipts
from bulwark.ledger.ids import RecordId
from bulwark.ledger.lifecycle import ConsentStanding, Operation
from bulwark.ledger.record import Record
from node.erasure.desk import ErasureDesk
from node.erasure.orders import OrderDesk, OrderGround
from node.erasure.port import Ground
from node.erasure.triggers import DESTROYED, RECALLED
from node.reporting.idempotency import IdempotencyStore
from node.service import Conflict, Forbidden, Idempotency, NotFound, Stage
from node.storage.durability import Durability
from tests.unit.node.erasure.world import ALPHA, BRAVO, CHARLIE, REGULATOR, World, follow_up
from tests.unit.node.execution.alliance import make_sidecar

BOTH = RECALLED | DESTROYED
DAY_MS = 86_400_000


def order_desk(world: World) -> OrderDesk:
    node = world.node
    return OrderDesk(
        OrderGround(
            store=world.store,
            chain=node.chain,
            records=node.records,
            standings=node.standings,
            anchorer=world.anchorer,
            tracker=world.tracker,
            idempotency=IdempotencyStore(world.store, bytes(32)),
            durability=Durability(world.store),
            member=node.standings.member_of(world.key.address),
            may_anchor=lambda: bool(world.roles),
            place_of=lambda transaction: (Stage.EXECUTED, node.chain.applied),
            now_ms=lambda: 0,
            random_bytes=lambda count: bytes(range(count)),
            wait_timeout_ms=1_000,
        )
    )


def desk_of(world: World) -> ErasureDesk:
    node = world.node
    return ErasureDesk(
        orders=order_desk(world),
        chain=node.chain,
        records=node.records,
        standings=node.standings,
        confirmer=world.confirmer,
        prover=node.prover,
        members=lambda: [m.id for m in node.genesis.members],
        consent_standing=lambda anchor: (
            ConsentStanding.WITHDRAWN if anchor == b"\x31" * 32 else ConsentStanding.GIVEN
        ),
    )


def statements(seed: str = "s", count: int = 3) -> tuple[Record, ...]:
    return tuple(e for e in make_sidecar(count, seed).entries if isinstance(e, Record))


async def erased(by: Any = ALPHA, confirm: tuple[Any, ...] = (ALPHA, BRAVO, CHARLIE, REGULATOR)):  # type: ignore[no-untyped-def]
    """A world in which a record was erased and confirmed; the world and the record's id."""
    world = World()
    records = statements()
    world.anchor(ALPHA, *records)
    subject = records[0].record_id
    root = world.anchor(by, follow_up(Operation.ERASE, subject))
    await world.follower.follow()
    for number, key in enumerate(confirm):
        world.anchor(key, _confirm(root, number))
    return world, subject


def _confirm(root: bytes, number: int, bits: int = BOTH) -> Record:
    made = follow_up(Operation.CONFIRM, RecordId(root), bits)
    return Record(bytes([number]) * 32, made.tag, made.payload_bytes)


async def document(world: World, subject: RecordId) -> dict[str, Any]:
    return json.loads(json.dumps(await desk_of(world).receipts(subject)))  # type: ignore[no-any-return]


async def test_receipts_of_all_members_verify_with_the_genesis_document_alone() -> None:
    world, subject = await erased()
    found = json.dumps(await document(world, subject)).encode()
    verdict = verify_receipts(found, world.node.genesis.to_json())
    assert [r.member for r in verdict.receipts] == ["alpha", "bravo", "charlie", "delta"]
    assert verdict.missing == () and verdict.order_is_allowed is True
    assert (verdict.record_id, verdict.ordered_by, verdict.order_height) == (
        subject.hex(),
        "alpha",
        2,
    )
    assert all(receipt.destroyed and receipt.recalled for receipt in verdict.receipts)


async def test_members_without_a_receipt_are_named() -> None:
    world, subject = await erased(REGULATOR, (BRAVO,))
    found = json.dumps(await document(world, subject)).encode()
    verdict = verify_receipts(found, world.node.genesis.to_json())
    assert verdict.missing == ("alpha", "charlie", "delta") and verdict.order_is_allowed is True
    view = await desk_of(world).erasure(subject)
    assert view.erased_here and view.orders[0].batch is not None
    assert view.orders[0].batch.missing == ("alpha", "charlie", "delta")


Bend = Callable[[dict[str, Any]], None]


def _drop_order(d: dict[str, Any]) -> None:
    del d["order"]


BENT: dict[str, tuple[Bend, str]] = {
    "another format": (lambda d: d.update(format="x"), "format"),
    "a missing part": (_drop_order, "order is missing"),
    "an unknown part": (lambda d: d.update(more=1), "more is missing or unknown"),
    "another record's id": (lambda d: d.update(record_id="11" * 32), "record: .*another record"),
    "a confirmation as the order": (
        lambda d: d.update(order=d["confirmations"][0]),
        "order: operation 8, not ERASE",
    ),
    "the order as a confirmation": (
        lambda d: d["confirmations"].append(d["order"]),
        r"confirmations\[4\]: operation 7, not CONFIRM",
    ),
    "one receipt twice": (
        lambda d: d["confirmations"].append(d["confirmations"][1]),
        r"confirmations\[4\]: a second receipt",
    ),
    "a receipt that is no proof": (
        lambda d: d["confirmations"].__setitem__(2, {}),
        r"confirmations\[2\]",
    ),
    "an order that is a leaf alone": (
        lambda d: d.update(order=d["record"]),
        "order: the proof shows a bare leaf",
    ),
    "a record in full": (lambda d: d.update(record=d["order"]), "record"),
    "no list of confirmations": (lambda d: d.update(confirmations={}), "confirmations"),
}


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [p for name, v in value.items() for p in _leaves(v, (*path, name))]
    if isinstance(value, list):
        return [p for at, v in enumerate(value) for p in _leaves(v, (*path, at))]
    return [path]


@pytest.fixture(scope="module")
def sound() -> tuple[dict[str, Any], bytes]:
    """A sound file and the genesis document."""

    async def make() -> tuple[dict[str, Any], bytes]:
        world, subject = await erased()
        return await document(world, subject), world.node.genesis.to_json()

    return asyncio.run(make())


@pytest.mark.parametrize("bent", BENT)
def test_a_bent_file_is_refused_and_the_fault_is_named(
    bent: str, sound: tuple[dict[str, Any], bytes]
) -> None:
    change, why = BENT[bent]
    found = copy.deepcopy(sound[0])
    change(found)
    with pytest.raises(VerificationFailed, match=why):
        verify_receipts(json.dumps(found).encode(), sound[1])


def test_no_bit_of_any_hexadecimal_value_can_be_turned(
    sound: tuple[dict[str, Any], bytes],
) -> None:
    turned = 0
    for path in _leaves(sound[0]):
        found = copy.deepcopy(sound[0])
        place: Any = found
        for step in path[:-1]:
            place = place[step]
        value = place[path[-1]]
        if not isinstance(value, str) or len(value) < 64:
            continue
        place[path[-1]] = f"{value[:8]}{int(value[8], 16) ^ 1:x}{value[9:]}"
        with pytest.raises(VerificationFailed):
            verify_receipts(json.dumps(found).encode(), sound[1])
        turned += 1
    assert turned > 30


async def test_a_member_that_did_not_destroy_gives_no_receipt() -> None:
    world, subject = await erased(confirm=())
    order = world.node.records.follow_ups(subject)[0]
    place = world.node.chain.record_place(order.record_id)
    assert place is not None
    world.anchor(BRAVO, _confirm(place.root, 1, RECALLED))
    found = json.dumps(await document(world, subject)).encode()
    with pytest.raises(VerificationFailed, match="does not say that the data was destroyed"):
        verify_receipts(found, world.node.genesis.to_json())


async def test_receipts_of_another_alliance_are_refused(
    sound: tuple[dict[str, Any], bytes],
) -> None:
    genesis = json.loads(sound[1])
    genesis["created_ms"] += 1
    with pytest.raises(VerificationFailed):
        verify_receipts(json.dumps(sound[0]).encode(), json.dumps(genesis).encode())


async def test_there_are_no_receipts_before_an_order_and_none_for_an_unknown_record() -> None:
    world = World()
    records = statements()
    world.anchor(ALPHA, *records)
    with pytest.raises(Conflict, match="no order"):
        await desk_of(world).receipts(records[0].record_id)
    with pytest.raises(NotFound):
        await desk_of(world).receipts(RecordId(b"\x01" * 32))


# Orders of this member


async def placed(world: World, ids: list[RecordId], **more: Any) -> Any:
    wanted = {"wait": Stage.ACCEPTED, "idempotency": None, **more}
    return await order_desk(world).order(ids, Ground.REQUEST, **wanted)


async def test_many_orders_are_one_transaction_and_erase_what_they_name() -> None:
    world = World()
    records = statements(count=20)
    world.anchor(ALPHA, *records)
    ids = [record.record_id for record in records[:15]]
    outcome = await placed(world, [*ids, ids[0]])
    assert len(world.sent) == 1 and outcome.ordered == tuple(ids) and outcome.refused == ()
    world.mine()
    await world.follower.follow()
    assert [world.is_erased(record.record_id) for record in records] == [True] * 15 + [False] * 5


async def test_what_the_ledger_would_refuse_is_not_sent() -> None:
    world = World(key=BRAVO)
    records = statements()
    world.anchor(ALPHA, *records)
    unknown = RecordId(b"\x01" * 32)
    outcome = await placed(world, [records[0].record_id, unknown])
    assert world.sent == [] and outcome.root is None
    assert [refusal.rule for _, refusal in outcome.refused] == [
        "lifecycle.erase.record_counts",
        "lifecycle.erase.unknown",
    ]


async def test_a_follow_up_can_not_be_ordered_to_be_erased() -> None:
    world = World()
    records = statements()
    world.anchor(ALPHA, *records)
    retraction = follow_up(Operation.RETRACT, records[0].record_id)
    world.anchor(ALPHA, retraction)
    outcome = await placed(world, [retraction.record_id])
    assert [refusal.rule for _, refusal in outcome.refused] == ["lifecycle.erase.not_a_statement"]


async def test_the_same_key_orders_once() -> None:
    world = World()
    records = statements()
    world.anchor(ALPHA, *records)
    wish = Idempotency("key-1", b"\x05" * 32)
    first = await placed(world, [records[0].record_id], idempotency=wish)
    again = await placed(world, [records[0].record_id], idempotency=wish)
    assert len(world.sent) == 1
    assert (again.root, again.ordered) == (first.root, first.ordered)


async def test_a_member_without_a_role_orders_nothing() -> None:
    world = World()
    world.roles.clear()
    with pytest.raises(Forbidden):
        await placed(world, [RecordId(b"\x01" * 32)])


async def test_own_records_are_overdue_after_their_last_day_and_the_grace() -> None:
    world = World()
    today = world.node.chain.tip.timestamp_ms // DAY_MS
    made = []
    for number, until_day in enumerate((0, today - 40, today - 20, today + 5)):
        payload = statements()[0].payload
        dated = type(payload)(operation=1, kind=1, fraud_type=2, valid_until_day=until_day)
        made.append(Record.of(bytes([number + 1]) * 32, statements()[0].tag, dated))
    world.anchor(ALPHA, *made)
    others = Record.of(b"\x09" * 32, made[1].tag, made[1].payload)
    world.anchor(BRAVO, others)
    assert await order_desk(world).overdue() == [made[1].record_id]


async def test_records_on_an_ended_consent_are_offered_for_erasure() -> None:
    world = World()
    ended, given = b"\x31" * 32, b"\x32" * 32
    made = []
    for number, anchor in enumerate((ended, given, None, ended)):
        payload = type(statements()[0].payload)(operation=1, kind=1, consent_anchor=anchor)
        made.append(Record.of(bytes([number + 1]) * 32, statements()[number % 3].tag, payload))
    world.anchor(ALPHA, *made)
    world.anchor(BRAVO, Record.of(b"\x0a" * 32, made[0].tag, made[0].payload))
    (offer,) = await desk_of(world).offers(100)
    assert offer.anchor_id == ended
    assert set(offer.records) == {made[0].record_id, made[3].record_id}
