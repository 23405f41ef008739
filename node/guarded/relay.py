"""The relay: passes another member's sealed question on to an evaluator, and the answer back.

It sees who asks and not what (the roles of RFC 9458); the evaluator sees what and not who.

Rules: the question has exactly the length of its scope, so the relay can count no elements; the
evaluator is neither the asker nor this node, else one of them would learn the asker; each pass
waits a random time within bounds, so that arrival at the evaluator does not show the moment of the
question; a member has only so many passes under way. Nothing of a pass is logged or kept, only
counted in total: who asked whom when is what the path hides.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import MemberId
from bulwark.privacy.group import RandomBytes
from node.requests import Mesh, PeerUnavailable, Topic

MAX_SEALED_BYTES: Final = 64 * 1024
"""A bulk request of 256 elements with a proof of any ring is under 16 KiB."""
MAX_MEMBER_CHARS: Final = 31
MAX_UNDER_WAY: Final = 32
"""Passes of one member at once."""


class Delay(Struct, frozen=True):
    """Bounds of the random wait, milliseconds."""

    least_ms: int
    most_ms: int

    def draw_s(self, random_bytes: RandomBytes) -> float:
        """A uniform wait in seconds."""
        part = int.from_bytes(random_bytes(8), "big") / (1 << 64)
        return (self.least_ms + part * (self.most_ms - self.least_ms)) / 1000


class PassRefused(ValueError):
    """A relay does not pass a question on."""


class Relay:
    """Serves Topic.RELAY."""

    def __init__(
        self,
        *,
        own: MemberId,
        mesh: Mesh,
        evaluators: Callable[[], Collection[MemberId]],
        sizes: Callable[[], Collection[int]],
        delay: Delay,
        timeout_ms: int,
        random_bytes: RandomBytes,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`sizes`: the lengths that sealed questions have now, bytes."""
        self._own = own
        self._mesh = mesh
        self._evaluators = evaluators
        self._sizes = sizes
        self._delay = delay
        self._timeout_ms = timeout_ms
        self._random_bytes = random_bytes
        self._pause = pause
        self._under_way: Counter[MemberId] = Counter()
        self.passed = 0
        """Questions passed on since start."""
        self.refused = 0

    async def serve(self, asker: MemberId, payload: bytes) -> bytes:
        """Pass a question on and give the sealed answer; raises ValueError with a reason."""
        try:
            target, sealed = decode_pass(payload)
            self._check(asker, target, sealed)
        except ValueError:
            self.refused += 1
            raise
        self._under_way[asker] += 1
        try:
            await self._pause(self._delay.draw_s(self._random_bytes))
            answer = await self._mesh.ask(target, Topic.GUARDED, sealed, self._timeout_ms)
        except PeerUnavailable as error:
            raise PassRefused("the evaluator did not answer") from error
        finally:
            self._under_way[asker] -= 1
            if not self._under_way[asker]:
                del self._under_way[asker]
        self.passed += 1
        return answer

    def _check(self, asker: MemberId, target: MemberId, sealed: bytes) -> None:
        if target in (asker, self._own):
            raise PassRefused("an evaluator is neither the asker nor the relay")
        if target not in self._evaluators():
            raise PassRefused("no such evaluator")
        if len(sealed) not in self._sizes():
            raise PassRefused(f"{len(sealed)} bytes are no length of a sealed question now")
        if self._under_way[asker] >= MAX_UNDER_WAY:
            raise PassRefused(f"{MAX_UNDER_WAY} questions are under way")


def encode_pass(target: MemberId, sealed: bytes) -> bytes:
    """Body of a RELAY request."""
    return Writer().text(target).blob(sealed).done()


def decode_pass(payload: bytes) -> tuple[MemberId, bytes]:
    """Inverse of encode_pass(); raises PassRefused."""
    reader = Reader(payload, "relay request")
    try:
        target = MemberId(reader.text("target", MAX_MEMBER_CHARS))
        sealed = reader.blob("sealed", MAX_SEALED_BYTES)
        reader.end()
    except DecodeError as error:
        raise PassRefused(str(error)) from error
    return target, sealed
