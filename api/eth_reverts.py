"""Reverts: what the data of a failed call says, and the error object it becomes.

Rules: only Error(string) and Panic(uint256) are read; a reason is cut at a bound and never trusted
to be text. Other revert data goes to the client as it is.
"""

from __future__ import annotations

from typing import Final

from api.hexadecimal import data
from api.jsonrpc import REVERTED, SERVER_ERROR, RpcError
from node.ethereum import CallResult

MAX_REASON_CHARS: Final = 1_024
_ERROR_SELECTOR: Final = bytes.fromhex("08c379a0")
_PANIC_SELECTOR: Final = bytes.fromhex("4e487b71")


def revert_reason(output: bytes) -> str | None:
    """Text of Error(string), code of Panic(uint256), None for other revert data."""
    if output[:4] == _PANIC_SELECTOR and len(output) == 36:
        return f"panic code {hex(int.from_bytes(output[4:], 'big'))}"
    if output[:4] != _ERROR_SELECTOR or len(output) < 68:
        return None
    length = int.from_bytes(output[36:68], "big")
    if int.from_bytes(output[4:36], "big") != 32 or length > len(output) - 68:
        return None
    return output[68 : 68 + min(length, MAX_REASON_CHARS)].decode("utf-8", "replace")


def outcome(result: CallResult) -> CallResult:
    """The result of a call that succeeded; RpcError for one that did not."""
    if result.success:
        return result
    if result.failure == "revert":
        reason = revert_reason(result.output)
        message = "execution reverted" if reason is None else f"execution reverted: {reason}"
        raise RpcError(REVERTED, message, data(result.output))
    raise RpcError(SERVER_ERROR, result.failure or "execution failed")
