"""Reads: how long a screening takes, for a value that the member knows and for one nobody asked.

Rules: open loop at a fixed rate, timed from the moment a question was due; an answer that is not
complete, or no hit where one has to be, is a failure and not a fast answer.
"""

from __future__ import annotations

import itertools

from bench.alliance import Alliance
from bench.client import Answer
from bench.figures import Figure, latency_figures
from bench.load import Check, open_loop
from bench.values import Value, Values, first_rows, ndjson, question

KNOWN_HITS = 500
"""Different values that the hits go round."""
_WARM_UP_S = 0.5
_UPLOAD_S = 60.0


class Reads:
    """The measurements of screenings, all at the first member."""

    def __init__(self, alliance: Alliance, values: Values, seconds: float) -> None:
        self._alliance = alliance
        self._values = values
        self._seconds = seconds
        self._hits: list[Value] = []
        self.loader_share = 0.0

    async def hit(self, rate: int) -> list[Figure]:
        """Values that another member reported and this one asked for before."""
        asking = self._alliance.members[0]
        if not self._hits:
            await self._prepare()
        count = int(rate * (_WARM_UP_S + self._seconds))
        values = itertools.islice(itertools.cycle(self._hits), count)
        raw = [asking.screen(question(value)) for value in values]
        before = self._alliance.usage().cpu_s
        figures = await self._timed(f"hit.{rate}", raw, rate, check_hit)
        cpu_s = self._alliance.usage().cpu_s - before
        return [*figures, Figure("hit.cpu", cpu_s / count * 1000)]

    async def fresh(self, rate: int) -> list[Figure]:
        """Values that nobody asked for or reported."""
        asking = self._alliance.members[0]
        values = self._values.take(int(rate * (_WARM_UP_S + self._seconds)))
        raw = [asking.screen(question(value)) for value in values]
        return await self._timed("ask.fresh", raw, rate, check_miss)

    async def _prepare(self) -> None:
        """Report values through the last member and let the first one ask for them."""
        asking, reporting = self._alliance.members[0], self._alliance.members[-1]
        values = self._values.take(KNOWN_HITS)
        before = await self._alliance.executed()
        upload = reporting.upload(ndjson(first_rows(values)), "executed")
        await reporting.ask(upload, _UPLOAD_S)
        await self._alliance.wait_executed(before, len(values), _UPLOAD_S)
        raw = [asking.screen(question(value)) for value in values]
        await open_loop([asking.pool], raw, 500, check_hit)
        self._hits = values

    async def _timed(self, name: str, raw: list[bytes], rate: int, check: Check) -> list[Figure]:
        pool = self._alliance.members[0].pool
        warm_up = int(rate * _WARM_UP_S)
        await open_loop([pool], raw[:warm_up], rate, check)
        load = await open_loop([pool], raw[warm_up:], rate, check)
        self.loader_share = max(self.loader_share, load.loader_share)
        note = f"loader {load.loader_share:.0%}"
        trouble = load.trouble()
        return latency_figures(name, load.latencies, f"{note}; {trouble}" if trouble else note)


def check_hit(answer: Answer) -> str | None:
    """A complete answer that is a hit."""
    return check_asked(answer) or (None if b'"hit":true' in answer.body else "no hit")


def check_miss(answer: Answer) -> str | None:
    """A complete answer that is no hit."""
    return check_asked(answer) or (None if b'"hit":false' in answer.body else "a hit")


def check_asked(answer: Answer) -> str | None:
    """A complete answer, whatever it says."""
    if answer.status != 200:
        return f"status {answer.status}"
    return None if b'"complete":true' in answer.body else "not complete"
