"""An alliance of four and a regulator over the real contracts, each node with its openings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from eth.vm.message import Message
from eth.vm.transaction_context import BaseTransactionContext

from bulwark.ledger.hashing import sha256
from bulwark.ledger.header import Header
from bulwark.ledger.ids import (
    ZERO_DIGEST,
    Address,
    Digest,
    Epoch,
    Height,
    MemberId,
    TimestampMs,
    ValidatorIndex,
    View,
)
from bulwark.ledger.merkle import EMPTY_ROOT
from bulwark.ledger.proofs import SealedHeader
from bulwark.ledger.receipt import Log
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from bulwark.privacy.ring.ristretto import member_ring
from contracts.bindings import Role, member_id_bytes
from contracts.privacy.bindings import GenesisKeys, RegulatorKey
from node.guarded.atrest import AtRest
from node.guarded.loganchor import AnchorLedger, LogAnchorer
from node.guarded.querylog import QueryLog
from node.guarded.served import ServedStatement
from node.openings.casebook import CaseBook
from node.openings.council import CouncilMember
from node.openings.desk import OpeningsDesk
from node.openings.exculpating import Exculpator
from node.openings.ledger import FinalState, Ledger
from node.openings.regulator import Regulator
from node.openings.statements import StatementServer, StatementSource
from node.reporting.idempotency import IdempotencyStore
from node.reporting.tracker import Progress
from node.requests import PeerUnavailable, Topic
from node.service import Stage
from node.storage.durability import Durability
from node.storage.memory import MemoryStore
from tests.contracts.harness import CHAIN_ID, GAS_LIMIT, member, revert_reason, signer
from tests.unit.contracts.privacy_harness import DAY, privacy_alliance, validators
from tests.unit.node.guarded.served_world import FakeLane
from tests.unit.node.openings.opening_parts import (
    BASIS,
    NAMES,
    REGULATOR,
    SHARING,
    WORLD,
    HeldKeys,
    TrieNodes,
    asked,
    genesis,
    sealing_key,
    vote_key,
)
from tests.unit.privacy.opening_world import stream


@dataclass
class FakeMesh:
    """Asks the other nodes' servers."""

    scene: Scene
    own: str
    asked: list[str] = field(default_factory=list)

    async def ask(self, to: MemberId, topic: Topic, body: bytes, timeout_ms: int) -> bytes:
        self.asked.append(to)
        if topic is not Topic.QUERY_LOG or to in self.scene.down:
            raise PeerUnavailable(to, "down")
        try:
            return await self.scene.nodes[to].server.serve(MemberId(self.own), body)
        except ValueError as error:
            raise PeerUnavailable(to, str(error)) from error

    def connected(self) -> list[MemberId]:
        return [MemberId(name) for name in NAMES if name != self.own]


