"""Ethereum methods of tracing: debug_trace..., with geth's callTracer, prestateTracer and default.

Rules: tracers are the node's own, no script is run; options that are not known are refused, so that
nobody takes the default for what was asked; a block's trace holds an error object for each
transaction whose trace is refused. Answers are made in a thread: they may be large.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from msgspec import Struct

from api.auth import Principal
from api.eth_params import call_request, digest, existing_height, flag, number_or_tag, take
from api.eth_traceforms import accounts_form, call_form, difference_form, refusal, steps_form
from api.hexadecimal import data, parse_quantity
from api.jsonrpc import SERVER_ERROR, Json, Method, RpcError, invalid_params
from bulwark.ledger.ids import Height
from node.traces import TracedView, TraceKind, TraceWish, TransactionTrace

_OPTIONS: Final = frozenset(
    (
        "tracer",
        "tracerConfig",
        "timeout",
        "reexec",
        "limit",
        "enableMemory",
        "disableMemory",
        "disableStack",
        "disableStorage",
        "enableReturnData",
        "disableReturnData",
        "debug",
    )
)
_CALL_OPTIONS: Final = frozenset(("onlyTopCall", "withLog"))
_PRESTATE_OPTIONS: Final = frozenset(("diffMode",))
TRACERS: Final = ("callTracer", "prestateTracer")


class Tracer(Struct, frozen=True):
    """What to record, and how to show it."""

    wish: TraceWish
    form: Callable[[TransactionTrace], Json]


def tracer_of(given: object, what: str) -> Tracer:
    """The tracer that options ask for. Raises RpcError for what is not offered."""
    options = _object(given, what, _OPTIONS)
    name = options.get("tracer")
    if name is None or name == "":
        return _steps(options)
    config = options.get("tracerConfig")
    if name == "callTracer":
        asked = _object(config, "tracerConfig", _CALL_OPTIONS)
        top_only = flag(asked.get("onlyTopCall"), "onlyTopCall")
        logs = flag(asked.get("withLog"), "withLog")

        def calls(trace: TransactionTrace) -> Json:
            if trace.root is None:
                raise refusal(trace)
            return call_form(trace.root, top_only, logs)

        return Tracer(TraceWish(TraceKind.CALLS), calls)
    if name == "prestateTracer":
        asked = _object(config, "tracerConfig", _PRESTATE_OPTIONS)
        form = difference_form if flag(asked.get("diffMode"), "diffMode") else accounts_form
        return Tracer(TraceWish(TraceKind.ACCOUNTS), lambda trace: form(trace.touched))
    raise invalid_params(f"tracer: {' or '.join(TRACERS)}, or none for single instructions")


def _steps(options: dict[str, object]) -> Tracer:
    limit = options.get("limit")
    most = limit if type(limit) is int else None
    if limit is not None and (most is None or most < 0):
        raise invalid_params("limit wants a number of instructions")
    wish = TraceWish(
        TraceKind.STEPS,
        most_steps=most or None,
        memory=flag(options.get("enableMemory"), "enableMemory"),
        stack=not flag(options.get("disableStack"), "disableStack"),
    )
    storage = not flag(options.get("disableStorage"), "disableStorage")
    return Tracer(wish, lambda trace: steps_form(trace, storage))


def _object(given: object, what: str, known: frozenset[str]) -> dict[str, object]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise invalid_params(f"invalid argument {what}: object expected")
    unknown = sorted(str(name)[:40] for name in given if name not in known)
    if unknown:
        raise invalid_params(
            f"{what} does not know {unknown[0]}; known: {', '.join(sorted(known))}"
        )
    return cast("dict[str, object]", given)


class DebugMethods:
    """Methods that trace."""

    def __init__(self, view: TracedView) -> None:
        self._view = view

    def table(self) -> dict[str, Method]:
        """Methods by name."""
        return {
            "debug_traceTransaction": self.transaction,
            "debug_traceBlockByNumber": self.block_by_number,
            "debug_traceBlockByHash": self.block_by_hash,
            "debug_traceCall": self.call,
        }

    async def transaction(self, params: list[object], _: Principal) -> Json:
        """debug_traceTransaction [hash, options]: an executed transaction, run again."""
        given, options = take(params, 1, 2)
        wanted, tracer = digest(given, "0"), tracer_of(options, "1")
        place = self._view.transaction(wanted)
        if place is None:
            raise RpcError(SERVER_ERROR, "transaction not found")
        (trace,) = await self._view.traces.block(place.height, tracer.wish, place.index)
        return await asyncio.to_thread(tracer.form, trace)

    async def block_by_number(self, params: list[object], _: Principal) -> Json:
        """debug_traceBlockByNumber [number or tag, options]: every transaction of a block."""
        at, options = take(params, 1, 2)
        tracer = tracer_of(options, "1")
        return await self._block(self._view.height(number_or_tag(at, "0")), tracer)

    async def block_by_hash(self, params: list[object], _: Principal) -> Json:
        """debug_traceBlockByHash [hash, options]: every transaction of a block."""
        given, options = take(params, 1, 2)
        tracer = tracer_of(options, "1")
        return await self._block(self._view.height_of_hash(digest(given, "0")), tracer)

    async def _block(self, height: Height | None, tracer: Tracer) -> Json:
        if height is None:
            raise RpcError(SERVER_ERROR, "block not found")
        traces = await self._view.traces.block(height, tracer.wish)
        return await asyncio.to_thread(lambda: [_one_of_block(t, tracer) for t in traces])

    async def call(self, params: list[object], _: Principal) -> Json:
        """debug_traceCall [message, block, options]: a message on the state after a block."""
        message, at, options = take(params, 1, 3)
        request, tracer = call_request(message, "0"), tracer_of(options, "2")
        height = existing_height(self._view, at, "block")
        trace = await self._view.traces.call(request, height, tracer.wish)
        if trace.failure is not None and not trace.gas_used:
            raise refusal(trace)  # it did not even begin
        return await asyncio.to_thread(tracer.form, trace)


def _one_of_block(trace: TransactionTrace, tracer: Tracer) -> Json:
    name = data(trace.transaction_hash or b"")
    try:
        return {"txHash": name, "result": tracer.form(trace)}
    except RpcError as error:
        return {"txHash": name, "error": error.message}


def page_number(given: object, what: str) -> int:
    """A number as explorers send it: a QUANTITY or a plain JSON number."""
    if type(given) is int and given >= 0:
        return given
    return parse_quantity(given, what)
