"""Ethereum methods over state: balances, code, storage, proofs, calls, gas, fees, transactions in.

Rules: fees are zero; a revert is error 3 with its data and the decoded reason. Every method takes
its block by number, tag, hash or EIP-1898 object.
"""

from __future__ import annotations

import asyncio
from typing import Final

from msgspec.structs import replace

from api.auth import Principal
from api.eth_params import (
    address,
    call_request,
    existing_height,
    number_or_tag,
    storage_key,
    take,
)
from api.eth_reverts import outcome
from api.eth_shapes import ZERO, proof_shape
from api.eth_traceforms import failure_text
from api.eth_unsigned import unsigned_transaction
from api.hexadecimal import data, parse_data, parse_quantity, quantity
from api.jsonrpc import SERVER_ERROR, Json, Method, RpcError, invalid_params
from bulwark.ledger.ids import Address, Height
from bulwark.ledger.limits import MAX_TRANSACTION_BYTES
from node.traces import TracedView

MAX_PROOF_SLOTS: Final = 256
MAX_STORAGE_VALUES: Final = 1_024
MAX_FEE_HISTORY: Final = 256
MAX_PERCENTILES: Final = 100


class StateMethods:
    """Methods that read or change the state."""

    def __init__(self, view: TracedView) -> None:
        self._view = view

    def table(self) -> dict[str, Method]:
        """Methods by name."""
        return {
            "eth_getBalance": self.balance,
            "eth_getCode": self.code,
            "eth_getStorageAt": self.storage_at,
            "eth_getStorageValues": self.storage_values,
            "eth_getTransactionCount": self.nonce,
            "eth_getProof": self.proof,
            "eth_call": self.call,
            "eth_estimateGas": self.estimate_gas,
            "eth_createAccessList": self.create_access_list,
            "eth_fillTransaction": self.fill_transaction,
            "eth_sendRawTransaction": self.send_raw_transaction,
            "eth_feeHistory": self.fee_history,
        }

    def _place(self, params: list[object]) -> tuple[Address, Height]:
        who, at = take(params, 1, 2)
        return address(who, "address"), existing_height(self._view, at, "block")

    async def balance(self, params: list[object], _: Principal) -> Json:
        """eth_getBalance [address, block]: wei."""
        who, height = self._place(params)
        return quantity(self._view.balance(who, height))

    async def code(self, params: list[object], _: Principal) -> Json:
        """eth_getCode [address, block]: code of a contract."""
        who, height = self._place(params)
        return data(self._view.code(who, height))

    async def storage_at(self, params: list[object], _: Principal) -> Json:
        """eth_getStorageAt [address, slot, block]: 32 bytes."""
        who, slot, at = take(params, 2, 3)
        account, key = address(who, "address"), storage_key(slot, "slot")
        height = existing_height(self._view, at, "block")
        return data(self._view.storage_at(account, key, height))

    async def storage_values(self, params: list[object], _: Principal) -> Json:
        """eth_getStorageValues [{address: [slot]}, block]: many slots at once."""
        asked, at = take(params, 1, 2)
        if not isinstance(asked, dict) or not asked:
            raise invalid_params("invalid argument 0: {address: [slots]} expected")
        slots = [keys for keys in asked.values() if isinstance(keys, list)]
        if len(slots) != len(asked) or sum(map(len, slots)) > MAX_STORAGE_VALUES:
            raise invalid_params(f"invalid argument 0: at most {MAX_STORAGE_VALUES} slots in lists")
        height = existing_height(self._view, at, "block")
        found: dict[str, Json] = {}
        for who, keys in asked.items():
            account = address(who, "address")
            found[str(who)] = [
                data(self._view.storage_at(account, storage_key(key, "slot"), height))
                for key in keys
            ]
        return found

    async def nonce(self, params: list[object], _: Principal) -> Json:
        """eth_getTransactionCount [address, block]: next nonce; pending counts what waits."""
        who, at = take(params, 1, 2)
        account = address(who, "address")
        if at == "pending":
            return quantity(self._view.nonce(account, "pending"))
        return quantity(self._view.nonce(account, existing_height(self._view, at, "block")))

    async def proof(self, params: list[object], _: Principal) -> Json:
        """eth_getProof [address, [slot], block]: Merkle proofs against the state root."""
        who, slots, at = take(params, 2, 3)
        account = address(who, "address")
        if not isinstance(slots, list) or len(slots) > MAX_PROOF_SLOTS:
            raise invalid_params(f"invalid argument 1: at most {MAX_PROOF_SLOTS} slots in a list")
        keys = [storage_key(slot, "slot") for slot in slots]
        height = existing_height(self._view, at, "block")
        return proof_shape(self._view.proof(account, keys, height), [str(slot) for slot in slots])

    async def call(self, params: list[object], _: Principal) -> Json:
        """eth_call [message, block]: output of a message; no overrides of state or block."""
        message, at = take(params, 1, 2)
        request = call_request(message, "0")
        height = existing_height(self._view, at, "block")
        return data(outcome(await self._view.call(request, height)).output)

    async def estimate_gas(self, params: list[object], _: Principal) -> Json:
        """eth_estimateGas [message, block]: least gas with which it succeeds."""
        message, at = take(params, 1, 2)
        request = call_request(message, "0")
        height = existing_height(self._view, at, "block")
        return quantity(outcome(await self._view.estimate_gas(request, height)).gas_used)

    async def create_access_list(self, params: list[object], _: Principal) -> Json:
        """eth_createAccessList [message, block]: what a message touches, and its gas with that."""
        message, at = take(params, 1, 2)
        request = call_request(message, "0")
        height = existing_height(self._view, at, "block")
        entries, result = await self._view.traces.access_list(request, height)
        shown: dict[str, Json] = {
            "accessList": [
                {
                    "address": data(entry.address),
                    "storageKeys": [data(slot.to_bytes(32, "big")) for slot in entry.slots],
                }
                for entry in entries
            ],
            "gasUsed": quantity(result.gas_used),
        }
        if not result.success:
            shown["error"] = failure_text(result.failure or "execution failed")
        return shown

    async def fill_transaction(self, params: list[object], _: Principal) -> Json:
        """eth_fillTransaction [transaction]: nonce, gas, fees and chain id filled in, unsigned."""
        (given,) = take(params, 1, 1)
        request = call_request(given, "0")
        wanted = unsigned_transaction(given, request, self._view)
        if wanted.gas is None:
            height = existing_height(self._view, "latest", "block")
            gas = outcome(await self._view.estimate_gas(request, height)).gas_used
            wanted = replace(wanted, gas=gas)
        return {"raw": data(wanted.encode()), "tx": wanted.form()}

    async def send_raw_transaction(self, params: list[object], _: Principal) -> Json:
        """eth_sendRawTransaction [raw]: takes a signed transaction durably."""
        (raw,) = take(params, 1, 1)
        return data(
            await self._view.send_raw_transaction(parse_data(raw, "0", MAX_TRANSACTION_BYTES))
        )

    async def fee_history(self, params: list[object], _: Principal) -> Json:
        """eth_feeHistory [count, newest, percentiles]: zero fees, real gas ratios."""
        asked, newest, percentiles = take(params, 2, 3)
        count = asked if type(asked) is int else parse_quantity(asked, "blockCount")
        at = number_or_tag(newest, "newestBlock")
        last = self._view.height(at)
        if last is None:
            raise RpcError(SERVER_ERROR, "request beyond head block")
        wanted = _percentiles(percentiles)
        first = max(0, last - min(max(count, 0), MAX_FEE_HISTORY) + 1)
        ratios: list[Json] = []
        for height in range(first, last + 1 if count > 0 else first):
            block = self._view.block(Height(height))
            if block is not None:
                ratios.append(block.header.gas_used / max(1, block.header.gas_limit))
            await asyncio.sleep(0)  # consensus goes first: a block may hold many signatures
        shown: dict[str, Json] = {
            "oldestBlock": quantity(first),
            "baseFeePerGas": [ZERO] * (len(ratios) + 1),
            "gasUsedRatio": ratios,
        }
        if wanted:
            shown["reward"] = [[ZERO] * wanted for _ in ratios]
        return shown


def _percentiles(given: object) -> int:
    """How many percentiles are asked for, after checking that they rise within 0..100."""
    if given is None:
        return 0
    if not isinstance(given, list) or len(given) > MAX_PERCENTILES:
        raise invalid_params(f"at most {MAX_PERCENTILES} reward percentiles in a list")
    before = 0.0
    for item in given:
        if isinstance(item, bool) or not isinstance(item, int | float):
            raise invalid_params("invalid reward percentile")
        if not before <= item <= 100:
            raise invalid_params("invalid reward percentile: rising numbers from 0 to 100 wanted")
        before = item
    return len(given)
