"""A small alliance in memory: members with rings, shares, relays and evaluators, real crypto.

Every message between members goes through `World.deliver`, which keeps it, so that a test can play
whoever sits there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from msgspec.structs import replace

from bulwark.ledger.ids import Digest, Epoch, Height, MemberId, Tag
from bulwark.ledger.signing import SigningDomain, SigningKey
from bulwark.privacy import oprf
from bulwark.privacy.group import RandomBytes, Scalar, multiply_base, random_scalar
from bulwark.privacy.memberkeys import RingSecret, new_ring_key
from bulwark.privacy.query import Scope
from bulwark.privacy.ring.ristretto import Proof, Statement, member_ring
from bulwark.privacy.sealing import SealingKey
from bulwark.privacy.sharing import split
from bulwark.privacy.tags import tag_input
from bulwark.privacy.threshold import EvaluatorShare, ThresholdKey
from node.guarded.asking import AskerParts, GuardedEvaluators, Patience, WrongAnswer
from node.guarded.evaluator import EvaluatorParts, GuardedEvaluator
from node.guarded.freshness import FreshRings
from node.guarded.ports import LiveKey
from node.guarded.proving import ProverParts, QuestionProver
from node.guarded.relay import Delay, Relay
from node.guarded.rings import Opener, RingView
from node.guarded.slotbook import SlotBook
from node.guarded.spent import SpentNullifiers
from node.requests import PeerUnavailable, Topic
from node.storage.durability import Durability
from node.storage.memory import MemoryStore
from node.tagging.cache import TagCache
from node.tagging.tagger import Tagger

DOMAIN = SigningDomain(4711, Digest(b"g" * 32), Epoch(0))
START_MS = 1_800_000_003_000
QUOTAS = {Scope.SMALL: 20, Scope.BULK: 3}

Handler = Callable[[MemberId, bytes], Awaitable[bytes]]


def deterministic(label: bytes) -> RandomBytes:
    counter = 0

    def draw(size: int) -> bytes:
        nonlocal counter
        counter += 1
        return hashlib.shake_256(label + counter.to_bytes(8, "big")).digest(size)

    return draw


async def no_pause(seconds: float) -> None:
    """Waits for nothing."""


class Chain:
    """The rings of heights, as a ring book that follows by hand."""

    def __init__(self, first: RingView) -> None:
        self.views = [first]
        self.tip = Height(100)

    @property
    def now(self) -> RingView | None:
        return self.views[-1]

    def at(self, height: Height) -> RingView | None:
        return next((view for view in reversed(self.views) if view.since <= height), None)

    def height_to_name(self, tip: Height) -> Height:
        return Height(max(self.views[-1].since, tip))


class Keys:
    """Live keys that a test can change."""

    def __init__(self, live: LiveKey | None) -> None:
        self.live = live

    def tag_key(self) -> LiveKey | None:
        return self.live

    def council_key(self) -> LiveKey | None:
        return None


class Mesh:
    """The world as one member reaches it."""

    def __init__(self, world: World, own: MemberId) -> None:
        self._world, self._own = world, own

    def connected(self) -> list[MemberId]:
        up = set(self._world.members) - self._world.down - {self._own}
        return sorted(up)

    async def ask(self, member: MemberId, topic: Topic, body: bytes, timeout_ms: int) -> bytes:
        return await self._world.deliver(self._own, member, topic, body)


@dataclass(frozen=True)
class Message:
    """One message as it travelled."""

    sender: MemberId
    receiver: MemberId
    topic: Topic
    body: bytes


class Member:
    """One member with everything it runs."""

    def __init__(self, world: World, id_: MemberId, index: int) -> None:
        label = id_.encode()
        self.world, self.id, self.index = world, id_, index
        self.random = deterministic(b"member" + label)
        self.account = SigningKey(hashlib.sha256(b"account" + label).digest())
        self.ring_secret: RingSecret = new_ring_key(self.random)
        self.sealing = SealingKey.new(self.random)
        self.store = MemoryStore()
        self.durability = Durability(self.store)
        self.served: list[tuple[Statement, Proof]] = []
        self.wrongs: list[WrongAnswer] = []
        self.clock_off_ms = 0

    def wall_ms(self) -> int:
        return self.world.now_ms + self.clock_off_ms

    def start(self, chain: Chain, live: LiveKey) -> None:
        """Build evaluator, relay and asker over the stores."""
        world = self.world
        self.chain, self.keys = chain, Keys(live)
        self.mesh = Mesh(world, self.id)
        self.fresh = FreshRings(chain, lambda: chain.tip, lambda: world.now_ms)
        self.parts = EvaluatorParts(
            own=self.id,
            domain=DOMAIN,
            account_key=self.account,
            sealing_keys=lambda: [self.sealing],
            fresh=self.fresh,
            keys=self.keys,
            spent=SpentNullifiers(self.store),
            record_served=lambda statement, proof: self.served.append((statement, proof)),
            durability=self.durability,
            pool=world.pool,
            random_bytes=self.random,
            wall_ms=self.wall_ms,
        )
        self.evaluator = GuardedEvaluator(self.parts)
        self.relay = Relay(
            own=self.id,
            mesh=self.mesh,
            evaluators=lambda: world.members,
            sizes=self.fresh.sealed_sizes,
            delay=Delay(0, 1),
            timeout_ms=1_000,
            random_bytes=self.random,
            pause=no_pause,
        )
        self.slots = SlotBook(self.store, self.durability, self.random(32))
        self.prover = QuestionProver(
            ProverParts(
                domain=DOMAIN,
                secret=lambda: self.ring_secret,
                rings=chain,
                tip=lambda: chain.tip,
                slots=self.slots,
                pool=world.pool,
                random_bytes=self.random,
                wall_ms=self.wall_ms,
                steady_ms=lambda: float(world.now_ms),
                durable=self.durability.barrier,
                pause=no_pause,
            )
        )
        self.asker = self.asker_with()

    def asker_with(
        self, *, allow_direct: bool = False, patience: Patience | None = None
    ) -> GuardedEvaluators:
        world = self.world
        return GuardedEvaluators(
            AskerParts(
                own=self.id,
                domain=DOMAIN,
                mesh=self.mesh,
                prover=self.prover,
                account_of=lambda member: world.members[member].account.address,
                on_wrong=self.wrongs.append,
                pool=world.pool,
                random_bytes=self.random,
                steady_ms=lambda: float(world.now_ms),
                patience=patience or Patience(),
                allow_direct=allow_direct,
            )
        )

    def tagger(self, evaluators: GuardedEvaluators | None = None) -> Tagger:
        cache = TagCache(bytes(32), 1_000)
        asker = evaluators or self.asker
        return Tagger(self.keys, 1, asker, cache, self.world.pool, self.random)

    def rebuilt_evaluator(self) -> GuardedEvaluator:
        """Another evaluator over what is on this one's disk."""
        kept = self.store.crash()
        self.store, self.durability = kept, Durability(kept)
        self.world.durabilities.append(self.durability)
        self.parts = replace(self.parts, spent=SpentNullifiers(kept), durability=self.durability)
        self.evaluator = GuardedEvaluator(self.parts)
        return self.evaluator


