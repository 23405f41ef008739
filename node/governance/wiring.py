"""Puts the governance desk over the parts of a running node.

Rules: calls that ask the contract run on a throw-away state with a deadline, so that a question can
not hold the event loop for long.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bulwark.ledger.ids import Address, Digest, Height
from bulwark.ledger.receipt import Log
from contracts.actions import BOUNDS
from contracts.governance import decode_failure
from node.assembly import Home
from node.chain.epochs import GAS_LIMIT, effective
from node.chain.store import ChainStore
from node.clock import Clock
from node.execution.calls import run_call
from node.execution.executor import Executor
from node.governance.desk import VOTE_GAS, GovernanceDesk, Ledger
from node.mesh import NetworkMesh
from node.reporting.anchorer import Anchorer
from node.reporting.idempotency import IdempotencyStore
from node.reporting.tracker import StageTracker
from node.service import Stage
from node.storage.durability import Durability

CALL_DEADLINE_S: Final = 1.0


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

    def refusal(sender: Address, contract: Address, data: bytes) -> str | None:
        outcome = run_call(
            executor,
            chain.tip,
            sender=sender,
            to=contract,
            data=data,
            value=0,
            gas=VOTE_GAS,
            deadline_s=time.monotonic() + CALL_DEADLINE_S,
        )
        if outcome.success:
            return None
        return decode_failure(outcome.output) if outcome.output else str(outcome.failure)

    def values(parameters: Mapping[str, int]) -> Mapping[str, int]:
        config, gas_limit = effective(home.genesis, parameters)
        core = {name: int(getattr(config, name)) for name in BOUNDS if name != GAS_LIMIT}
        return {**core, GAS_LIMIT: gas_limit}

    def logs_of(transaction: Digest) -> Sequence[Log]:
        place = chain.place_of_transaction(transaction)
        block = None if place is None else chain.block(place[0])
        if block is None:
            return ()
        at = block.transaction_hashes.index(transaction)
        return block.receipts[at].logs

    return GovernanceDesk(
        ledger=Ledger(
            read_slot=executor.slot,
            now_ms=lambda: chain.tip.timestamp_ms,
            gas_limit=lambda: executor.epochs.current.gas_limit,
            refusal=refusal,
            logs_of=logs_of,
            place_of=place_of,
            effective=values,
        ),
        lane=anchorer,
        tracker=tracker,
        idempotency=idempotency,
        durability=durability,
        connected=mesh.connected,
        member=home.member.id,
        now_ms=clock.now_ms,
        wait_timeout_ms=home.config.reporting.wait_timeout_ms,
    )
