"""A node far behind gets to the tip without executing history, whatever single peers do."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from bulwark.ledger.ids import Digest, Height, MemberId
from bulwark.ledger.votes import Certificate
from node.chain.errors import PinContradicted
from node.chain.syncblock import SyncBlock
from node.requests import PeerUnavailable, Topic, decode_first
from node.storage.memory import MemoryStore
from node.sync.faults import Fault, SyncImpossible
from node.sync.pin import Pin
from node.sync.progress import Meter
from node.sync.server import TargetServer
from node.sync.wire import Target, decode_hashes, encode_blocks, encode_target, encode_values
from tests.unit.node.execution.alliance import Node, certify
from tests.unit.node.sync.support import (
    BAD,
    GOOD,
    NOT_INSTALLED,
    Mesh,
    Server,
    Syncing,
    clean,
    contents,
    grow,
    servers,
    source,
    sync_blocks,
)

LAST = 12
Spoil = Callable[[list[SyncBlock]], list[SyncBlock]]


async def reach(syncing: Syncing, target: int = LAST, prefer: MemberId = BAD) -> Certificate:
    async with asyncio.timeout(20):
        return await syncing.sync.run(Height(target), prefer)


def in_step(syncing: Syncing, node: Node | None = None) -> None:
    node = node or source()
    assert syncing.node.chain.tip == node.chain.tip
    assert contents(syncing.node, *NOT_INSTALLED) == contents(node, *NOT_INSTALLED)
    assert syncing.sync.progress is None and syncing.sync.target is None


async def test_an_empty_node_reaches_the_tip_without_executing_a_block() -> None:
    syncing = Syncing(Node(), Mesh({GOOD: servers(source())}))
    certificate = await reach(syncing)
    assert certificate.subject.height == LAST
    in_step(syncing)
    assert (syncing.watcher.executed_heights, syncing.watcher.installed_from) == ([], [0])
    assert syncing.node.chain.state_from == LAST
    assert clean(syncing.node)


async def test_a_node_with_a_past_fetches_only_what_it_lacks() -> None:
    syncing = Syncing(grow(Node(), 3, interval=3), Mesh({GOOD: servers(source())}))
    await reach(syncing)
    in_step(syncing)
    assert syncing.watcher.installed_from == [3]
    assert clean(syncing.node)
    grow(syncing.node, 2)
    assert clean(syncing.node)


async def test_a_node_that_is_close_executes() -> None:
    syncing = Syncing(grow(Node(), 8, interval=3), Mesh({GOOD: servers(source())}))
    await reach(syncing)
    assert syncing.watcher.executed_heights == [9, 10, 11, 12]
    assert (GOOD, Topic.STATE) not in syncing.mesh.asked


async def test_who_only_knows_that_there_is_more_finds_out_how_much() -> None:
    # As an observer does: its target is the next block, whatever heights are announced.
    syncing = Syncing(Node(), Mesh({GOOD: servers(source())}))
    await reach(syncing, target=1)
    in_step(syncing)
    assert syncing.watcher.executed_heights == []


async def test_a_far_target_that_nobody_proves_is_executed_as_far_as_there_are_blocks() -> None:
    node = grow(Node(), 3)
    syncing = Syncing(Node(), Mesh({GOOD: servers(node)}))
    with pytest.raises(SyncImpossible, match="3 applied"):
        await reach(syncing, target=1 << 40)
    assert syncing.watcher.executed_heights == [1, 2, 3]


async def test_a_state_sync_that_finds_nothing_to_store_leaves_the_older_states_askable() -> None:
    """A member may claim any height in an epoch that nobody knows."""
    syncing = Syncing(grow(Node(), 12, interval=3), Mesh({GOOD: servers(source())}))
    state = syncing.sync._state
    assert state is not None
    meter = Meter(Height(12), Height(1 << 40), lambda: 0)
    assert (await state.run(None, meter)).subject.height == 12
    assert syncing.node.chain.state_from == 0


# Lies


def blocks_spoilt(spoil: Spoil) -> Server:
    async def answer(member: MemberId, body: bytes) -> bytes:
        return encode_blocks(spoil(sync_blocks(source(), decode_first(body))))

    return answer


def forged(certificate: Certificate | None) -> Certificate:
    assert certificate is not None
    (first, signature), *others = certificate.signatures
    return Certificate(certificate.subject, ((first, signature[::-1]), *others))  # type: ignore[arg-type]


def last(change: Callable[[SyncBlock], SyncBlock]) -> Spoil:
    return lambda blocks: [*blocks[:-1], change(blocks[-1])]


def middle(change: Callable[[SyncBlock], SyncBlock]) -> Spoil:
    return lambda blocks: [*blocks[:5], change(blocks[5]), *blocks[6:]]


def swapped(block: SyncBlock) -> SyncBlock:
    (position, receipt), *others = block.receipts
    wrong = dataclasses.replace(receipt, succeeded=not receipt.succeeded)
    return replace(block, receipts=((position, wrong), *others))


LIES: dict[str, Spoil] = {
    "a forged certificate": last(lambda b: replace(b, checkpoint=forged(b.checkpoint))),
    "a forged certificate below a good one": middle(
        lambda b: replace(b, checkpoint=forged(b.checkpoint))
    ),
    "a certificate of too few": last(
        lambda b: replace(
            b,
            checkpoint=Certificate(b.checkpoint.subject, b.checkpoint.signatures[:2]),  # type: ignore[union-attr]
        )
    ),
    "another parent": middle(
        lambda b: replace(b, header=replace(b.header, parent_hash=Digest(bytes(32))))
    ),
    "another state root": last(
        lambda b: replace(b, header=replace(b.header, state_root=Digest(bytes(32))))
    ),
    "swapped receipts": middle(swapped),
    "no sidecar": middle(lambda b: replace(b, sidecars=())),
    "a hole": lambda blocks: [*blocks[:5], *blocks[6:]],
    "blocks from elsewhere": lambda blocks: blocks[2:],
    "a huge height": lambda blocks: [
        replace(blocks[0], header=replace(blocks[0].header, height=Height(1 << 60)))
    ],
}


@pytest.mark.parametrize("lie", LIES)
async def test_who_lies_about_blocks_is_named_dropped_and_left_out(lie: str) -> None:
    bad = {**servers(source()), Topic.BLOCKS: blocks_spoilt(LIES[lie])}
    syncing = Syncing(Node(), Mesh({BAD: bad, GOOD: servers(source())}))
    await reach(syncing)
    in_step(syncing)
    assert [member for member, _ in syncing.mesh.dropped] == [BAD]
    assert syncing.peers.blamed[BAD].fault is Fault.LIED
    assert syncing.peers.faults == {Fault.LIED: 1}
    assert clean(syncing.node)


async def garbage(member: MemberId, body: bytes) -> bytes:
    return b"\xff" * 100


async def silence(member: MemberId, body: bytes) -> bytes:
    await asyncio.Event().wait()
    return b""


async def refusal(member: MemberId, body: bytes) -> bytes:
    raise PeerUnavailable(BAD, "answered busy")


async def too_long(member: MemberId, body: bytes) -> bytes:
    return (1 << 20).to_bytes(4, "big") + bytes(1 << 21)


async def wrong_values(member: MemberId, body: bytes) -> bytes:
    return encode_values([b"not it" for _ in decode_hashes(body)])


async def one_too_many(member: MemberId, body: bytes) -> bytes:
    hashes = decode_hashes(body)
    return encode_values([source().store.get(b"n" + each) for each in hashes] + [b"more"])


async def nothing(member: MemberId, body: bytes) -> bytes:
    return encode_values([None for _ in decode_hashes(body)])


async def emptiness(member: MemberId, body: bytes) -> bytes:
    return encode_values([])


async def no_blocks(member: MemberId, body: bytes) -> bytes:
    return encode_blocks([])


async def huge_claim(member: MemberId, body: bytes) -> bytes:
    header = replace(source().chain.tip, height=Height(1 << 60))
    signed = source().chain.checkpoint(Height(LAST))
    assert signed is not None
    subject = replace(signed.subject, height=header.height, digest=header.hash())
    return encode_target(Target(header, Certificate(subject, signed.signatures)))


ANSWERS: list[tuple[Topic, Server, Fault]] = [
    *((topic, garbage, Fault.LIED) for topic in (Topic.BLOCKS, Topic.STATE, Topic.TARGET)),
    *((topic, too_long, Fault.LIED) for topic in (Topic.BLOCKS, Topic.STATE, Topic.TARGET)),
    *((topic, silence, Fault.SILENT) for topic in (Topic.BLOCKS, Topic.STATE, Topic.TARGET)),
    *((topic, refusal, Fault.SILENT) for topic in (Topic.BLOCKS, Topic.STATE, Topic.TARGET)),
    (Topic.STATE, wrong_values, Fault.LIED),
    (Topic.STATE, one_too_many, Fault.LIED),
    (Topic.STATE, nothing, Fault.WITHHELD),
    (Topic.STATE, emptiness, Fault.WITHHELD),
    (Topic.BLOCKS, no_blocks, Fault.WITHHELD),
    (Topic.TARGET, huge_claim, Fault.LIED),
]


@pytest.mark.parametrize(
    ("topic", "server", "fault"), ANSWERS, ids=[f"{t.name}-{s.__name__}" for t, s, _ in ANSWERS]
)
async def test_who_answers_badly_is_blamed_for_it_and_the_others_finish(
    topic: Topic, server: Server, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = {**servers(source()), topic: server}
    mesh = Mesh({BAD: bad, GOOD: servers(source())})
    syncing = Syncing(Node(), mesh, timeout_ms=-950)  # 50 ms with the mesh's own second
    await reach(syncing)
    in_step(syncing)
    assert syncing.peers.blamed[BAD].fault is fault
    assert bool(mesh.dropped) == (fault is Fault.LIED)


async def test_a_claim_of_an_unknown_epoch_is_followed_only_to_who_makes_it() -> None:
    async def claim(member: MemberId, body: bytes) -> bytes:
        header = replace(source().chain.tip, height=Height(1 << 40), epoch=7)  # type: ignore[arg-type]
        return encode_target(Target(header, certify(source().genesis, header)))

    bad = {**servers(source()), Topic.TARGET: claim}
    syncing = Syncing(Node(), Mesh({BAD: bad, GOOD: servers(source())}))
    await reach(syncing)
    in_step(syncing)
    assert set(syncing.peers.blamed) == {BAD}


async def test_nobody_left_is_said_and_the_next_attempt_goes_on_where_this_one_was() -> None:
    half = {**servers(source()), Topic.STATE: nothing}
    node = Node()
    with pytest.raises(SyncImpossible, match="nobody serves the state"):
        await reach(Syncing(node, Mesh({BAD: half})))
    assert node.chain.applied == 0
    assert clean(node)
    mesh = Mesh({GOOD: servers(source())})
    syncing = Syncing(node, mesh)
    await reach(syncing)
    in_step(syncing)
    assert (GOOD, Topic.BLOCKS) not in mesh.asked


async def test_the_target_moves_on_when_peers_have_left_its_state_behind() -> None:
    node = grow(Node(), 6, interval=3)
    moving = servers(node)
    asked = 0

    async def state(member: MemberId, body: bytes) -> bytes:
        nonlocal asked
        asked += 1
        if asked == 1:
            grow(node, 6, interval=3)
            return await nothing(member, body)
        return await servers(node)[Topic.STATE](member, body)

    syncing = Syncing(Node(), Mesh({GOOD: {**moving, Topic.STATE: state}}))
    await reach(syncing, target=6)
    in_step(syncing, node)
    assert syncing.node.chain.applied == 12


async def test_what_is_not_certified_is_not_installed() -> None:
    node = grow(Node(), 8, interval=6)
    syncing = Syncing(Node(), Mesh({GOOD: servers(node)}))
    await reach(syncing, target=6)
    assert syncing.node.chain.applied == 6
    assert clean(syncing.node)


# The operator's pin


async def test_a_chain_without_the_pinned_block_is_refused_with_both_hashes() -> None:
    pin = Pin(Height(7), Digest(bytes(31) + b"\x07"))
    syncing = Syncing(Node(), Mesh({GOOD: servers(source())}), pin=pin)
    with pytest.raises(PinContradicted, match=r"block 7 is 0x[0-9a-f]{64}, .* pins 0x0{63}7"):
        await reach(syncing)
    assert syncing.node.chain.applied == 0
    executing = Syncing(grow(Node(), 5, interval=5), syncing.mesh, pin=pin)
    with pytest.raises(PinContradicted):
        await executing.sync.run(Height(9), None)


async def test_the_pinned_chain_is_accepted() -> None:
    header = source().chain.header(Height(7))
    assert header is not None
    pin = Pin(Height(7), header.hash())
    syncing = Syncing(Node(), Mesh({GOOD: servers(source())}), pin=pin)
    await reach(syncing)
    pin.check_chain(syncing.node.chain.header)
    Pin(Height(99), header.hash()).check_chain(syncing.node.chain.header)
    with pytest.raises(PinContradicted):
        Pin(Height(6), header.hash()).check_chain(syncing.node.chain.header)


async def test_a_member_without_a_certificate_shows_no_target() -> None:
    assert await TargetServer(Node().chain)(GOOD, b"") == encode_target(None)
    assert isinstance(Node().store, MemoryStore)
