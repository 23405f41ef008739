"""Clients that report indicators through members of a net, and what they were promised.

Rules: only an answer of 200, 201 or 202 is an acknowledgement; a client that got no answer knows
nothing and promises nothing; a value is reported once.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count, pairwise

from tests.nets.access import Access, Unreachable
from tests.nets.manifest import LoadProfile

ANSWER_S = 6.0
_NUMBERS = count()


class Load:
    """A context manager: clients run inside it."""

    def __init__(
        self,
        access: Mapping[str, Access],
        profile: LoadProfile,
        *,
        members: Sequence[str] | None = None,
    ) -> None:
        self._access = access
        self._profile = profile
        self._members = profile.members if members is None else tuple(members)
        self.acknowledged: dict[str, str] = {}
        """Record id -> the member that promised it."""
        self.refused: Counter[str] = Counter()
        self.last_at = 0.0
        """Monotonic moment of the last answer that was an acknowledgement."""
        self.moments: list[float] = []
        """Of all acknowledgements."""
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Load:
        for member in self._members:
            for _ in range(self._profile.clients):
                thread = threading.Thread(target=self._run, args=(member,), daemon=True)
                self._threads.append(thread)
                thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ask_to_stop()
        for thread in self._threads:
            thread.join(ANSWER_S + 1)

    def ask_to_stop(self) -> None:
        """No new reports; answers under way are still taken."""
        self._stop.set()

    def pace(self, start: float, end: float) -> tuple[float, float]:
        """Acknowledgements a second between two moments, and the longest gap without one."""
        inside = sorted(at for at in list(self.moments) if start <= at <= end)
        gaps = [b - a for a, b in pairwise([start, *inside, end])]
        return len(inside) / max(0.001, end - start), max(gaps)

    def _run(self, member: str) -> None:
        stem = f"net{next(_NUMBERS)}.{time.time_ns()}"
        for number in count():
            if self._stop.is_set():
                return
            self._one(member, f"{stem}.{number}@scam-post.net")
            self._stop.wait(self._profile.pause_ms / 1000)

    def _one(self, member: str, value: str) -> None:
        body = {"kind": "email", "value": value, "fraud_type": "phishing"}
        path = f"/v1/indicators?wait={self._profile.wait}"
        try:
            answer = self._access[member].post(path, "reporter", body, ANSWER_S)
        except Unreachable as error:
            self.refused[str(error)] += 1
            self._stop.wait(0.2)
            return
        if answer.status_code in (200, 201, 202):
            self.acknowledged[str(answer.json()["record_id"])] = member
            self.last_at = time.monotonic()
            self.moments.append(self.last_at)
        else:
            self.refused[f"{member}: {answer.status_code} {answer.text[:120]}"] += 1
            self._stop.wait(0.2)
