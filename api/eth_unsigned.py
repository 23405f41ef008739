"""Unsigned transactions: what eth_fillTransaction makes of a request that leaves fields open.

Rules: it fills an EIP-1559 transaction, or the type that the request's own fields ask for, with
the chain id, the next free nonce, zero fees and estimated gas; it never signs, this node has no
keys of clients. A chain id of another chain is refused.
"""

from __future__ import annotations

from msgspec import Struct

from api.eth_params import address
from api.eth_shapes import ZERO
from api.hexadecimal import UINT256_BITS, data, parse_fixed, parse_quantity, quantity
from api.jsonrpc import Json, invalid_params
from bulwark.ledger import rlpcodec
from bulwark.ledger.ids import Address
from bulwark.ledger.transaction import ACCESS_LIST, DYNAMIC_FEE, LEGACY, AccessList
from node.ethereum import CallRequest, EthereumView

MAX_ACCESS_ENTRIES = 256
"""Accounts, and slots of each, in the access list of a request."""


class Unsigned(Struct, frozen=True):
    """A transaction without a signature."""

    type: int
    chain_id: int
    nonce: int
    gas: int | None
    """None until it is estimated."""
    max_fee: int
    max_priority: int
    to: Address | None
    value: int
    data: bytes
    access_list: AccessList

    def encode(self) -> bytes:
        """The bytes that are signed: of a legacy transaction with chain id and two zeros."""
        listed: rlpcodec.Item = [[each, list(keys)] for each, keys in self.access_list]
        call: list[rlpcodec.Item] = [
            _uint(self.gas or 0), self.to or b"", _uint(self.value), self.data,
        ]  # fmt: skip
        chain, nonce, price = _uint(self.chain_id), _uint(self.nonce), _uint(self.max_fee)
        if self.type == LEGACY:
            return rlpcodec.encode([nonce, price, *call, chain, b"", b""])
        if self.type == ACCESS_LIST:
            return b"\x01" + rlpcodec.encode([chain, nonce, price, *call, listed])
        priority = _uint(self.max_priority)
        return b"\x02" + rlpcodec.encode([chain, nonce, priority, price, *call, listed])

    def form(self) -> dict[str, Json]:
        """As the execution APIs show it."""
        shown: dict[str, Json] = {
            "type": quantity(self.type),
            "chainId": quantity(self.chain_id),
            "nonce": quantity(self.nonce),
            "gas": quantity(self.gas or 0),
            "to": data(self.to) if self.to is not None else None,
            "value": quantity(self.value),
            "input": data(self.data),
        }
        if self.type != DYNAMIC_FEE:
            shown["gasPrice"] = quantity(self.max_fee)
        else:
            shown["maxFeePerGas"] = quantity(self.max_fee)
            shown["maxPriorityFeePerGas"] = quantity(self.max_priority)
            shown["gasPrice"] = ZERO  # what is paid
        if self.type != LEGACY:
            shown["accessList"] = [
                {"address": data(each), "storageKeys": [data(key) for key in keys]}
                for each, keys in self.access_list
            ]
        return shown


def _uint(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def unsigned_transaction(given: object, request: CallRequest, view: EthereumView) -> Unsigned:
    """What a request asks for, with all but the gas filled in; `request` is its call."""
    if not isinstance(given, dict):
        raise invalid_params("invalid argument 0: object expected")
    if given.get("from") is None:
        raise invalid_params("invalid argument 0: from is wanted, for the nonce")
    chain_id = given.get("chainId")
    if chain_id is not None and parse_quantity(chain_id, "chainId", UINT256_BITS) != view.chain_id:
        raise invalid_params(f"chainId wants {quantity(view.chain_id)}")
    nonce = given.get("nonce")
    kind = _type_of(given)
    fee = given.get("maxFeePerGas" if kind == DYNAMIC_FEE else "gasPrice")
    priority = given.get("maxPriorityFeePerGas")
    return Unsigned(
        type=kind,
        chain_id=view.chain_id,
        nonce=view.nonce(request.sender, "pending") if nonce is None else _number(nonce, "nonce"),
        gas=request.gas,
        max_fee=_number(fee, "fee") if fee is not None else 0,
        max_priority=_number(priority, "maxPriorityFeePerGas") if priority is not None else 0,
        to=request.to,
        value=request.value,
        data=request.data,
        access_list=_access_list(given.get("accessList")),
    )


def _number(given: object, what: str) -> int:
    return parse_quantity(given, what, UINT256_BITS)


def _type_of(given: dict[object, object]) -> int:
    asked = given.get("type")
    if asked is not None:
        kind = parse_quantity(asked, "type")
    elif given.get("gasPrice") is None:
        kind = DYNAMIC_FEE
    else:
        kind = LEGACY if given.get("accessList") is None else ACCESS_LIST
    if kind not in (LEGACY, ACCESS_LIST, DYNAMIC_FEE):
        raise invalid_params("type wants 0x0, 0x1 or 0x2; others are not taken here")
    return kind


def _access_list(given: object) -> AccessList:
    if given is None:
        return ()
    if not isinstance(given, list) or len(given) > MAX_ACCESS_ENTRIES:
        raise invalid_params(f"accessList wants at most {MAX_ACCESS_ENTRIES} entries")
    found = []
    for entry in given:
        keys = entry.get("storageKeys") if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or not isinstance(keys, list):
            raise invalid_params("an entry of accessList wants address and storageKeys")
        if len(keys) > MAX_ACCESS_ENTRIES:
            raise invalid_params(f"an entry of accessList has at most {MAX_ACCESS_ENTRIES} keys")
        slots = tuple(parse_fixed(key, "storageKeys", 32) for key in keys)
        found.append((address(entry.get("address"), "accessList.address"), slots))
    return tuple(found)
