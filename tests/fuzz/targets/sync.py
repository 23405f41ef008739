"""Sync: answers off the wire, and a lying member against a node that syncs for real."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from random import Random
from typing import Any, ClassVar, NamedTuple

from bulwark.ledger.batch import Batch
from bulwark.ledger.errors import LedgerError
from bulwark.ledger.ids import Height, MemberId
from bulwark.ledger.transaction import Transaction
from node.driver.sync import BlockSync
from node.requests import PeerUnavailable, Topic
from node.storage.memory import MemoryStore
from node.sync.faults import SyncImpossible
from node.sync.peers import Peers
from node.sync.server import BlockServer, StateServer, TargetServer
from node.sync.statesync import StateSync
from node.sync.walk import StateWalk
from node.sync.wire import (
    decode_blocks,
    decode_hashes,
    decode_target,
    decode_values,
    encode_blocks,
    encode_hashes,
    encode_target,
    encode_values,
)
from tests.fuzz import smallchain
from tests.fuzz.choices import Choices
from tests.fuzz.mutate import havoc
from tests.fuzz.structure import UNENCODABLE, change
from tests.fuzz.target import Finding, Target, refusal
from tests.unit.node.execution.alliance import Node

GOOD, BAD = MemberId("good"), MemberId("bad")
CERTIFIED = Height(smallchain.BLOCKS - 1)


class Form(NamedTuple):
    """One kind of body."""

    name: str
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]


FORMS = (
    Form("blocks", decode_blocks, encode_blocks),
    Form("values", decode_values, encode_values),
    Form("target", decode_target, encode_target),
    Form("hashes", decode_hashes, encode_hashes),
)
BY_TOPIC = {Topic.BLOCKS: FORMS[0], Topic.STATE: FORMS[1], Topic.TARGET: FORMS[2]}


async def honest(member: MemberId, topic: Topic, body: bytes) -> bytes:
    """What the small chain's own servers answer."""
    node: Any = smallchain.known()
    if topic is Topic.BLOCKS:
        return await BlockServer(node.chain)(member, body)
    if topic is Topic.STATE:
        return await StateServer(node.store)(member, body)
    return await TargetServer(node.chain)(member, body)


def ask_honest(topic: Topic, body: bytes) -> bytes:
    """The same without a loop around."""
    return asyncio.run(honest(GOOD, topic, body))


class Answers(Target):
    """Decoders of sync's bodies; the first byte says which."""

    name: ClassVar = "answers"
    about: ClassVar = "sync bodies off the wire: blocks, state values, target, hashes; round trips"
    most_bytes: ClassVar = 64 * 1024

    def seeds(self) -> list[bytes]:
        blocks = ask_honest(Topic.BLOCKS, (1).to_bytes(8, "big"))
        one = encode_blocks(decode_blocks(blocks)[:1])
        root = smallchain.known().chain.tip.state_root
        values = ask_honest(Topic.STATE, encode_hashes([root, bytes(32)]))
        return [
            b"\0" + blocks,
            b"\0" + one,
            b"\0" + encode_blocks([]),
            b"\1" + values,
            b"\2" + ask_honest(Topic.TARGET, b""),
            b"\2" + encode_target(None),
            b"\3" + encode_hashes([root, bytes(32)]),
        ]

    def reshape(self, data: bytes, rng: Random) -> bytes | None:
        if not data:
            return None
        form = FORMS[data[0] % len(FORMS)]
        try:
            value = form.decode(data[1:])
        except LedgerError:
            return None
        return data[:1] + form.encode(change(value, rng))

    def run(self, data: bytes) -> str:
        if not data:
            return "empty"
        form = FORMS[data[0] % len(FORMS)]
        try:
            value = form.decode(data[1:])
        except LedgerError as error:
            return f"{form.name} {refusal(error)}"
        if form.encode(value) != data[1:]:
            raise Finding(f"{form.name}: decodes, but encodes to other bytes")
        return f"{form.name} ok"


class Watcher:
    """Observer of the syncing node."""

    def ordered(self, height: Height, batch: Batch) -> None: ...

    def executed(self, height: Height, block: object) -> None: ...

    async def installed(self, chain: object, before: Height) -> None: ...

    def finalized(self, height: Height) -> None: ...

    def transactions_of(self, batch: Batch) -> list[Transaction]:
        return [Transaction.decode(raw) for raw in batch.transactions]