class OpeningNode:
    """One member's node as far as openings go; `start` again is a restart."""

    def __init__(self, scene: Scene, name: str) -> None:
        self.scene, self.name = scene, name
        self.store = MemoryStore()
        self.lane = FakeLane(self.store)
        self.lane.address = Address(signer(name).address)
        self.delivered = 0
        self.mesh = FakeMesh(scene, name)
        share = WORLD.shares[NAMES.index(name)] if name in NAMES else None
        self.keys = HeldKeys(share)
        if name == REGULATOR:
            self.keys = HeldKeys(None, WORLD.regulator, (sealing_key(name),))
        self.start()

    def start(self) -> None:
        scene, own = self.scene, MemberId(self.name)
        self.lane.store = self.store
        self.durability = Durability(self.store)
        random_bytes = stream(self.name)
        self.ledger = Ledger(
            chain_id=CHAIN_ID,
            genesis_hash=genesis().hash,
            epoch_seconds=DAY,
            read_slot=scene.read_slot,
            now_ms=lambda: scene.chain.now_s * 1000,
            gas_limit=lambda: 30_000_000,
            refusal=scene.refusal,
            waits=self.waits,
            place_of=self.place_of,
            ring_at=lambda height: scene.rings.get(height),
        )
        self.log = QueryLog(self.store, epoch_seconds=DAY)
        anchor_ledger = AnchorLedger(scene.read_slot, self.waits)
        self.anchorer = LogAnchorer(self.log, self.lane, anchor_ledger, self.durability, own)
        self.server = StatementServer(self.log, own, self.ledger, lambda asker: asker == REGULATOR)
        self.source = StatementSource(self.mesh, self.mesh.connected, self.server)
        self.book = CaseBook(self.store, AtRest(b"\x05" * 32, b"openings", random_bytes))
        self.council = CouncilMember(
            member=own,
            ledger=self.ledger,
            lane=self.lane,
            book=self.book,
            keys=self.keys,
            statements=self.source,
            random_bytes=random_bytes,
            clock_ms=lambda: scene.chain.now_s * 1000,
        )
        self.regulator = Regulator(
            ledger=self.ledger,
            book=self.book,
            keys=self.keys,
            council=self.keys.council_key,
            statements=self.source,
            random_bytes=random_bytes,
        )
        place = NAMES.index(self.name) if self.name in NAMES else 0
        self.exculpator = Exculpator(
            ledger=self.ledger,
            statements=self.source,
            ring_keys=lambda: (WORLD.secrets[place],),
            final_state=scene.final_state,
            random_bytes=random_bytes,
        )
        self.desk = OpeningsDesk(
            member=own,
            ledger=self.ledger,
            lane=self.lane,
            book=self.book,
            statements=self.source,
            council=self.council,
            regulator=self.regulator if self.keys.regulator else None,
            exculpator=self.exculpator,
            tracker=self,
            idempotency=IdempotencyStore(self.store, b"\x06" * 32),
            durability=self.durability,
            final_state=scene.final_state,
            now_ms=lambda: 0,
            random_bytes=lambda count: hashlib.sha256(b"%d" % len(self.lane.sent)).digest()[:count],
            wait_timeout_ms=1000,
        )

    def waits(self, transaction: Digest) -> bool:
        return any(made.hash == transaction for made in self.lane.sent[self.delivered :])

    def place_of(self, transaction: Digest) -> tuple[Stage, Height | None]:
        if self.waits(transaction):
            return Stage.ACCEPTED, None
        return Stage.EXECUTED, Height(self.scene.chain.number)

    async def wait(self, transaction: Digest, stage: Stage, timeout_ms: int) -> Progress:
        """The tracker: a block comes while somebody waits."""
        if stage < Stage.EXECUTED:
            return Progress(Stage.ACCEPTED, None, True)
        results = self.scene.deliver()
        succeeded = results.get(transaction, True)
        return Progress(Stage.EXECUTED, Height(self.scene.chain.number), succeeded)


