"""Block sync believes certificates, never a peer; a server answers in portions."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace

from bulwark.ledger.batch import Batch
from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import Height, MemberId, TimestampMs
from bulwark.ledger.transaction import Transaction
from bulwark.ledger.votes import Certificate
from node.chain.syncblock import SyncBlock
from node.driver.sync import (
    MAX_BLOCKS,
    BlockServer,
    BlockSync,
    SelfContradicted,
    SyncImpossible,
    decode_blocks,
    encode_blocks,
)
from node.requests import MAX_SYNC_BYTES, PeerUnavailable, Topic, decode_first, encode_first
from node.sync.peers import Peers as SyncPeers
from tests.unit.node.execution.alliance import (
    ACCOUNTS,
    NOWHERE,
    Node,
    anchor,
    call,
    certify,
    make_genesis,
    make_sidecar,
)

GOOD, BAD = MemberId("good"), MemberId("bad")
Answer = Callable[[Height], Sequence[SyncBlock]]


class Watcher:
    def __init__(self) -> None:
        self.heights: list[int] = []

    def ordered(self, height: Height, batch: Batch) -> None: ...

    def executed(self, height: Height, block: object) -> None:
        self.heights.append(height)

    async def installed(self, chain: object, before: Height) -> None:
        self.heights.append(-before)

    def finalized(self, height: Height) -> None: ...

    def transactions_of(self, batch: Batch) -> list[Transaction]:
        return [Transaction.decode(raw) for raw in batch.transactions]


class Peers:
    def __init__(self, answers: dict[MemberId, Answer]) -> None:
        self.answers = answers
        self.asked: list[MemberId] = []

    def connected(self) -> list[MemberId]:
        return sorted(self.answers)

    async def ask(self, member: MemberId, topic: Topic, body: bytes, timeout_ms: int) -> bytes:
        self.asked.append(member)
        return encode_blocks(self.answers[member](decode_first(body)))


def source(blocks: int = 4, certified: Sequence[int] | None = None) -> Node:
    node = Node()
    for number in range(blocks):
        carried = make_sidecar(2, f"s{number}")
        final = certified is None or number + 1 in certified
        node.block(anchor(ACCOUNTS[0], number, carried), sidecars=[carried], final=final)
    return node


def honest(node: Node) -> Answer:
    return lambda first: node.chain.sync_blocks(first, 1 << 20)


def sync_of(node: Node, peers: Peers) -> BlockSync:
    return BlockSync(
        chain=node.chain,
        execution=node.executor,
        observer=Watcher(),  # type: ignore[arg-type]
        peers=SyncPeers(peers),
        epochs=node.executor.epochs,
        now_ms=lambda: 0,
    )


async def run(node: Node, peers: Peers, target: int = 4, prefer: MemberId | None = BAD) -> None:
    async with asyncio.timeout(10):
        certificate = await sync_of(node, peers).run(Height(target), prefer)
    assert certificate.subject.height >= target


def with_bad_signature(certificate: Certificate) -> Certificate:
    (first, signature), *others = certificate.signatures
    return Certificate(
        certificate.subject,
        ((first, signature[::-1]), *others),  # type: ignore[arg-type]
    )


def with_one_signer(certificate: Certificate) -> Certificate:
    return Certificate(certificate.subject, certificate.signatures[:1])


def lies() -> dict[str, Callable[[list[SyncBlock]], list[SyncBlock]]]:
    other = source(1).chain.sync_blocks(Height(1), 0)[0]

    def tip(change: Callable[[SyncBlock], SyncBlock]) -> Callable[..., list[SyncBlock]]:
        return lambda blocks: [*blocks[:-1], change(blocks[-1])]

    return {
        "nothing": lambda blocks: [],
        "no certificate": lambda blocks: [replace(b, checkpoint=None) for b in blocks],
        "forged certificate": tip(
            lambda b: replace(b, checkpoint=with_bad_signature(b.checkpoint))
        ),  # type: ignore[arg-type]
        "certificate of one": tip(lambda b: replace(b, checkpoint=with_one_signer(b.checkpoint))),  # type: ignore[arg-type]
        "certificate of another block": tip(lambda b: replace(b, checkpoint=other.checkpoint)),
        "another header": tip(lambda b: replace(b, header=other.header)),
        "a hole": lambda blocks: [blocks[0], *blocks[2:]],
        "not from where it was asked": lambda blocks: blocks[1:],
        "another batch": lambda blocks: [replace(blocks[0], batch=blocks[1].batch), *blocks[1:]],
        "no sidecar": lambda blocks: [replace(blocks[0], sidecars=()), *blocks[1:]],
    }


@pytest.mark.parametrize("lie", sorted(lies()))
async def test_a_lying_peer_is_left_out_and_the_next_one_asked(lie: str) -> None:
    node, fresh = source(), Node()
    spoil = lies()[lie]
    peers = Peers({BAD: lambda first: spoil(list(honest(node)(first))), GOOD: honest(node)})
    await run(fresh, peers)
    assert fresh.chain.tip == node.chain.tip
    assert peers.asked == [BAD, GOOD]


async def test_a_forged_certificate_below_a_good_one_is_not_stored() -> None:
    node, fresh = source(), Node()

    def spoil(first: Height) -> list[SyncBlock]:
        blocks = list(honest(node)(first))
        forged = with_bad_signature(blocks[0].checkpoint)  # type: ignore[arg-type]
        return [replace(blocks[0], checkpoint=forged), *blocks[1:]]

    await run(fresh, Peers({BAD: spoil, GOOD: honest(node)}))
    for height in range(1, 5):
        certificate = fresh.chain.checkpoint(Height(height))
        assert certificate is not None
        certificate.verify(node.genesis.validator_set, node.genesis.domain())


async def test_blocks_above_the_last_certificate_are_not_applied() -> None:
    node, fresh = source(4, certified=[2]), Node()
    await run(fresh, Peers({GOOD: honest(node)}), target=2)
    assert fresh.chain.applied == 2


async def test_nobody_who_helps_is_said_and_what_was_applied_stays() -> None:
    node, fresh = source(2), Node()
    with pytest.raises(SyncImpossible, match="2 applied"):
        await run(fresh, Peers({GOOD: honest(node)}), target=9)
    assert fresh.chain.applied == 2


async def test_who_failed_before_is_asked_last_even_if_preferred() -> None:
    node, fresh = source(2), Node()

    def silent(first: Height) -> Sequence[SyncBlock]:
        raise PeerUnavailable(BAD, "no answer")

    peers = Peers({BAD: silent, GOOD: honest(node)})
    sync = sync_of(fresh, peers)
    await sync.run(Height(1), BAD)
    carried = make_sidecar(1, "later")
    node.block(anchor(ACCOUNTS[0], 2, carried), sidecars=[carried])
    await sync.run(Height(3), BAD)
    assert peers.asked == [BAD, GOOD, GOOD]
    assert sync.target is None


async def test_an_own_block_that_certified_headers_do_not_continue_halts() -> None:
    node, stray = source(), Node()
    stray.block(call(ACCOUNTS[1], 0, NOWHERE), final=False)
    with pytest.raises(SelfContradicted, match="another parent"):
        await run(stray, Peers({GOOD: honest(node)}))


async def test_certified_blocks_that_execute_otherwise_here_halt() -> None:
    node = source()
    strange = Node(genesis=dataclasses.replace(make_genesis(), gas_limit=20_000_000))
    strange.chain._tip = Node().chain.tip
    with pytest.raises(SelfContradicted, match="executes to"):
        await run(strange, Peers({GOOD: _under(strange, node)}))


def _under(strange: Node, node: Node) -> Answer:
    """Blocks of another rule book, certified by the strange node's own validators."""

    def answer(first: Height) -> list[SyncBlock]:
        return [
            replace(b, checkpoint=certify(strange.genesis, b.header))
            for b in node.chain.sync_blocks(first, 1 << 20)
        ]

    return answer


