"""JSON-RPC 2.0: requests in, answers out, whatever bytes come.

Rules: strict 2.0 envelope; a batch holds 1 to a bounded number of calls, notifications get no
answer, an unknown method is exactly -32601; every failure is an error object, never an exception
that reaches the server. Answers of a batch are bounded together.
Source: JSON-RPC 2.0 specification of 2013; error codes of Ethereum in EIP-1474 and, for reverts, 3.
It knows no method by itself.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Final

import msgspec
import orjson

from api.auth import Principal
from api.hexadecimal import HexInvalid

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
SERVER_ERROR: Final = -32000
NOT_FOUND: Final = -32001
UNAVAILABLE: Final = -32002
TRANSACTION_REJECTED: Final = -32003
LIMIT_EXCEEDED: Final = -32005
FORBIDDEN: Final = -32006
"""Ours: the key's role may not call this method."""
REVERTED: Final = 3
PRUNED: Final = 4444
"""Pruned history unavailable, as EIP-4444 nodes say it; `data` is the lowest block that is here."""

TURN_S: Final = 0.003
"""How long a batch may compute before the event loop gets a turn."""
_MAX_ID_CHARS: Final = 256

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
"""What a method returns."""

Method = Callable[[list[object], Principal], Awaitable[Json]]
"""One method: positional parameters and who asks."""

ARRIVED: Final[ContextVar[float]] = ContextVar("arrived")
"""When the request or batch under way came, on the event loop's clock; for methods that wait."""

_log = logging.getLogger("bulwark.api.rpc")


class RpcError(Exception):
    """A call is answered with this error object."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        self.code = code
        self.message = message
        self.data = data
        super().__init__(f"{code}: {message}")

    def document(self) -> dict[str, Json]:
        """The error object."""
        shown: dict[str, Json] = {"code": self.code, "message": self.message}
        if self.data is not None:
            shown["data"] = self.data
        return shown


def invalid_params(detail: str) -> RpcError:
    """-32602 with what is wrong."""
    return RpcError(INVALID_PARAMS, detail)


class Dispatcher:
    """Answers JSON-RPC text through a table of methods."""

    def __init__(
        self,
        methods: Mapping[str, Method],
        translate: Callable[[Exception], RpcError | None],
        max_calls: int,
        max_answer: int,
    ) -> None:
        """`translate` gives the error object of a port's exception, None for an unforeseen one."""
        self._methods = dict(methods)
        self._translate = translate
        self._max_calls = max_calls
        self._max_answer = max_answer

    @property
    def names(self) -> frozenset[str]:
        """Methods that are answered."""
        return frozenset(self._methods)

    async def answer(
        self, raw: bytes, principal: Principal, extra: Mapping[str, Method] | None = None
    ) -> bytes | None:
        """The answer to a request or a batch; None when nothing is to be said.

        `extra` adds methods of one connection (subscriptions of a WebSocket).
        """
        ARRIVED.set(asyncio.get_running_loop().time())
        try:
            request = _decode(raw)
        except ValueError:
            return _error(None, RpcError(PARSE_ERROR, "parse error"))
        if not isinstance(request, list):
            return await self._one(request, principal, extra)
        if not request:
            return _error(None, RpcError(INVALID_REQUEST, "empty batch"))
        if len(request) > self._max_calls:
            over = f"batch of {len(request)} calls, at most {self._max_calls} are answered"
            return _error(None, RpcError(INVALID_REQUEST, over))
        answers: list[bytes] = []
        size = 0
        clock = asyncio.get_running_loop().time
        turn = clock()
        for call in request:
            if clock() - turn > TURN_S:
                await asyncio.sleep(0)  # consensus goes first
                turn = clock()
            if size > self._max_answer:
                over = f"the answers of this batch are over {self._max_answer} bytes together"
                answers.append(_error(_id_of(call), RpcError(LIMIT_EXCEEDED, over)))
                continue
            answer = await self._one(call, principal, extra)
            if answer is not None:
                answers.append(answer)
                size += len(answer)
        return b"[" + b",".join(answers) + b"]" if answers else None

    async def _one(
        self, call: object, principal: Principal, extra: Mapping[str, Method] | None
    ) -> bytes | None:
        identifier = _id_of(call)
        try:
            name, params = _envelope(call)
            method = self._methods.get(name) or (extra or {}).get(name)
            if method is None:
                raise RpcError(
                    METHOD_NOT_FOUND, f"the method {name[:64]} does not exist/is not available"
                )
            result = await method(params, principal)
        except RpcError as error:
            failure = error
        except HexInvalid as error:
            failure = invalid_params(f"invalid argument {error.what}: {error.detail}")
        except Exception as error:
            translated = self._translate(error)
            if translated is None:
                log_failure(_log, "method failed", error)
            failure = translated or RpcError(INTERNAL_ERROR, "internal error")
        else:
            if not _wants_answer(call):
                return None
            return orjson.dumps({"jsonrpc": "2.0", "id": identifier, "result": result})
        # A request too broken to be a notification is answered, as the specification asks.
        if failure.code != INVALID_REQUEST and not _wants_answer(call):
            return None
        return _error(identifier, failure)


def log_failure(log: logging.Logger, event: str, error: BaseException, **fields: object) -> None:
    """Log where an unforeseen error arose, but not its message: that may hold a client's value."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
    log.error(event, extra={"fields": {"error": type(error).__name__, "where": where, **fields}})


def _decode(raw: bytes) -> object:
    """JSON value of the text; ValueError for anything else, also for one nested absurdly."""
    try:
        value: object = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError("not JSON") from error
    return value


def _envelope(call: object) -> tuple[str, list[object]]:
    if not isinstance(call, dict):
        raise RpcError(INVALID_REQUEST, "a request is an object")
    if call.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, 'jsonrpc wants "2.0"')
    if "id" in call and not _is_id(call["id"]):
        raise RpcError(INVALID_REQUEST, "id wants a string, a number or null")
    name = call.get("method")
    if not isinstance(name, str):
        raise RpcError(INVALID_REQUEST, "method wants a string")
    params = call.get("params", [])
    if params is None:
        params = []
    if isinstance(params, dict):
        raise invalid_params("parameters are given by position")
    if not isinstance(params, list):
        raise RpcError(INVALID_REQUEST, "params wants an array")
    return name, params


def _is_id(given: object) -> bool:
    if isinstance(given, bool):
        return False
    if isinstance(given, int):
        return -(1 << 63) <= given < 1 << 64
    return (
        given is None
        or isinstance(given, float)
        or (isinstance(given, str) and len(given) <= _MAX_ID_CHARS)
    )


def _id_of(call: object) -> str | int | float | None:
    given = call.get("id") if isinstance(call, dict) else None
    return given if isinstance(given, str | int | float) and _is_id(given) else None


def _wants_answer(call: object) -> bool:
    return isinstance(call, dict) and "id" in call


def _error(identifier: str | int | float | None, error: RpcError) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": identifier, "error": error.document()})
