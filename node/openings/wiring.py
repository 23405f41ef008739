"""Puts openings together: case book, statements, council member, regulator and desk of one node."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Digest, Height, MemberId
from bulwark.ledger.receipt import Receipt
from bulwark.privacy.group import Element
from bulwark.privacy.memberkeys import RegulatorSecret, decode_regulator_secret
from bulwark.privacy.ring.ristretto import MemberRing
from bulwark.privacy.sealing import SealingKey
from contracts.privacy.openings import OPENINGS
from node.assembly import Home
from node.chain.store import ChainStore
from node.clock import Clock
from node.directory import Directory
from node.execution.database import StateSource
from node.execution.executor import Executor
from node.execution.refusals import refusal
from node.guarded.atrest import AtRest
from node.guarded.ports import Keys
from node.guarded.querylog import QueryLog
from node.guarded.rings import RingBook
from node.mesh import NetworkMesh
from node.openings.casebook import CaseBook
from node.openings.chainport import catch_up, final_state
from node.openings.council import CouncilMember
from node.openings.desk import OPEN_GAS, OpeningsDesk
from node.openings.exculpating import Exculpator
from node.openings.ledger import Ledger
from node.openings.regulator import Regulator
from node.openings.statements import StatementServer, StatementSource
from node.reporting.anchorer import Anchorer
from node.reporting.idempotency import IdempotencyStore
from node.reporting.tracker import StageTracker
from node.rotation.keyset import KeySet
from node.service import Stage
from node.storage.durability import Durability
from node.storage.port import KeyValueStore

ACT_S: Final = 5.0
"""Longest time between two looks at approved cases: what was missing may be there now."""


class OpeningsGround(Struct, frozen=True, kw_only=True):
    """The parts of a node that openings stand on."""

    home: Home
    store: KeyValueStore
    durability: Durability
    clock: Clock
    chain: ChainStore
    executor: Executor
    directory: Directory
    mesh: NetworkMesh
    anchorer: Anchorer
    tracker: StageTracker
    idempotency: IdempotencyStore
    keys: Keys
    rings: RingBook
    query_log: QueryLog
    place_of: Callable[[Digest], tuple[Stage, Height | None]]
    """How far an own transaction got."""
    may_act: Callable[[], bool]
    """Whether this node has caught up and may send transactions."""


class HomeKeys(Struct, frozen=True):
    """The regulator's secrets of this home."""

    secret: RegulatorSecret
    keyset: KeySet

    def opener_part(self, public: Element) -> RegulatorSecret | None:
        """The regulator's part of the opener with this public key."""
        return self.secret if self.secret.public == public else None

    def sealing_keys(self) -> Sequence[SealingKey]:
        """Own sealing keys."""
        return self.keyset.sealing_keys()


class OpeningsPath:
    """One node's part in openings: as evaluator, as member of the council, as regulator."""

    def __init__(self, ground: OpeningsGround) -> None:
        """Raises PrivacyError for a key of the home that is none."""
        self._ground = ground
        home = ground.home
        self._ledger = self._make_ledger()
        self._final = partial(
            final_state, ground.chain, ground.executor.epochs, StateSource(ground.store)
        )
        at_rest = AtRest(home.secrets.vault_key, b"openings", os.urandom)
        self.book = CaseBook(ground.store, at_rest)
        own = home.member.id
        self.server = StatementServer(ground.query_log, own, self._ledger, self._is_regulator)
        self._source = StatementSource(ground.mesh, self._others, self.server)
        self.council = CouncilMember(
            member=own,
            ledger=self._ledger,
            lane=ground.anchorer,
            book=self.book,
            keys=ground.keys,
            statements=self._source,
            random_bytes=os.urandom,
            clock_ms=ground.clock.wall_ms,
        )
        self.desk = self._make_desk()
        self._news = asyncio.Event()

    def _make_ledger(self) -> Ledger:
        ground = self._ground
        genesis, chain, executor = ground.home.genesis, ground.chain, ground.executor
        return Ledger(
            chain_id=genesis.chain_id,
            genesis_hash=genesis.hash,
            epoch_seconds=genesis.privacy.epoch_seconds,
            read_slot=executor.slot,
            now_ms=lambda: chain.tip.timestamp_ms,
            gas_limit=lambda: executor.epochs.current.gas_limit,
            refusal=lambda sender, to, data: refusal(
                executor, chain.tip, sender, to, data, OPEN_GAS
            ),
            waits=ground.anchorer.waits,
            place_of=ground.place_of,
            ring_at=self._ring_at,
        )

    def _make_desk(self) -> OpeningsDesk:
        ground, home = self._ground, self._ground.home
        exculpator = Exculpator(
            ledger=self._ledger,
            statements=self._source,
            ring_keys=home.keys.ring_secrets,
            final_state=self._final,
            random_bytes=os.urandom,
        )
        return OpeningsDesk(
            member=home.member.id,
            ledger=self._ledger,
            lane=ground.anchorer,
            book=self.book,
            statements=self._source,
            council=self.council,
            regulator=self._make_regulator(),
            exculpator=exculpator,
            tracker=ground.tracker,
            idempotency=ground.idempotency,
            durability=ground.durability,
            final_state=self._final,
            now_ms=ground.clock.wall_ms,
            random_bytes=os.urandom,
            wait_timeout_ms=home.config.reporting.wait_timeout_ms,
        )

    def _make_regulator(self) -> Regulator | None:
        """None for a home without a regulator's key."""
        ground, home = self._ground, self._ground.home
        if home.secrets.regulator_key is None:
            return None
        secret = decode_regulator_secret(home.secrets.regulator_key)
        return Regulator(
            ledger=self._ledger,
            book=self.book,
            keys=HomeKeys(secret, home.keys),
            council=ground.keys.council_key,
            statements=self._source,
            random_bytes=os.urandom,
        )

    def _is_regulator(self, member: MemberId) -> bool:
        found = self._ground.directory.member(member)
        return found is not None and "regulator" in found.roles

    def _others(self) -> Sequence[MemberId]:
        """Everybody may have been an evaluator when a question was asked."""
        return self._ground.mesh.connected()

    def _ring_at(self, height: int) -> MemberRing | None:
        chain, executor = self._ground.chain, self._ground.executor
        header = chain.header(Height(height)) if height >= chain.state_from else None
        if header is None:
            return None
        root = header.state_root
        return self._ground.rings.read(
            lambda contract, slot: executor.slot_at(root, contract, slot),
            header.height,
            header.timestamp_ms,
        ).ring

    def resume(self) -> None:
        """Take up what the blocks say at a start; before the first `executed`."""
        catch_up(self.book, self._ground.chain, self._ground.store)

    def executed(self, receipts: Sequence[Receipt] | None) -> None:
        """A block was executed; None: state sync brought some."""
        if receipts is None or any(
            entry.address == OPENINGS for receipt in receipts for entry in receipt.logs
        ):
            self.resume()
            self._news.set()

    async def run(self) -> None:
        """Take part in approved cases, after a block and by the clock, until cancelled.

        Raises StoreWriteFailed, StoreDamaged.
        """
        while True:
            if self._ground.may_act():
                await self.council.act()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), ACT_S)
            self._news.clear()
