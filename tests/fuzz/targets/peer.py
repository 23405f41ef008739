"""What an accepted member sends a whole node: every kind of frame, every topic of requests.

The first byte says which. Handlers and responders are those that the node registered itself; the
mesh below them is the target `hello`.
"""

from __future__ import annotations

import asyncio
import logging
from random import Random
from typing import ClassVar

from bulwark.ledger.errors import LedgerError
from bulwark.ledger.ids import Address, MemberId
from bulwark.ledger.transaction import Transaction, sign_transaction
from consensus.messages import encode_message
from contracts.bindings import RECORD_REGISTRY, encode_anchor
from node.gossip import make_parcel, split_parcel
from node.guarded.relay import encode_pass
from node.network.errors import PeerRefused
from node.network.kinds import Kind
from node.requests import Topic
from node.sync.wire import encode_hashes
from tests.fuzz.running import Running
from tests.fuzz.target import Finding, Target, refusal
from tests.fuzz.targets.messages import samples
from tests.fuzz.targets.rpc import Gathered
from tests.simulation.alliance import make_alliance
from tests.unit.node.execution.alliance import POLICY, make_sidecar

KINDS = (Kind.CONSENSUS, Kind.TRANSACTION, Kind.ANNOUNCE)
TOPICS = tuple(sorted(Topic))
PEER = MemberId("telco-z")
RENEWED_AFTER = 20_000


class Peer(Target):
    """One frame or one request."""

    name: ClassVar = "peer"
    about: ClassVar = "frames and requests of a member to a whole node's handlers and responders"
    most_bytes: ClassVar = 32 * 1024
    trace_every: ClassVar = 20
    memory_mib: ClassVar = 300

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._gathered = Gathered()
        logging.getLogger("bulwark").addHandler(self._gathered)
        self._count = 0
        self._running = Running(self._loop)

    def seeds(self) -> list[bytes]:
        epoch = bytes(8)
        made = [b"\0" + epoch + encode_message(m) for m in samples(make_alliance(4))]
        made += [b"\0" + bytes(7) + b"\1" + bytes(100), b"\0" + bytes(8), b"\2" + bytes(7) + b"\5"]
        home = self._running.home
        for nonce in range(3):
            sidecar = make_sidecar(2, f"peer {nonce}")
            anchor = encode_anchor(sidecar.root, sidecar.count, 1, POLICY)
            made.append(b"\1" + self._parcel(nonce, Address(RECORD_REGISTRY), anchor, sidecar))
        made.append(b"\1" + self._parcel(0, home.member.account, b"", None))
        bodies = {
            Topic.RELAY: encode_pass(home.member.id, bytes(1000)),
            Topic.GUARDED: bytes(1000),
            Topic.SIDECAR: bytes(32),
            Topic.BLOCKS: (0).to_bytes(7, "big") + b"\1",
            Topic.STATE: encode_hashes([bytes(32), b"\1" * 32]),
        }
        for number, topic in enumerate(TOPICS):
            made.append(bytes((len(KINDS) + number,)) + bodies.get(topic, b""))
        return made

    def _parcel(self, nonce: int, to: Address, data: bytes, sidecar: object) -> bytes:
        home = self._running.home
        transaction = sign_transaction(
            home.account_key,
            chain_id=home.genesis.chain_id,
            nonce=nonce,
            to=to,
            data=data,
            gas=400_000,
        )
        return make_parcel(transaction, sidecar).encode()  # type: ignore[arg-type]

    def reshape(self, data: bytes, rng: Random) -> bytes | None:
        """A transaction with another call, signed again; its sidecar as it was."""
        if data[:1] != b"\1":
            return None
        raw, sidecar = split_parcel(data[1:])
        old = Transaction.decode(raw)
        call = bytearray(old.data)
        if call:
            call[rng.randrange(len(call))] ^= 1 << rng.randrange(8)
        home = self._running.home
        made = sign_transaction(
            home.account_key,
            chain_id=home.genesis.chain_id + rng.choice((0, 0, 0, 1)),
            nonce=max(0, old.nonce + rng.choice((0, 1, 2, 40, 1 << 40))),
            to=old.to if rng.random() < 0.8 else None,
            data=bytes(call[: len(call) - rng.choice((0, 0, 0, 32))]),
            gas=rng.choice((400_000, 21_000, 30_000_000, 30_000_001)),
            value=rng.choice((0, 0, 0, 1, 1 << 200)),
        )
        size = len(made.raw).to_bytes(4, "big")
        return b"\1" + size + made.raw + len(sidecar).to_bytes(4, "big") + sidecar

    def run(self, data: bytes) -> str:
        self._count += 1
        if self._count % RENEWED_AFTER == 0:
            self._running.stop()
            self._running = Running(self._loop)
        if not data:
            return "empty"
        self._gathered.lines.clear()
        which = data[0] % (len(KINDS) + len(TOPICS))
        word = self._loop.run_until_complete(self._give(which, data[1:]))
        if self._gathered.lines:
            raise Finding(f"failed: {self._gathered.lines[0]}")
        if self._running.halted:
            raise Finding("the node stopped")
        return word

    async def _give(self, which: int, body: bytes) -> str:
        network = self._running.network
        try:
            if which < len(KINDS):
                kind = KINDS[which]
                network._dispatch.frame(PEER, kind, body)
                await asyncio.sleep(0)
                return f"taken {kind.name}"
            topic = TOPICS[which - len(KINDS)]
            responder = network._dispatch.responders.get(topic)
            if responder is None:
                return f"nobody for {topic.name}"
            answer = await responder(PEER, body)
            return f"answered {topic.name} {min(len(answer), 2)}"
        except (LedgerError, ValueError, PeerRefused) as error:
            return refusal(error)

    def close(self) -> None:
        self._running.stop()
        logging.getLogger("bulwark").removeHandler(self._gathered)
        self._loop.close()
