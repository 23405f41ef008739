"""Puts the guarded path together: asker, relay, evaluator, query and access log of one node."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final

from msgspec import Struct

from bulwark.ledger.errors import DecodeError
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import Address, Digest, MemberId
from bulwark.privacy.memberkeys import RingSecret
from bulwark.privacy.ring.ristretto import Proof, Statement
from contracts.members import member_id_bytes
from contracts.privacy.ceremony import KeyPurpose
from contracts.privacy.ceremony_reads import read_published
from contracts.slots import ReadSlot
from node.assembly import Home
from node.chain.store import ChainStore
from node.clock import Clock
from node.guarded.accesslog import AccessAnchorer, AccessLog
from node.guarded.accusation import WrongEvaluation
from node.guarded.accusationbook import AccusationBook, Judgement
from node.guarded.accuser import Accuser, AccuserParts
from node.guarded.asking import AskerParts, GuardedEvaluators, Patience, WrongAnswer
from node.guarded.atrest import AtRest
from node.guarded.claims import ClaimBook
from node.guarded.evaluator import EvaluatorParts, GuardedEvaluator
from node.guarded.freshness import FreshRings
from node.guarded.loganchor import AnchorLedger, LogAnchorer
from node.guarded.ports import Keys
from node.guarded.proving import ProverParts, QuestionProver
from node.guarded.querylog import KEEP_EPOCHS, QueryLog
from node.guarded.relay import Delay, Relay
from node.guarded.report import GuardedReport
from node.guarded.rings import RingBook
from node.guarded.served import ServedStatement
from node.guarded.slotbook import SlotBook
from node.guarded.spent import SpentNullifiers
from node.logs import Log
from node.reporting.evidence_poster import Lane
from node.requests import Mesh
from node.rotation.keyset import KeySet
from node.sections import PrivacyConfig
from node.storage.durability import Durability
from node.storage.port import KeyValueStore

FOLLOW_S: Final = 5.0
PRUNE_TURNS: Final = 720
DAY_MS: Final = 86_400_000

log = Log("guarded")


class GuardedMember(Struct, frozen=True, kw_only=True):
    """Who this node is to the guarded path, with its secrets."""

    own: MemberId
    genesis: Genesis
    config: PrivacyConfig
    keyset: KeySet
    """Account key, ring keys and sealing keys, also while they are rotated."""
    slot_key: bytes
    """32 secret bytes for the order of slots."""
    vault_key: bytes
    """32 secret bytes for what is encrypted at rest."""

    @classmethod
    def of(cls, home: Home) -> GuardedMember:
        """The member whose home this is. Raises PrivacyError for a ring key that is none."""
        secrets = home.secrets
        return cls(
            own=home.member.id,
            genesis=home.genesis,
            config=home.config.privacy,
            keyset=home.keys,
            slot_key=secrets.index_key,
            vault_key=secrets.vault_key,
        )


class GuardedGround(Struct, frozen=True, kw_only=True):
    """The parts of a node that the guarded path stands on."""

    member: GuardedMember
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
        self._ground, self._member = ground, ground.member
        self.fresh = FreshRings(ground.rings, lambda: ground.chain.applied, ground.clock.now_ms)
        self.slots = SlotBook(ground.store, ground.durability, self._member.slot_key)
        self.spent = SpentNullifiers(ground.store)
        genesis = self._member.genesis
        self.query_log = QueryLog(ground.store, epoch_seconds=genesis.privacy.epoch_seconds)
        ledger = AnchorLedger(ground.read_slot, ground.waits)
        self.log_anchorer = LogAnchorer(
            self.query_log, ground.lane, ledger, ground.durability, self._member.own
        )
        identity = member_id_bytes(self._member.own)
        at_rest = AtRest(self._member.vault_key, b"access-log", os.urandom)
        self.access = AccessLog(ground.store, at_rest, genesis.hash, identity)
        self.claims = ClaimBook(
            ground.store, AtRest(self._member.vault_key, b"slot-claims", os.urandom)
        )
        self.access_anchorer = AccessAnchorer(
            self.access,
            ground.store,
            ground.lane,
            ledger,
            ground.durability,
            identity,
            self._member.config.access_anchor_seconds * 1000,
        )
        self.prover = QuestionProver(self._prover_parts())
        self.asker = GuardedEvaluators(self._asker_parts())
        self.evaluator = GuardedEvaluator(self._evaluator_parts())
        self.relay = self._make_relay()
        self.report = GuardedReport(
            keys=ground.keys,
            rings=ground.rings,
            slots=self.slots,
            prover=self.prover,
            evaluator=self.evaluator,
            relay=self.relay,
        )
        self.wrong_answers = 0
        """Signed answers of evaluators that were proved wrong, since start."""
        judgement = Judgement(
            domain=genesis.domain(),
            read_slot=ground.read_slot,
            account_of=ground.account_of,
            pool=ground.pool,
        )
        self.accusations = AccusationBook(ground.store, ground.chain, judgement)
        self.accuser = Accuser(self._accuser_parts(judgement))

    def _prover_parts(self) -> ProverParts:
        ground = self._ground
        return ProverParts(
            domain=ground.member.genesis.domain(),
            secret=self._ring_secret,
            rings=ground.rings,
            tip=lambda: ground.chain.applied,
            slots=self.slots,
            pool=ground.pool,
            random_bytes=os.urandom,
            wall_ms=ground.clock.wall_ms,
            steady_ms=_steady_ms,
            durable=ground.durability.barrier,
            claim=self.claims.note,
        )

    def _ring_secret(self) -> RingSecret | None:
        """The own ring key that is in the ring now; while one is rotated there are several."""
        view, keys = self._ground.rings.now, self._member.keyset.ring_secrets()
        if view is None or view.ring is None:
            return keys[0]
        return next((key for key in keys if view.ring.position(key.public) is not None), keys[0])

    def _asker_parts(self) -> AskerParts:
        ground = self._ground
        return AskerParts(
            own=ground.member.own,
            domain=ground.member.genesis.domain(),
            mesh=ground.mesh,
            prover=self.prover,
            account_of=ground.account_of,
            on_wrong=self._wrong,
            pool=ground.pool,
            random_bytes=os.urandom,
            steady_ms=_steady_ms,
            patience=Patience(pass_ms=ground.member.config.pass_timeout_ms),
            allow_direct=ground.member.config.allow_direct,
        )

    def _evaluator_parts(self) -> EvaluatorParts:
        ground = self._ground
        return EvaluatorParts(
            own=ground.member.own,
            domain=ground.member.genesis.domain(),
            account_key=ground.member.keyset.account,
            sealing_keys=ground.member.keyset.sealing_keys,
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
            own=ground.member.own,
            mesh=ground.mesh,
            evaluators=self._evaluators,
            sizes=self.fresh.sealed_sizes,
            delay=Delay(ground.member.config.relay_least_ms, ground.member.config.relay_most_ms),
            timeout_ms=ground.member.config.pass_timeout_ms * 4 // 5,
            random_bytes=os.urandom,
        )

    def _record(self, statement: Statement, proof: Proof) -> None:
        now_ms = self._ground.chain.tip.timestamp_ms
        self.query_log.record(ServedStatement(statement, proof), now_ms)

    def _evaluators(self) -> set[MemberId]:
        live = self._ground.keys.tag_key()
        return set() if live is None else set(live.holders.values())

    def _accuser_parts(self, judgement: Judgement) -> AccuserParts:
        ground = self._ground
        view = ground.rings
        return AccuserParts(
            own=self._member.own,
            mesh=ground.mesh,
            store=ground.store,
            at_rest=AtRest(self._member.vault_key, b"accusations", os.urandom),
            durability=ground.durability,
            lane=ground.lane,
            book=self.accusations,
            judgement=judgement,
            members=lambda: 0 if view.now is None else len(view.now.members),
            delay_ms=self._member.config.accusation_delay_seconds * 1000,
            random_bytes=os.urandom,
            wall_ms=ground.clock.wall_ms,
        )

    def _wrong(self, wrong: WrongAnswer) -> None:
        self.wrong_answers += 1
        published = read_published(self._ground.read_slot, KeyPurpose.TAG)
        if published is None:
            return
        try:
            case = WrongEvaluation(published.session, published.data, wrong.request, wrong.answer)
        except DecodeError as error:
            log.error("a wrong answer makes no case", reason=str(error))
            return
        if (case.asked.key_id, case.asked.share_epoch) == case.sharing_id:
            self.accuser.note(case, wrong.relay)

    async def run(self) -> None:
        """Anchor what was served and asked, forget what is old, by the clock, until cancelled.

        Raises StoreWriteFailed.
        """
        turns = 0
        while True:
            await asyncio.sleep(FOLLOW_S)
            await self.log_anchorer.follow(self._ground.chain.tip.timestamp_ms)
            await self.access_anchorer.follow(self._ground.chain.tip.timestamp_ms)
            await self.accuser.follow()
            turns += 1
            if turns % PRUNE_TURNS == 0:
                self.prune()

    def prune(self) -> None:
        """Forget what belongs to quota epochs long over, and accesses past their time."""
        kept_ms = self._member.config.access_log_days * DAY_MS
        self.access.prune(max(0, self._ground.clock.wall_ms() - kept_ms))
        view = self._ground.rings.now
        if view is not None:
            self.spent.prune(view.epoch)
            self.slots.prune(max(0, view.epoch - 1))
            self.query_log.prune(view.epoch)
            self.claims.prune(max(0, view.epoch - KEEP_EPOCHS))


def _steady_ms() -> float:
    return time.monotonic() * 1000
