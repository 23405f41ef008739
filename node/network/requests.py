"""Questions and answers over one connection: correlation ids, bounds at both ends, time limits.

Layout: REQUEST is an 8-byte id, a 1-byte topic and the body; RESPONSE is the id, a 1-byte status
and the body. Rules: an asker has a bounded number of questions out and gives each up at its
deadline; an answerer works on a bounded number of one peer's questions and says `busy` to more,
never queueing them. What the topics mean is decided by whoever registers for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import IntEnum
from typing import Final

from bulwark.ledger.errors import LedgerError
from bulwark.ledger.ids import MemberId
from node.network.counters import Counters, log
from node.network.errors import (
    NotConnected,
    PeerRefused,
    Reason,
    RequestRefused,
    RequestTimeout,
    TooManyRequests,
)
from node.network.frames import encode_frame
from node.network.kinds import Kind
from node.network.limits import Limits

ID_BYTES: Final = 8
HEAD_BYTES: Final = ID_BYTES + 1

Responder = Callable[[MemberId, bytes], Awaitable[bytes]]
"""Answers a peer's request body. Every exception is answered with `failed`: LedgerError and
ValueError say that the body is no request, the asker's fault; any other is logged as a defect."""


class Status(IntEnum):
    """Second field of a RESPONSE."""

    OK = 0
    BUSY = 1
    UNKNOWN = 2
    """Nobody registered for the topic."""
    FAILED = 3


class Calls:
    """The requests of one connection, both directions."""

    def __init__(
        self,
        member: MemberId,
        send: Callable[[Kind, bytes], bool],
        responders: Mapping[int, Responder],
        counters: Counters,
        limits: Limits,
    ) -> None:
        self._member = member
        self._send = send
        self._responders = responders
        self._counters = counters
        self._limits = limits
        self._next = 0
        self._waiting: dict[int, asyncio.Future[tuple[int, bytes]]] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._complained = False

    async def ask(self, topic: int, body: bytes, timeout_ms: int) -> bytes:
        """Send a request and wait for its answer. Raises RequestError, PayloadTooLarge."""
        if len(self._waiting) >= self._limits.requests_outstanding:
            raise TooManyRequests(self._member, topic, f"{len(self._waiting)} are outstanding")
        number = self._next
        self._next += 1
        frame = encode_frame(
            Kind.REQUEST, number.to_bytes(ID_BYTES, "big") + bytes((topic,)) + body
        )
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            if not self._send(Kind.REQUEST, frame):
                raise TooManyRequests(self._member, topic, "the queue to the member is full")
            async with asyncio.timeout(timeout_ms / 1000):
                status, content = await answer
        except TimeoutError as error:
            raise RequestTimeout(self._member, topic, f"no answer in {timeout_ms} ms") from error
        except ConnectionError as error:
            raise NotConnected(self._member, topic, "the connection ended") from error
        finally:
            self._waiting.pop(number, None)
        if status != Status.OK:
            raise RequestRefused(self._member, topic, f"answered {Status(status).name.lower()}")
        return content

    def on_request(self, payload: bytes) -> None:
        """Start to answer a peer's request; raises PeerRefused when malformed."""
        if len(payload) < HEAD_BYTES:
            raise PeerRefused(Reason.MALFORMED, f"REQUEST of {len(payload)} bytes")
        head, topic = payload[:ID_BYTES], payload[ID_BYTES]
        responder = self._responders.get(topic)
        if responder is None:
            self._respond(head, Status.UNKNOWN, b"")
        elif len(self._serving) >= self._limits.requests_served:
            self._counters.requests_busy += 1
            self._respond(head, Status.BUSY, b"")
        else:
            work = self._serve(head, topic, responder, payload[HEAD_BYTES:])
            task = asyncio.get_running_loop().create_task(work)
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    def on_response(self, payload: bytes) -> None:
        """Hand an answer to who waits for it; raises PeerRefused when malformed."""
        if len(payload) < HEAD_BYTES or payload[ID_BYTES] > max(Status):
            raise PeerRefused(Reason.MALFORMED, f"RESPONSE of {len(payload)} bytes")
        answer = self._waiting.get(int.from_bytes(payload[:ID_BYTES], "big"))
        if answer is None or answer.done():
            self._counters.responses_late += 1
            return
        answer.set_result((payload[ID_BYTES], payload[HEAD_BYTES:]))

    def end(self) -> list[asyncio.Task[None]]:
        """The connection ended: fail what waits, cancel what is being answered; gives the tasks."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionError())
        tasks = list(self._serving)
        for task in tasks:
            task.cancel()
        return tasks

    async def _serve(self, head: bytes, topic: int, responder: Responder, body: bytes) -> None:
        try:
            content = await responder(self._member, body)
            self._counters.requests_served += 1
            self._respond(head, Status.OK, content)
        except (LedgerError, ValueError) as error:
            self._malformed(head, topic, error)
        except Exception as error:  # a responder's defect must not take the connection down
            self._fail(head, topic, error)

    def _malformed(self, head: bytes, topic: int, error: Exception) -> None:
        """One line a connection: who asks nonsense must not fill the log."""
        self._counters.requests_malformed += 1
        if not self._complained:
            self._complained = True
            fields = {"member": self._member, "topic": topic, "error": str(error)}
            log.warning("malformed request, further ones are only counted", extra=fields)
        self._respond(head, Status.FAILED, b"")

    def _fail(self, head: bytes, topic: int, error: Exception) -> None:
        self._counters.handler_errors += 1
        fields = {"member": self._member, "topic": topic, "error": type(error).__name__}
        log.error("request handler failed", exc_info=error, extra=fields)
        self._respond(head, Status.FAILED, b"")

    def _respond(self, head: bytes, status: Status, content: bytes) -> None:
        self._send(Kind.RESPONSE, encode_frame(Kind.RESPONSE, head + bytes((status,)) + content))
