"""Puts the guarded path together: asker, relay, evaluator and query log of one node."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import Address, Digest, MemberId
from bulwark.ledger.signing import SigningKey
from bulwark.privacy.memberkeys import RingSecret
from bulwark.privacy.ring.ristretto import Proof, Statement
from bulwark.privacy.sealing import SealingKey
from contracts.slots import ReadSlot
from node.chain.store import ChainStore
from node.clock import Clock
from node.config import PrivacyConfig
from node.guarded.asking import AskerParts, GuardedEvaluators, Patience
from node.guarded.evaluator import EvaluatorParts, GuardedEvaluator
from node.guarded.freshness import FreshRings
from node.guarded.loganchor import AnchorLedger, LogAnchorer
from node.guarded.ports import Keys
from node.guarded.proving import ProverParts, QuestionProver
from node.guarded.querylog import QueryLog
from node.guarded.relay import Delay, Relay
from node.guarded.rings import RingBook
from node.guarded.served import ServedStatement
from node.guarded.slotbook import SlotBook
from node.guarded.spent import SpentNullifiers
from node.logs import Log
from node.reporting.evidence_poster import Lane
from node.requests import Mesh
from node.storage.durability import Durability
from node.storage.port import KeyValueStore

FOLLOW_S: Final = 5.0
PRUNE_TURNS: Final = 720

log = Log("guarded")


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedGround:
    """The parts of a node that the guarded path stands on."""

    own: MemberId
    genesis: Genesis
    config: PrivacyConfig
    account_key: SigningKey
    ring_key: RingSecret
    sealing_key: SealingKey
    slot_key: bytes
    """32 secret bytes for the order of slots."""
    keys: Keys
    rings: RingBook
    store: KeyValueStore
    durability: Durability
    chain: ChainStore
    clock: Clock
    mesh: Mesh
    lane: Lane
    read_slot: ReadSlot
    waits: Callable[[Digest], bool]
    """Whether an own transaction is still on its way."""
    account_of: Callable[[MemberId], Address | None]
    pool: Executor


class GuardedPath:
    """One node's part in guarded questions: its own, others', and those it passes on."""

    def __init__(self, ground: GuardedGround) -> None:
        self._ground = ground
        self.fresh = FreshRings(ground.rings, lambda: ground.chain.applied, ground.clock.now_ms)
        self.slots = SlotBook(ground.store, ground.durability, ground.slot_key)
        self.spent = SpentNullifiers(ground.store)
        self.query_log = QueryLog(ground.store, epoch_seconds=ground.genesis.privacy.epoch_seconds)
        self.log_anchorer = LogAnchorer(
            self.query_log,
            ground.lane,
            AnchorLedger(ground.read_slot, ground.waits),
            ground.durability,
            ground.own,
        )
        self.prover = QuestionProver(self._prover_parts())
        self.asker = GuardedEvaluators(self._asker_parts())
        self.evaluator = GuardedEvaluator(self._evaluator_parts())
        self.relay = self._make_relay()
        self.wrong_answers = 0
        """Signed answers of evaluators that were proved wrong, since start."""

    def _prover_parts(self) -> ProverParts:
        ground = self._ground
        return ProverParts(
            domain=ground.genesis.domain(),
            secret=lambda: ground.ring_key,
            rings=ground.rings,
            tip=lambda: ground.chain.applied,
            slots=self.slots,
            pool=ground.pool,
            random_bytes=os.urandom,
            wall_ms=ground.clock.wall_ms,
            steady_ms=_steady_ms,
        )

    def _asker_parts(self) -> AskerParts:
        ground = self._ground
        return AskerParts(
            own=ground.own,
            domain=ground.genesis.domain(),
            mesh=ground.mesh,
            prover=self.prover,
            account_of=ground.account_of,
            on_wrong=self._wrong,
            pool=ground.pool,
            random_bytes=os.urandom,
            steady_ms=_steady_ms,
            patience=Patience(pass_ms=ground.config.pass_timeout_ms),
            allow_direct=ground.config.allow_direct,
        )

    def _evaluator_parts(self) -> EvaluatorParts:
        ground = self._ground
        return EvaluatorParts(
            own=ground.own,
            domain=ground.genesis.domain(),
            account_key=ground.account_key,
            sealing_keys=lambda: (ground.sealing_key,),
            fresh=self.fresh,
            keys=ground.keys,
            spent=self.spent,
            record_served=self._record,
            durability=ground.durability,
            pool=ground.pool,
            random_bytes=os.urandom,
            wall_ms=ground.clock.wall_ms,
        )

    def _make_relay(self) -> Relay:
        ground = self._ground
        return Relay(
            own=ground.own,
            mesh=ground.mesh,
            evaluators=self._evaluators,
            sizes=self.fresh.sealed_sizes,
            delay=Delay(ground.config.relay_least_ms, ground.config.relay_most_ms),
            timeout_ms=ground.config.pass_timeout_ms * 4 // 5,
            random_bytes=os.urandom,
        )

    def _record(self, statement: Statement, proof: Proof) -> None:
        now_ms = self._ground.chain.tip.timestamp_ms
        self.query_log.record(ServedStatement(statement, proof), now_ms)

    def _evaluators(self) -> set[MemberId]:
        live = self._ground.keys.tag_key()
        return set() if live is None else set(live.holders.values())

    def _wrong(self, request: bytes, answer: bytes, index: int) -> None:
        self.wrong_answers += 1
        log.error("a signed answer is wrong", index=index, request=len(request), answer=len(answer))

    async def run(self) -> None:
        """Anchor what was served and forget old epochs, by the clock, until cancelled.

        Raises StoreWriteFailed.
        """
        turns = 0
        while True:
            await asyncio.sleep(FOLLOW_S)
            await self.log_anchorer.follow(self._ground.chain.tip.timestamp_ms)
            turns += 1
            if turns % PRUNE_TURNS == 0:
                self.prune()

    def prune(self) -> None:
        """Forget what belongs to quota epochs long over."""
        view = self._ground.rings.now
        if view is not None:
            self.spent.prune(view.epoch)
            self.slots.prune(max(0, view.epoch - 1))
            self.query_log.prune(view.epoch)


def _steady_ms() -> float:
    return time.monotonic() * 1000
