"""The homecoming: the access log goes on, own records are known, the door opens last."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from bulwark.ledger.accesslog import AccessKind, Head
from bulwark.ledger.ids import Height
from node.backup.homecoming import Homecoming, HomecomingParts
from node.backup.restored import Restored
from node.clock import Clock
from node.guarded.accesslog import AccessLog
from node.guarded.atrest import AtRest
from node.reporting.outbox import Outbox, own_name
from node.requests import Topic
from node.storage import schema
from node.storage.durability import Durability
from node.sync.peers import Peers
from node.sync.wire import Target, encode_target
from tests.unit.node.execution.alliance import ACCOUNTS, Node, anchor, certify, make_sidecar

ALPHA = ACCOUNTS[0]
MEMBER = b"alpha".ljust(32, b"\0")


class Mesh:
    """Two members that show one certified height."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def connected(self) -> list[str]:
        return ["bravo", "charlie"]

    async def ask(self, _member: str, topic: Topic, _body: bytes, _timeout_ms: int) -> bytes:
        assert topic is Topic.TARGET
        header = self.node.chain.tip
        return encode_target(Target(header, certify(self.node.genesis, header)))


def access_log(node: Node) -> AccessLog:
    at_rest = AtRest(bytes(32), b"access", os.urandom)
    return AccessLog(node.store, at_rest, node.genesis.hash, MEMBER)


def note(log: AccessLog, count: int) -> None:
    for _ in range(count):
        log.record(
            who="key", role="analyst", purpose="fraud_prevention",
            lawful_basis="legitimate_interests", case_ref="", kind=AccessKind.SCREENING, count=1,
            now_ms=1_000,
        )  # fmt: skip


def restored_node() -> Node:
    """A replica with two own batches since the backup at block 0."""
    node = Node()
    for number in range(2):
        sidecar = make_sidecar(2, f"own{number}")
        node.block(anchor(ALPHA, number, sidecar), sidecars=[sidecar])
    node.store.write(Restored(0, 1, 2).puts(), sync=True)
    return node


def parts(node: Node, access: AccessLog, **other: object) -> HomecomingParts:
    made = HomecomingParts(
        store=node.store,
        chain=node.chain,
        durability=Durability(node.store),
        peers=Peers(Mesh(node)),  # type: ignore[arg-type]
        terms_of=lambda epoch: node.executor.epochs.number(epoch).terms,
        quorum_connected=lambda: True,
        is_syncing=lambda: False,
        followed=lambda: node.chain.finalized,
        outbox=Outbox(node.store),
        account=ALPHA.address,
        access=access,
        anchored=lambda: None,
        now_ms=Clock().wall_ms,
    )
    return replace(made, **other)  # type: ignore[arg-type]


async def test_own_records_since_the_backup_are_known_and_the_mark_goes() -> None:
    node = restored_node()
    access = access_log(node)
    coming = Homecoming(parts(node, access))
    assert coming.closed() is not None
    await asyncio.wait_for(coming.run(), 20)
    assert coming.closed() is None
    assert node.store.get(schema.META_RESTORED) is None
    outbox = Outbox(node.store)
    for number in range(2):
        for entry in make_sidecar(2, f"own{number}").entries:
            record = node.chain.sidecar(make_sidecar(2, f"own{number}").root)
            assert record is not None
            payload = entry.payload  # type: ignore[union-attr]
            name = own_name(entry.tag, payload.fraud_type, payload.object_role)  # type: ignore[union-attr]
            assert outbox.own_record(name) == entry.record_id
    assert access.page()[-1].action == "restore"
    assert Homecoming(parts(node, access)).closed() is None


async def test_the_log_goes_on_behind_the_anchored_head_and_names_the_gap() -> None:
    node = restored_node()
    old = access_log(node)
    note(old, 3)
    before = old.page()
    lost = Head(8, type(old.head.digest)(b"\x07" * 32))
    await asyncio.wait_for(Homecoming(parts(node, old, anchored=lambda: lost)).run(), 20)
    assert old.check([lost]) is None
    note(old, 2)
    again = access_log(node)
    assert again.head == old.head
    assert again.head.count == 11
    assert again.check([lost, again.head]) is None
    page = again.page()
    assert page[:3] == before, "what was before the gap stays readable"
    assert [entry.number for entry in page] == [1, 2, 3, 9, 10, 11]
    assert "entries 4 to 8 are lost" in page[3].subject
    assert again.prune(500) == 0, "it is kept as long as any entry"


@pytest.mark.parametrize(
    "other",
    [
        {"quorum_connected": lambda: False},
        {"is_syncing": lambda: True},
        {"followed": lambda: Height(0)},
    ],
    ids=["no quorum", "sync under way", "orders not carried out"],
)
async def test_the_door_stays_shut_while(other: dict[str, Callable[[], object]]) -> None:
    node = restored_node()
    coming = Homecoming(parts(node, access_log(node), **other))
    task = asyncio.create_task(coming.run())
    done, _ = await asyncio.wait([task], timeout=1.0)
    assert not done
    assert "restored from block 0" in (coming.closed() or "")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert node.store.get(schema.META_RESTORED) is not None


async def test_the_door_stays_shut_below_the_height_that_members_prove() -> None:
    ahead, node = restored_node(), Node()
    node.store.write(Restored(0, 1, 2).puts(), sync=True)
    made = parts(node, access_log(node), peers=Peers(Mesh(ahead)))  # type: ignore[arg-type]
    coming = Homecoming(made)
    assert not await coming._is_in_step()
    assert "block 0 of 2" in (coming.closed() or "")


async def test_how_far_a_restored_node_is_is_told_until_its_door_is_open() -> None:
    node, now = restored_node(), [1_000]
    follows = [Height(0)]
    told = parts(node, access_log(node), now_ms=lambda: now[0], followed=lambda: follows[0])
    coming = Homecoming(told)
    for at in (1_500, 200_000):
        now[0] = at
        assert not await coming._is_in_step()
    facts = coming.facts()
    assert facts is not None and facts.height == 0
    assert (facts.since_ms, facts.moved_ms) == (1_000, 1_500), "saying so again is no progress"
    shown = {family.name: family.samples[0].value for family in coming.families()}
    assert shown == {"bulwark_restore_running": 1.0, "bulwark_restore_idle_seconds": 198.5}
    follows[0] = node.chain.finalized
    await asyncio.wait_for(coming.run(), 20)
    assert coming.facts() is None and coming.document() is None
    shown = {family.name: family.samples[0].value for family in coming.families()}
    assert shown == {"bulwark_restore_running": 0.0, "bulwark_restore_idle_seconds": 0.0}