async def test_own_full_sidecar_goes_before_a_peers_erased_one() -> None:
    node, fresh = source(1), Node()
    carried = make_sidecar(2, "s0")
    fresh.chain.put_sidecar(carried)

    def erased(first: Height) -> list[SyncBlock]:
        return [replace(b, sidecars=(carried.erase(0),)) for b in honest(node)(first)]

    await run(fresh, Peers({GOOD: erased}), target=1)
    assert len(fresh.records.records_of(carried.entries[0].tag, 9)) == 1  # type: ignore[union-attr]


async def test_server_gives_blocks_in_order_and_nothing_above_its_tip() -> None:
    server = BlockServer(source(4).chain)
    answer = decode_blocks(await server(GOOD, encode_first(Height(2))))
    assert [block.header.height for block in answer] == [2, 3, 4]
    assert decode_blocks(await server(GOOD, encode_first(Height(5)))) == ()
    with pytest.raises(DecodeError):
        await server(GOOD, b"\x00")


class ManyBlocks:
    """A chain of countless equal blocks that counts what it is asked for."""

    def __init__(self, block: SyncBlock) -> None:
        self.block = block
        self.portions: list[int] = []

    def sync_blocks(self, first: Height, most_bytes: int) -> list[SyncBlock]:
        self.portions.append(most_bytes)
        return [self.block] * max(1, most_bytes // len(self.block.encode()))


async def test_server_reads_a_bounded_portion_a_turn_and_a_bounded_number_of_blocks() -> None:
    block = source(1).chain.sync_blocks(Height(1), 0)[0]
    chain = ManyBlocks(block)
    answer = decode_blocks(await BlockServer(chain)(GOOD, encode_first(Height(1))))  # type: ignore[arg-type]
    assert len(answer) == MAX_BLOCKS
    assert max(chain.portions) <= 64 * 1024


async def test_server_stays_under_the_answers_byte_limit() -> None:
    block = source(1).chain.sync_blocks(Height(1), 0)[0]
    long = replace(block, batch=Batch(TimestampMs(1), (bytes(100_000),)))
    answer = await BlockServer(ManyBlocks(long))(GOOD, encode_first(Height(1)))  # type: ignore[arg-type]
    assert len(answer) <= MAX_SYNC_BYTES + 4
    assert len(decode_blocks(answer)) > 50