class Mesh:
    """Two members: one honest, one whose answers the input spoils."""

    def __init__(self, choices: Choices, alone: bool) -> None:
        self._choices = choices
        self._alone = alone

    def connected(self) -> list[MemberId]:
        return [BAD] if self._alone else [BAD, GOOD]

    async def ask(self, member: MemberId, topic: Topic, body: bytes, timeout_ms: int) -> bytes:
        if member == GOOD:
            return await honest(member, topic, body)
        return await self._spoiled(topic, body)

    async def _spoiled(self, topic: Topic, body: bytes) -> bytes:
        choices = self._choices
        how, rng = choices.below(12), Random(choices.take(3))
        right = await honest(BAD, topic, body)
        if how == 1:
            raise PeerUnavailable(BAD, "says nothing")
        if how == 2:
            return choices.take(choices.below(200))
        if how == 3:
            return havoc(right, rng, (), ())
        if how == 4:
            return right[: choices.below(len(right) + 1)]
        if how in (5, 6, 7, 8):
            return self._changed(BY_TOPIC[topic], right, rng, (1, 1, 2, 4)[how - 5])
        if how == 9:
            other = {Topic.BLOCKS: (2).to_bytes(8, "big")}.get(topic, b"")
            return await honest(BAD, Topic.BLOCKS, other or (1).to_bytes(8, "big"))
        if how == 10:
            return encode_blocks([])
        return right

    @staticmethod
    def _changed(form: Form, right: bytes, rng: Random, times: int) -> bytes:
        value = form.decode(right)
        for _ in range(times):
            try:
                changed = change(value, rng)
                form.encode(changed)
            except UNENCODABLE:
                continue
            value = changed
        return form.encode(value)


class Sync(Target):
    """One sync of an empty node."""

    name: ClassVar = "sync"
    about: ClassVar = "block sync and state sync of a real node against a member that lies"
    most_bytes: ClassVar = 512
    seconds: ClassVar = 3.0
    trace_every: ClassVar = 15

    def __init__(self) -> None:
        logging.getLogger("bulwark").setLevel(logging.CRITICAL)
        self._loop = asyncio.new_event_loop()
        self._known = smallchain.known()
        empty = Node(genesis=self._known.genesis)
        self._empty = dict(empty.store.iterate(b""))

    def seeds(self) -> list[bytes]:
        plain = [bytes((shape, *[0] * 12)) for shape in (0, 1, 2, 3)]
        lies = [
            bytes((shape, *(byte for at in range(4) for byte in (how, at, seed, 7))))
            for shape in (0, 1, 3)
            for how in range(1, 11)
            for seed in (1, 2)
        ]
        return plain + lies

    def run(self, data: bytes) -> str:
        choices = Choices(data)
        shape = choices.byte()
        node = Node(MemoryStore(dict(self._empty)), self._known.genesis)
        mesh: Any = Mesh(choices, alone=bool(shape & 2))
        sync = self._build(node, mesh, far_behind=1 if shape & 1 else 256)
        end = "in step"
        try:
            certificate = self._loop.run_until_complete(sync.run(CERTIFIED, BAD))
            if certificate.subject.height < CERTIFIED:
                raise Finding("in step below the target")
        except SyncImpossible:
            end = "impossible"
            if not shape & 2:
                raise
        self._check(node)
        if GOOD in sync.peers.blamed:
            raise Finding(f"the honest member is blamed: {sync.peers.blamed[GOOD]}")
        blame = sync.peers.blamed.get(BAD)
        words = [] if blame is None else [str(blame.fault), *blame.reason.split()]
        reason = " ".join(word for word in words if word.isalpha() and word.isascii())
        return f"{end} applied {node.chain.applied} {reason[:40]}"

    def _build(self, node: Any, mesh: Any, far_behind: int) -> BlockSync:
        peers = Peers(mesh)
        watcher: Any = Watcher()
        state = StateSync(store=node.store, chain=node.chain, genesis=node.genesis, peers=peers)
        return BlockSync(
            chain=node.chain,
            execution=node.executor,
            observer=watcher,
            peers=peers,
            epochs=node.executor.epochs,
            now_ms=lambda: 0,
            state=state,
            far_behind=far_behind,
        )

    def _check(self, node: Any) -> None:
        """What is applied is the honest chain, whole, with certificates that hold."""
        chain, right = node.chain, self._known.chain
        for number in range(chain.applied + 1):
            height = Height(number)
            if chain.header(height) != right.header(height):
                raise Finding(f"another block {number} was applied")
            certificate = chain.checkpoint(height)
            if certificate is not None:
                certificate.verify(node.genesis.validator_set, node.genesis.domain())
        if not StateWalk(node.store, chain.tip.state_root).done:
            raise Finding("the state of the tip is not whole")

    def close(self) -> None:
        self._loop.close()
