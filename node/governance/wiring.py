"""Puts the desks of governance and policies, and the suspender, over the parts of a node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Address, Digest, Epoch, Height
from bulwark.ledger.receipt import Log
from consensus.terms import Terms
from node.assembly import Home
from node.chain.epochs import EpochBook, governed
from node.chain.policies import PolicyBook
from node.chain.store import ChainStore
from node.clock import Clock
from node.execution.executor import Executor
from node.execution.refusals import refusal
from node.governance.desk import GovernanceDesk, Ledger
from node.governance.policydesk import PolicyDesk, PolicyGround
from node.governance.suspender import Suspender, SuspenderParts
from node.guarded.accusationbook import AccusationBook
from node.mesh import NetworkMesh
from node.reporting.anchorer import Anchorer
from node.reporting.idempotency import IdempotencyStore
from node.reporting.tracker import StageTracker
from node.service import Stage
from node.storage.durability import Durability
from node.storage.port import KeyValueStore

LOOK_S: Final = 2.0
"""Between two looks at the evidence on the ledger."""
CALL_GAS: Final = 8_000_000
"""Gas of a question to the ledger: a vote, or the publication of the longest policy."""


class GovernanceGround(Struct, frozen=True, kw_only=True):
    """The parts of a node that government stands on."""

    home: Home
    store: KeyValueStore
    chain: ChainStore
    executor: Executor
    book: PolicyBook
    accusations: AccusationBook
    anchorer: Anchorer
    tracker: StageTracker
    idempotency: IdempotencyStore
    durability: Durability
    mesh: NetworkMesh
    clock: Clock
    place_of: Callable[[Digest], tuple[Stage, Height | None]]
    """How far an own transaction got."""
    is_current: Callable[[], bool]
    """Whether the node is not behind the alliance."""


class GovernancePath:
    """Governance desk, policy desk and suspender of one node."""

    def __init__(self, ground: GovernanceGround) -> None:
        self._ground = ground
        self.desk = _desk(ground)
        self.policies = _policy_desk(ground)
        self._suspender = _suspender(ground, self.desk)

    async def run(self) -> None:
        """Propose what evidence on the ledger asks for, until cancelled. Raises StoreDamaged."""
        is_on = self._ground.home.config.governance.propose_suspensions
        while True:
            if is_on and self._ground.is_current():
                await self._suspender.follow()
            await asyncio.sleep(LOOK_S)


def _desk(ground: GovernanceGround) -> GovernanceDesk:
    home, chain, executor = ground.home, ground.chain, ground.executor
    return GovernanceDesk(
        ledger=Ledger(
            read_slot=executor.slot,
            now_ms=lambda: chain.tip.timestamp_ms,
            gas_limit=lambda: executor.epochs.current.gas_limit,
            refusal=partial(_refusal, executor, chain),
            logs_of=partial(_logs_of, chain),
            place_of=ground.place_of,
            effective=partial(governed, home.genesis),
            epoch_seconds=home.genesis.privacy.epoch_seconds,
        ),
        lane=ground.anchorer,
        tracker=ground.tracker,
        idempotency=ground.idempotency,
        durability=ground.durability,
        connected=ground.mesh.connected,
        levels=ground.mesh.levels,
        known_level=executor.epochs.known,
        member=home.member.id,
        now_ms=ground.clock.wall_ms,
        wait_timeout_ms=home.config.reporting.wait_timeout_ms,
    )


def _policy_desk(ground: GovernanceGround) -> PolicyDesk:
    home, executor = ground.home, ground.executor
    return PolicyDesk(
        PolicyGround(
            book=ground.book,
            lane=ground.anchorer,
            tracker=ground.tracker,
            idempotency=ground.idempotency,
            durability=ground.durability,
            refusal=partial(_refusal, executor, ground.chain),
            gas_limit=lambda: executor.epochs.current.gas_limit,
            place_of=ground.place_of,
            member=home.member.id,
            now_ms=ground.clock.wall_ms,
            wait_timeout_ms=home.config.reporting.wait_timeout_ms,
        )
    )


def _suspender(ground: GovernanceGround, desk: GovernanceDesk) -> Suspender:
    return Suspender(
        SuspenderParts(
            store=ground.store,
            chain=ground.chain,
            read_slot=ground.executor.slot,
            genesis_hash=ground.home.genesis.hash,
            terms_of=partial(_terms_of, ground.executor.epochs),
            holds=ground.accusations.judged,
            desk=desk,
            own=ground.home.member.id,
            now_ms=ground.clock.now_ms,
        )
    )


def _terms_of(epochs: EpochBook, epoch: Epoch) -> Terms | None:
    try:
        return epochs.number(epoch).core_terms
    except LookupError:
        return None


def _refusal(
    executor: Executor, chain: ChainStore, sender: Address, contract: Address, data: bytes
) -> str | None:
    return refusal(executor, chain.tip, sender, contract, data, CALL_GAS)


def _logs_of(chain: ChainStore, transaction: Digest) -> Sequence[Log]:
    """Logs of a transaction in a block, none for another."""
    place = chain.place_of_transaction(transaction)
    block = None if place is None else chain.block(place[0])
    if block is None:
        return ()
    return block.receipts[block.transaction_hashes.index(transaction)].logs
