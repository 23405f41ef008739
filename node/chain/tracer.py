"""Traces of this node's chain: one worker that runs blocks again, within bounds.

Rules: traces never take a worker from calls, and one runs at a time; who comes while too many wait
is told that the node is busy; a trace that is over its time ends, however far it is. It implements
`node.traces.Traces`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from bulwark.ledger.header import Header
from bulwark.ledger.ids import Height
from node.ethereum import BlockBody, CallRequest, CallResult
from node.execution.executor import Executor
from node.execution.replaying import access_list, trace_block, trace_call
from node.service import Busy
from node.traces import AccessEntry, TraceWish, TransactionTrace

TRACE_SECONDS: Final = 20.0
"""Longest run of one trace; a full block of 30 million gas takes half of it."""
MAX_TRACES: Final = 3
"""Traces under way and waiting; more are refused with Busy."""

T = TypeVar("T")


class ChainTracer:
    """Traces of one node."""

    def __init__(
        self,
        executor: Executor,
        block_at: Callable[[Height], BlockBody | None],
        state_at: Callable[[Height], Header],
        most_gas: int,
    ) -> None:
        """`state_at` gives the header of a block whose state is here, or raises LookupError."""
        self._executor = executor
        self._block_at = block_at
        self._state_at = state_at
        self._most_gas = most_gas
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="trace")
        self._under_way = 0

    def close(self) -> None:
        """Stop the worker; a trace under way ends within TRACE_SECONDS."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    async def block(
        self, height: Height, wish: TraceWish, only: int | None = None
    ) -> list[TransactionTrace]:
        """Traces of a block's transactions in order, or of the one at position `only`."""
        block = self._block_at(height)
        if block is None:
            raise LookupError(f"no block {height}")
        if not block.transactions:
            return []
        parent = self._state_at(Height(height - 1))
        return await self._run(
            lambda until: trace_block(self._executor, parent, block, wish, only, until)
        )

    async def call(self, request: CallRequest, height: Height, wish: TraceWish) -> TransactionTrace:
        """Trace of a message on the state after `height`."""
        block, gas = self._state_at(height), self._gas(request)
        return await self._run(
            lambda until: trace_call(self._executor, block, request, gas, wish, until)
        )

    async def access_list(
        self, request: CallRequest, height: Height
    ) -> tuple[list[AccessEntry], CallResult]:
        """What a message reads and writes, and how it runs with that as its access list."""
        block, gas = self._state_at(height), self._gas(request)
        return await self._run(
            lambda until: access_list(self._executor, block, request, gas, until)
        )

    def _gas(self, request: CallRequest) -> int:
        return self._most_gas if request.gas is None else min(request.gas, self._most_gas)

    async def _run(self, work: Callable[[float], T]) -> T:
        if self._under_way >= MAX_TRACES:
            raise Busy(f"{self._under_way} traces are under way")
        loop = asyncio.get_running_loop()
        self._under_way += 1
        future = loop.run_in_executor(self._worker, lambda: work(time.monotonic() + TRACE_SECONDS))
        # Whoever gives up leaves the worker at work: it counts until it is done.
        future.add_done_callback(self._done)
        return await asyncio.shield(future)

    def _done(self, future: asyncio.Future[T]) -> None:
        self._under_way -= 1
        if not future.cancelled():
            future.exception()