class World:
    """The alliance: all members evaluate and relay; t of n."""

    def __init__(self, pool: ThreadPoolExecutor, names: Sequence[str], threshold: int) -> None:
        self.pool = pool
        self.now_ms = START_MS
        self.down: set[MemberId] = set()
        self.messages: list[Message] = []
        self.handlers: dict[tuple[MemberId, Topic], Handler] = {}
        """What a test puts in the place of a member's own handler."""
        self.members: dict[MemberId, Member] = {}
        self.durabilities: list[Durability] = []
        for index, name in enumerate(sorted(names), 1):
            member = Member(self, MemberId(name), index)
            self.members[member.id] = member
            self.durabilities.append(member.durability)
        self.threshold = threshold
        self.opener = Opener(new_ring_key(deterministic(b"opener")).public, 3)
        draw = deterministic(b"dealer")
        self.secret: Scalar = random_scalar(draw)
        view = self.view()
        for member in self.members.values():
            member.start(Chain(view), self.live(member.index))

    def live(self, index: int, share_epoch: int = 0, key_id: int = 1) -> LiveKey:
        """The tag key as the holder of an index has it; each share epoch has other shares."""
        count = len(self.members)
        dealt = split(
            self.secret, self.threshold, count, deterministic(b"s" + bytes([share_epoch]))
        )
        keys = tuple(dealt.commitments.share_key(place) for place in range(1, count + 1))
        key = ThresholdKey(self.threshold, multiply_base(self.secret), keys)
        share = dealt.shares[index - 1]
        own = EvaluatorShare(share.index, share.value, keys[share.index - 1])
        holders = {member.index: member.id for member in self.members.values()}
        return LiveKey(key, key_id, share_epoch, holders, own)

    def view(
        self,
        *,
        since: int = 64,
        epoch: int = 9,
        without: Sequence[str] = (),
        quotas: dict[Scope, int] | None = None,
    ) -> RingView:
        """A ring of the members."""
        asking = [member for member in self.members.values() if member.id not in without]
        return RingView(
            since=Height(since),
            epoch=epoch,
            members=tuple(member.id for member in asking),
            ring=member_ring([member.ring_secret.public for member in asking]),
            opener=self.opener,
            sealing_keys={member.id: member.sealing.public for member in self.members.values()},
            quotas=quotas or QUOTAS,
        )

    def follow(self, view: RingView, *members: Member, tip: int | None = None) -> None:
        """These members (all by default) execute the block that makes a ring."""
        for member in members or self.members.values():
            member.chain.views.append(view)
            member.chain.tip = Height(tip or view.since)
            member.fresh.ring_changed()

    async def deliver(
        self, sender: MemberId, receiver: MemberId, topic: Topic, body: bytes
    ) -> bytes:
        """Hand a question to a member's handler, as the mesh does."""
        self.messages.append(Message(sender, receiver, topic, body))
        if receiver in self.down:
            raise PeerUnavailable(receiver, "not connected")
        member = self.members[receiver]
        own: dict[Topic, Handler] = {
            Topic.RELAY: member.relay.serve,
            Topic.GUARDED: member.evaluator.serve,
        }
        handler = self.handlers.get((receiver, topic)) or own[topic]
        try:
            return await handler(sender, body)
        except ValueError as error:
            raise PeerUnavailable(receiver, "answered failed") from error

    def expected(self, kind: str, value: str) -> Tag:
        data = tag_input(1, kind, value)
        return Tag(oprf.evaluate(oprf.Mode.VOPRF, self.secret, data)[:32])

    def __getitem__(self, name: str) -> Member:
        return self.members[MemberId(name)]

    def close(self) -> None:
        for durability in self.durabilities:
            durability.close()
