"""Ethereum methods over the mempool: txpool_status, _content, _contentFrom, _inspect.

Rules: `pending` is what a block could take now, `queued` what waits behind a nonce that is missing;
an answer that would hold more than a bounded number of transactions is refused, with the count of
what waits, so that no client takes a part for the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from api.auth import Principal
from api.eth_params import address, take
from api.eth_shapes import transaction_shape
from api.hexadecimal import data, quantity
from api.jsonrpc import LIMIT_EXCEEDED, Json, Method, RpcError
from bulwark.ledger.transaction import Transaction
from node.ethereum import EthereumView, WaitingTransaction

MAX_SHOWN: Final = 2_000
"""Transactions of one answer."""
MAX_SHOWN_BYTES: Final = 4 * 1024 * 1024
"""Bytes of the transactions of one answer together."""


class PoolMethods:
    """Methods that read the mempool of this node."""

    def __init__(self, view: EthereumView) -> None:
        self._view = view

    def table(self) -> dict[str, Method]:
        """Methods by name."""
        return {
            "txpool_status": self.status,
            "txpool_content": self.content,
            "txpool_contentFrom": self.content_from,
            "txpool_inspect": self.inspect,
        }

    async def status(self, params: list[object], _: Principal) -> Json:
        """txpool_status: how many transactions wait."""
        take(params, 0, 0)
        waiting = self._view.waiting()
        ready = sum(1 for each in waiting if each.ready)
        return {"pending": quantity(ready), "queued": quantity(len(waiting) - ready)}

    async def content(self, params: list[object], _: Principal) -> Json:
        """txpool_content: waiting transactions by sender and nonce."""
        take(params, 0, 0)
        return _grouped(_bounded(self._view.waiting()), transaction_shape)

    async def content_from(self, params: list[object], _: Principal) -> Json:
        """txpool_contentFrom [address]: those of one sender by nonce."""
        (given,) = take(params, 1, 1)
        sender = address(given, "address")
        own = [each for each in self._view.waiting() if each.transaction.sender == sender]
        grouped = _grouped(_bounded(own), transaction_shape)
        return {kind: senders.get(data(sender), {}) for kind, senders in grouped.items()}

    async def inspect(self, params: list[object], _: Principal) -> Json:
        """txpool_inspect: the same as content, each in a line of text."""
        take(params, 0, 0)
        return _grouped(_bounded(self._view.waiting()), _line)


def _bounded(waiting: Iterable[WaitingTransaction]) -> list[WaitingTransaction]:
    found = list(waiting)
    size = sum(len(each.transaction.raw) for each in found)
    if len(found) > MAX_SHOWN or size > MAX_SHOWN_BYTES:
        over = f"{len(found)} transactions of {size} bytes wait, at most {MAX_SHOWN} of "
        raise RpcError(LIMIT_EXCEEDED, f"{over}{MAX_SHOWN_BYTES} bytes are shown; ask by sender")
    return found


def _grouped(
    waiting: Iterable[WaitingTransaction], form: Callable[[Transaction], Json]
) -> dict[str, dict[str, dict[str, Json]]]:
    groups: dict[str, dict[str, dict[str, Json]]] = {"pending": {}, "queued": {}}
    for each in waiting:
        transaction = each.transaction
        senders = groups["pending" if each.ready else "queued"]
        senders.setdefault(data(transaction.sender), {})[str(transaction.nonce)] = form(transaction)
    return groups


def _line(transaction: Transaction) -> str:
    to = "contract creation" if transaction.to is None else data(transaction.to)
    return f"{to}: {transaction.value} wei + {transaction.gas} gas × 0 wei"
