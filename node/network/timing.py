"""Whose clock differs: asks each connected member for its time and version, and answers the same.

A question has no body; the answer is the member's clock (8 bytes, milliseconds since 1970) and its
software version. Rules: half of the round trip is the error of a measurement, and of the last few
the one with the least error counts; a member is answered at most once in MIN_PAUSE_MS; what a
member says about its time is a claim that only diagnosis looks at, consensus never.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import MemberId
from bulwark.ledger.limits import MAX_TIMESTAMP_MS
from node.network.errors import NetworkError

INTERVAL_MS: Final = 10_000
"""Time between two questions to one member."""
TIMEOUT_MS: Final = 3_000
MIN_PAUSE_MS: Final = 500
"""A member that asks faster gets an empty answer."""
KEPT: Final = 3
"""Measurements of a member that are looked at: a clock that was set shows within half a minute."""
MAX_VERSION_BYTES: Final = 64


class Asking(Protocol):
    """What this needs of the mesh."""

    def connected(self) -> set[MemberId]:
        """Members with a connection."""
        ...

    async def request(self, member: MemberId, topic: int, payload: bytes, timeout_ms: int) -> bytes:
        """Ask a member; raises NetworkError."""
        ...


class TimeSample(Struct, frozen=True):
    """One measurement of a member's clock."""

    offset_ms: int
    """The member's clock minus this node's."""
    error_ms: int
    """Half of the round trip, rounded up."""
    at_ms: int


def encode_answer(now_ms: int, version: str) -> bytes:
    """Answer to a question for the time."""
    return Writer().uint(now_ms, 8).text(version[:MAX_VERSION_BYTES]).done()


def decode_answer(data: bytes) -> tuple[int, str]:
    """(milliseconds since 1970, version); raises DecodeError."""
    reader = Reader(data, "time answer")
    now_ms = reader.uint(8, "now_ms", MAX_TIMESTAMP_MS)
    version = reader.text("version", MAX_VERSION_BYTES)
    reader.end()
    return now_ms, version if version.isascii() and version.isprintable() else "?"


class Timekeeper:
    """The clocks of the connected members as this node measures them."""

    def __init__(
        self,
        network: Asking,
        topic: int,
        now_ms: Callable[[], int],
        version: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._network = network
        self._topic = topic
        self._now_ms = now_ms
        self._version = version
        self._sleep = sleep
        self._samples: dict[MemberId, deque[TimeSample]] = {}
        self._versions: dict[MemberId, str] = {}
        self._answered_ms: dict[MemberId, int] = {}

    def sample(self, member: MemberId) -> TimeSample | None:
        """The best of the last measurements of a member's clock."""
        kept = self._samples.get(member)
        return min(kept, key=lambda s: s.error_ms) if kept else None

    def version(self, member: MemberId) -> str:
        """The software version that a member told, empty if it told none."""
        return self._versions.get(member, "")

    def forget(self, member: MemberId) -> None:
        """The connection of a member ended: its clock may be another when it comes back."""
        self._samples.pop(member, None)
        self._versions.pop(member, None)

    async def serve(self, member: MemberId, body: bytes) -> bytes:
        """Answer a member; nothing to one that asks too often or sends what nobody asked for."""
        now_ms = self._now_ms()
        last_ms = self._answered_ms.get(member)
        if body or (last_ms is not None and now_ms - last_ms < MIN_PAUSE_MS):
            return b""
        self._answered_ms[member] = now_ms
        return encode_answer(now_ms, self._version)

    async def run(self) -> None:
        """Ask everybody now and then, until cancelled."""
        while True:
            await self.ask_all()
            await self._sleep(INTERVAL_MS / 1000)

    async def ask_all(self) -> None:
        """Ask each connected member once."""
        await asyncio.gather(*(self.ask(member) for member in sorted(self._network.connected())))

    async def ask(self, member: MemberId) -> None:
        """Measure one member's clock; a member that does not answer keeps its last measurement."""
        asked_ms = self._now_ms()
        try:
            answer = await self._network.request(member, self._topic, b"", TIMEOUT_MS)
            theirs_ms, version = decode_answer(answer)
        except (NetworkError, DecodeError):
            return
        now_ms = self._now_ms()
        sample = TimeSample(
            offset_ms=theirs_ms - (asked_ms + now_ms) // 2,
            error_ms=(now_ms - asked_ms + 1) // 2 + 1,
            at_ms=now_ms,
        )
        self._samples.setdefault(member, deque(maxlen=KEPT)).append(sample)
        self._versions[member] = version
