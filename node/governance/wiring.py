"""Puts the governance desk over the parts of a running node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import Address, Digest, Height
from bulwark.ledger.receipt import Log
from contracts.actions import BOUNDS
from node.assembly import Home
from node.chain.epochs import GAS_LIMIT, effective
from node.chain.policies import PolicyBook
from node.chain.store import ChainStore
from node.clock import Clock
from node.execution.executor import Executor
from node.execution.refusals import refusal
from node.governance.desk import GovernanceDesk, Ledger
from node.governance.policydesk import PolicyDesk, PolicyGround
from node.mesh import NetworkMesh
from node.reporting.anchorer import Anchorer
from node.reporting.idempotency import IdempotencyStore
from node.reporting.tracker import StageTracker
from node.service import Stage
from node.storage.durability import Durability

CALL_GAS: Final = 8_000_000
"""Gas of a question to the ledger: a vote, or the publication of the longest policy."""


def make_desk(
    *,
    home: Home,
    chain: ChainStore,
    executor: Executor,
    anchorer: Anchorer,
    tracker: StageTracker,
    idempotency: IdempotencyStore,
    durability: Durability,
    mesh: NetworkMesh,
    clock: Clock,
    place_of: Callable[[Digest], tuple[Stage, Height | None]],
) -> GovernanceDesk:
    """The desk of a node; `place_of` tells how far an own transaction got."""
    return GovernanceDesk(
        ledger=Ledger(
            read_slot=executor.slot,
            now_ms=lambda: chain.tip.timestamp_ms,
            gas_limit=lambda: executor.epochs.current.gas_limit,
            refusal=partial(_refusal, executor, chain),
            logs_of=partial(_logs_of, chain),
            place_of=place_of,
            effective=partial(_effective, home.genesis),
            epoch_seconds=home.genesis.privacy.epoch_seconds,
        ),
        lane=anchorer,
        tracker=tracker,
        idempotency=idempotency,
        durability=durability,
        connected=mesh.connected,
        member=home.member.id,
        now_ms=clock.wall_ms,
        wait_timeout_ms=home.config.reporting.wait_timeout_ms,
    )


def make_policy_desk(
    *,
    home: Home,
    chain: ChainStore,
    executor: Executor,
    book: PolicyBook,
    anchorer: Anchorer,
    tracker: StageTracker,
    idempotency: IdempotencyStore,
    durability: Durability,
    clock: Clock,
    place_of: Callable[[Digest], tuple[Stage, Height | None]],
) -> PolicyDesk:
    """The policy desk of a node."""
    return PolicyDesk(
        PolicyGround(
            book=book,
            lane=anchorer,
            tracker=tracker,
            idempotency=idempotency,
            durability=durability,
            refusal=partial(_refusal, executor, chain),
            gas_limit=lambda: executor.epochs.current.gas_limit,
            place_of=place_of,
            member=home.member.id,
            now_ms=clock.wall_ms,
            wait_timeout_ms=home.config.reporting.wait_timeout_ms,
        )
    )


def _refusal(
    executor: Executor, chain: ChainStore, sender: Address, contract: Address, data: bytes
) -> str | None:
    return refusal(executor, chain.tip, sender, contract, data, CALL_GAS)


def _effective(genesis: Genesis, parameters: Mapping[str, int]) -> Mapping[str, int]:
    """Consensus parameters by name; raises ConfigInvalid."""
    config, gas_limit = effective(genesis, parameters)
    core = {name: int(getattr(config, name)) for name in BOUNDS if name != GAS_LIMIT}
    return {**core, GAS_LIMIT: gas_limit}


def _logs_of(chain: ChainStore, transaction: Digest) -> Sequence[Log]:
    """Logs of a transaction in a block, none for another."""
    place = chain.place_of_transaction(transaction)
    block = None if place is None else chain.block(place[0])
    if block is None:
        return ()
    return block.receipts[block.transaction_hashes.index(transaction)].logs
