"""Ledger reads: storage of a node's ledger at one block, and calls on it, over JSON-RPC.

Rules: all reads of one command are about one block, so they fit together; what a node answers is
checked for its shape and bounded. It trusts the node that it asks: use it with a node of one's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import httpx

from bulwark.ledger.ids import Address
from node.cli.connection import Target
from node.cli.faults import Failed

TIMEOUT_S: Final = 30.0


class LedgerReads:
    """Reads at the block that was the last one when the first was made."""

    def __init__(self, target: Target) -> None:
        headers = {} if target.key is None else {"Authorization": f"Bearer {target.key}"}
        self._http = httpx.Client(headers=headers, verify=target.trust(), timeout=TIMEOUT_S)
        self._url = f"{target.url}/rpc"
        self._block: tuple[str, int] | None = None
        self._slots: dict[tuple[Address, int], int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    @property
    def height(self) -> int:
        """Height of the block."""
        return int(self._at()[0], 16)

    @property
    def timestamp_s(self) -> int:
        """Time of the block in seconds."""
        return self._at()[1]

    def slot(self, contract: Address, number: int) -> int:
        """Value of a storage slot. Raises Failed."""
        known = self._slots.get((contract, number))
        if known is None:
            words = [f"0x{contract.hex()}", f"0x{number:064x}", self._at()[0]]
            known = _number(self._ask("eth_getStorageAt", words))
            self._slots[contract, number] = known
        return known

    def call(self, sender: Address, to: bytes, data: bytes) -> bytes:
        """What a call by `sender` answers. Raises Failed."""
        message = {"from": f"0x{sender.hex()}", "to": f"0x{to.hex()}", "data": f"0x{data.hex()}"}
        answer = self._ask("eth_call", [message, self._at()[0]])
        try:
            return bytes.fromhex(str(answer).removeprefix("0x"))
        except ValueError as error:
            raise Failed("the node's answer to eth_call is no bytes") from error

    def _at(self) -> tuple[str, int]:
        if self._block is None:
            block = self._ask("eth_getBlockByNumber", ["latest", False])
            if not isinstance(block, dict):
                raise Failed("the node has no block")
            self._block = (hex(_number(block.get("number"))), _number(block.get("timestamp")))
        return self._block

    def _ask(self, method: str, params: Sequence[object]) -> object:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        try:
            response = self._http.post(self._url, json=request)
            answer = response.json()
        except httpx.HTTPError as error:
            raise Failed(f"{self._url}: {type(error).__name__}: {error}") from error
        except ValueError as error:
            raise Failed(f"{self._url}: status {response.status_code}, no JSON") from error
        if not isinstance(answer, dict) or "result" not in answer:
            found = answer.get("error", answer) if isinstance(answer, dict) else answer
            told = found.get("message", found) if isinstance(found, dict) else found
            raise Failed(f"the node refuses {method}: {str(told)[:200]}")
        result: object = answer["result"]
        return result


def _number(value: object) -> int:
    try:
        return int(str(value), 16)
    except ValueError as error:
        raise Failed(f"the node's answer {str(value)[:40]!r} is no number") from error
