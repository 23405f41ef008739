"""Filters: what eth_newFilter and its kin hand out, and what changed since they were last asked.

Rules: a filter belongs to the key that made it, expires when nobody asks for a while, and their
number is bounded: past the bound the one asked longest ago goes. A poll that would touch too many
blocks or logs gives the earlier part and goes on from there next time. Nothing is reorganised here,
so a log is never taken back. A pending-transaction filter follows this node's mempool.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from msgspec import Struct

from api.auth import RandomBytes
from api.eth_params import LogQuestion
from api.jsonrpc import RpcError
from bulwark.ledger.ids import Height
from node.ethereum import BlockAt, EthereumView, LogPlace, TooMany

MAX_HASH_BLOCKS: Final = 256
"""Blocks that one poll of a block filter covers."""
NOT_FOUND: Final = "filter not found"


class FilterKind(Enum):
    """What a filter reports."""

    LOGS = auto()
    BLOCKS = auto()
    TRANSACTIONS = auto()


@dataclass(slots=True)
class Filter:
    """One filter and how far it was told."""

    kind: FilterKind
    owner: str
    question: LogQuestion
    next_height: int
    """Or the number of the next arrival, where it follows the mempool."""
    asked_ms: int


class Filters:
    """The filters of all clients."""

    def __init__(self, random_bytes: RandomBytes, most: int, expiry_ms: int) -> None:
        self._random = random_bytes
        self._most = most
        self._expiry_ms = expiry_ms
        self._filters: OrderedDict[int, Filter] = OrderedDict()

    def __len__(self) -> int:
        return len(self._filters)

    def add(
        self, kind: FilterKind, owner: str, question: LogQuestion, first: int, now_ms: int
    ) -> int:
        """A new filter that reports from height `first` on; its id."""
        self._expire(now_ms)
        while len(self._filters) >= self._most:
            self._filters.popitem(last=False)
        identifier = int.from_bytes(self._random(16), "big")
        self._filters[identifier] = Filter(kind, owner, question, first, now_ms)
        return identifier

    def get(self, identifier: int, owner: str, now_ms: int) -> Filter:
        """The filter, marked as asked now. Raises RpcError when gone or another key's."""
        self._expire(now_ms)
        found = self._filters.get(identifier)
        if found is None or found.owner != owner:
            raise RpcError(-32000, NOT_FOUND)
        found.asked_ms = now_ms
        self._filters.move_to_end(identifier)
        return found

    def remove(self, identifier: int, owner: str) -> bool:
        """Forget a filter; whether there was one of this owner."""
        found = self._filters.get(identifier)
        if found is None or found.owner != owner:
            return False
        del self._filters[identifier]
        return True

    def _expire(self, now_ms: int) -> None:
        # Ordered by when they were last asked, so the stale ones are in front.
        while self._filters:
            identifier, oldest = next(iter(self._filters.items()))
            if now_ms - oldest.asked_ms < self._expiry_ms:
                return
            del self._filters[identifier]


class LogReader(Struct, frozen=True):
    """Log questions answered within the caps."""

    view: EthereumView
    max_blocks: int
    max_logs: int

    def tip(self) -> Height:
        """Height of the executed tip."""
        tip = self.view.height("latest")
        if tip is None:
            raise RpcError(-32000, "there is no block yet")
        return tip

    def answer(self, question: LogQuestion) -> list[LogPlace]:
        """All logs of a question. Raises RpcError past a cap or outside the chain."""
        if question.block_hash is not None:
            at = self.view.height_of_hash(question.block_hash)
            if at is None:
                raise RpcError(-32000, "unknown block")
            return self._read(question, at, at)
        first, last = self._resolve(question.first), self._resolve(question.last)
        if first > last:
            raise RpcError(-32602, "invalid block range params")
        if last > self.tip():
            raise RpcError(-32602, "block range extends beyond current head block")
        return self._read(question, first, last)

    def _resolve(self, at: BlockAt) -> Height:
        if isinstance(at, int):
            return Height(at)
        found = self.view.height(at)
        if found is None:
            raise RpcError(-32000, "unknown block")
        return found

    def _read(self, question: LogQuestion, first: Height, last: Height) -> list[LogPlace]:
        if last - first >= self.max_blocks:
            raise RpcError(-32005, f"block range is over {self.max_blocks} blocks, ask for less")
        try:
            return self.view.logs(first, last, question.addresses, question.topics, self.max_logs)
        except TooMany as error:
            cap = f"more than {self.max_logs} logs, ask for a smaller block range"
            raise RpcError(-32005, cap) from error

    def since(self, question: LogQuestion, first: int) -> tuple[list[LogPlace], int]:
        """Logs from height `first` on as far as the caps allow, and the height to go on from."""
        last = int(self.tip())
        if isinstance(question.last, int):
            last = min(last, question.last)
        last = min(last, first + self.max_blocks - 1)
        while last >= first:
            try:
                found = self.view.logs(
                    Height(first),
                    Height(last),
                    question.addresses,
                    question.topics,
                    self.max_logs,
                )
            except TooMany as error:
                if last == first:
                    raise RpcError(-32005, f"more than {self.max_logs} logs in a block") from error
                last = first + (last - first) // 2
            else:
                return found, last + 1
        return [], first
