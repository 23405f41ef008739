"""Answering: from what a person typed to how its case stands, slowly enough and not too often.

Rules: every answer takes at least `floor_ms` whatever was found, so its time says nothing; an
address that typed too many wrong codes gets none for a while, right ones included, and all
addresses together have a bound, which a wrong guess costs like a right one. Nothing of a code is
kept or logged.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from api.auth import address_group
from bulwark.advice.reference import MistypedCode, plain_code
from node.interaction.statusport import StatusLookup, StatusView

WINDOW_MS: Final = 600_000
MINUTE_MS: Final = 60_000
MAX_ADDRESSES: Final = 10_000


class Miss(StrEnum):
    """Why there is no case to show."""

    MISTYPED = "mistyped"
    NOT_FOUND = "not_found"
    TOO_MANY = "too_many"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a code led to: a case, or why there is none."""

    view: StatusView | None
    miss: Miss | None = None
    retry_s: int = 0
    """With TOO_MANY: seconds until the next try."""


class Answering:
    """Look-ups of everybody at one node."""

    def __init__(
        self,
        lookup: StatusLookup,
        *,
        attempts: int,
        per_minute: int,
        floor_ms: int,
        steady_ms: Callable[[], int],
    ) -> None:
        """`steady_ms`: monotonic milliseconds."""
        self._lookup = lookup
        self._attempts = attempts
        self._per_minute = per_minute
        self._floor_ms = floor_ms
        self._steady_ms = steady_ms
        self._wrong: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """By group of addresses: start of its window and wrong codes in it."""
        self._minute = (0, 0)

    async def answer(self, typed: str, client: str) -> Answer:
        """What a code leads to. Raises StoreDamaged."""
        began = self._steady_ms()
        try:
            return self._answer(typed, address_group(client), began)
        finally:
            left_ms = self._floor_ms - (self._steady_ms() - began)
            await asyncio.sleep(max(0, left_ms) / 1000)

    def _answer(self, typed: str, group: str, now_ms: int) -> Answer:
        held_ms = max(self._held_ms(group, now_ms), self._full_ms(now_ms))
        if held_ms > 0:
            return Answer(None, Miss.TOO_MANY, -(-held_ms // 1000))
        try:
            plain = plain_code(typed)
        except MistypedCode:
            # It is no guess: whoever makes codes up does not mistype the check character.
            self._note(group, now_ms)
            return Answer(None, Miss.MISTYPED)
        view = self._lookup.look(plain)
        if view is None:
            self._note(group, now_ms)
            return Answer(None, Miss.NOT_FOUND)
        return Answer(view)

    def _held_ms(self, group: str, now_ms: int) -> int:
        start, wrong = self._wrong.get(group, (now_ms, 0))
        return start + WINDOW_MS - now_ms if wrong >= self._attempts else 0

    def _full_ms(self, now_ms: int) -> int:
        """Count a look-up of anybody; milliseconds to wait where a minute had too many."""
        start, seen = self._minute
        if now_ms - start >= MINUTE_MS:
            start, seen = now_ms, 0
        self._minute = (start, seen + 1)
        return start + MINUTE_MS - now_ms if seen >= self._per_minute else 0

    def _note(self, group: str, now_ms: int) -> None:
        start, wrong = self._wrong.pop(group, (now_ms, 0))
        if now_ms - start >= WINDOW_MS:
            start, wrong = now_ms, 0
        self._wrong[group] = (start, wrong + 1)
        if len(self._wrong) > MAX_ADDRESSES:
            self._wrong.popitem(last=False)
