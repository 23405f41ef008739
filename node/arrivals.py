"""Arrivals: the hashes that came into the mempool lately, numbered, for those who follow them.

Rules: bounded, the oldest goes first; whoever asks too late misses what is gone and is told the
next number. It knows nothing of what became of a transaction.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Final

from bulwark.ledger.ids import Digest

REMEMBERED: Final = 4_096
"""Hashes that are kept."""


class Arrivals:
    """The last hashes, numbered from 0 in order of arrival."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._hashes: deque[Digest] = deque(maxlen=most)
        self._next = 0

    def note(self, transaction_hash: Digest) -> None:
        """One more came."""
        self._hashes.append(transaction_hash)
        self._next += 1

    def since(self, number: int) -> tuple[list[Digest], int]:
        """Those with this number or a later one that are still known, and the next number."""
        first = self._next - len(self._hashes)
        return list(islice(self._hashes, max(0, number - first), None)), self._next