class Scene:
    """All nodes over one chain."""

    def __init__(self) -> None:
        everybody = [*validators(4), member(REGULATOR, Role.REGULATOR)]
        keys = [
            GenesisKeys(
                member_id_bytes(name), WORLD.secrets[at].public.encoding, sealing_key(name).public
            )
            for at, name in enumerate(NAMES)
        ]
        own = hashlib.sha256(b"regulator's ring key").digest()
        keys.append(GenesisKeys(member_id_bytes(REGULATOR), own, sealing_key(REGULATOR).public))
        part = RegulatorKey(WORLD.regulator.public.encoding, member_id_bytes(REGULATOR), 0)
        self.chain = privacy_alliance(everybody, keys, part)
        self.chain.council(SHARING)
        self.rings = {1: member_ring(WORLD.ring)}
        self.down: set[str] = set()
        self.reasons: list[str | None] = []
        self.logs: dict[tuple[str, bytes], list[Log]] = {}
        self.final: FinalState | None = None
        self.nodes = {name: OpeningNode(self, name) for name in (*NAMES, REGULATOR)}

    def close(self) -> None:
        for node in self.nodes.values():
            node.durability.close()

    def read_slot(self, contract: Address, number: int) -> int:
        return self.chain.state.get_storage(contract, number)

    def refusal(self, sender: Address, to: Address, data: bytes) -> str | None:
        state = self.chain.state
        before = state.snapshot()
        message = Message(
            gas=GAS_LIMIT, to=to, sender=sender, value=0, data=data, code=state.get_code(to)
        )
        context = BaseTransactionContext(gas_price=0, origin=sender)
        done = state.computation_class.apply_message(state, message, context)
        state.revert(before)
        return None if done.is_success else revert_reason(done.output)

    def deliver(self) -> dict[Digest, bool]:
        """Blocks execute what was sent, and every node follows them."""
        results: dict[Digest, bool] = {}
        for node in self.nodes.values():
            for made in node.lane.sent[node.delivered :]:
                results[made.hash] = self.execute(node.name, made.to or b"", made.data)
            node.delivered = len(node.lane.sent)
        return results

    def execute(self, name: str, to: bytes, data: bytes) -> bool:
        height = Height(self.chain.number)
        outcome = self.chain.send(signer(name), to, data)
        self.reasons.append(outcome.reason)
        logs = [Log(Address(a), tuple(map(Digest, t)), d) for a, t, d in outcome.logs]
        self.logs[name, data] = logs
        for node in self.nodes.values():
            node.book.follow(height, [(data, logs)])
        return outcome.ok

    async def anchored(self, *statements: ServedStatement, by: Sequence[str] = NAMES) -> None:
        """These evaluators served these statements and anchored them."""
        for name in by:
            for served in statements:
                self.nodes[name].log.record(served, self.chain.now_s * 1000)
        self.chain.wait(61)
        for _ in range(2):
            for name in by:
                await self.nodes[name].anchorer.follow(self.chain.now_s * 1000)
            self.deliver()

    async def opened(self, served: ServedStatement) -> bytes:
        """A case for this statement; its id."""
        outcome = await self.nodes[REGULATOR].desk.request(
            served.statement_hash, BASIS, wait=Stage.EXECUTED, idempotency=None
        )
        case = outcome.case
        if case is None:
            raise RuntimeError("no case")
        return case.case_id

    async def approved(self, served: ServedStatement, *voters: str) -> bytes:
        """A case with the approvals of these members, three if none is named."""
        case_id = await self.opened(served)
        for name in voters or NAMES[:3]:
            await self.nodes[name].desk.vote(
                case_id, approve=True, wait=Stage.EXECUTED, idempotency=None
            )
        return case_id

    async def act(self, *names: str) -> None:
        """Council members act, a block takes their parts."""
        for name in names or NAMES:
            await self.nodes[name].council.act()
        self.deliver()

    def refresh(self, seed: str = "refreshed") -> None:
        """A ceremony shared the council's key anew: every node has it, the ledger says so."""
        world, session = WORLD.refreshed(seed), sha256(seed.encode())
        self.chain.council(session)
        for name, node in self.nodes.items():
            share = world.shares[NAMES.index(name)] if name in NAMES else None
            node.keys.share, node.keys.session = share, session
            node.keys.key = world.opener.council

    def finalize(self) -> None:
        """The state of now gets a certificate."""
        header = Header(
            height=Height(self.chain.number),
            parent_hash=sha256(b"parent"),
            batch_digest=sha256(b"batch"),
            timestamp_ms=TimestampMs(self.chain.now_s * 1000),
            transactions_root=sha256(b"transactions"),
            receipts_root=sha256(b"receipts"),
            state_root=Digest(self.chain.root),
            record_log_size=0,
            record_log_root=EMPTY_ROOT,
            next_validators_hash=ZERO_DIGEST,
            next_parameters_hash=ZERO_DIGEST,
            epoch=Epoch(0),
            epoch_end=Height(0),
            gas_used=0,
            gas_limit=30_000_000,
        )
        subject = VoteSubject(VoteKind.CHECKPOINT, View(0), header.height, header.hash())
        digest = subject.signing_digest(genesis().domain())
        votes = {ValidatorIndex(i): vote_key(NAMES[i]).sign(digest) for i in range(3)}
        sealed = SealedHeader(header, Certificate.assemble(subject, votes, 3))
        self.final = FinalState(sealed, TrieNodes(self.chain))

    def final_state(self) -> FinalState | None:
        return self.final


__all__ = [
    "BASIS",
    "NAMES",
    "REGULATOR",
    "SHARING",
    "WORLD",
    "Scene",
    "TrieNodes",
    "asked",
    "genesis",
    "sealing_key",
]
