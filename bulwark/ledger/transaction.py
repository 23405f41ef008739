"""Ethereum transactions as the alliance takes them: legacy with chain id, EIP-2930 and EIP-1559.

Rules: `Transaction.decode` and `Transaction.check` together are the one ingress check, the same at
the API, before a vote and before execution, since the EVM library checks neither chain id nor
block gas. Only canonical RLP, low-s signatures and types 0, 1, 2 pass; blob (3) and set-code (4)
transactions and signatures without a chain id are refused. Gas must cover the Prague intrinsic
cost and the calldata floor (EIP-7623).
Nonce, balance and permission need the state, so they are checked by the executor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from bulwark.ledger import rlpcodec
from bulwark.ledger.errors import DecodeError, SignatureInvalid, TransactionInvalid
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import ADDRESS_BYTES, Address, Digest
from bulwark.ledger.limits import MAX_TRANSACTION_BYTES
from bulwark.ledger.rlpcodec import Item
from bulwark.ledger.signing import Signer, recover

LEGACY: Final = 0
ACCESS_LIST: Final = 1
DYNAMIC_FEE: Final = 2
MAX_INIT_CODE_BYTES: Final = 49_152
"""EIP-3860: twice the largest contract."""

_MAX_NONCE: Final = (1 << 64) - 2  # EIP-2681
_MAX_UINT64: Final = (1 << 64) - 1
_MAX_UINT256: Final = (1 << 256) - 1
_MAX_CHAIN_ID: Final = (1 << 63) - 1
_BASE_GAS: Final = 21_000
_CREATE_GAS: Final = 32_000
_INIT_CODE_WORD_GAS: Final = 2
_ADDRESS_GAS: Final = 2_400
_STORAGE_KEY_GAS: Final = 1_900
_TOKEN_GAS: Final = 4
_FLOOR_TOKEN_GAS: Final = 10
_FIELDS: Final = {LEGACY: 9, ACCESS_LIST: 11, DYNAMIC_FEE: 12}

AccessList = tuple[tuple[Address, tuple[bytes, ...]], ...]
"""Pairs of an address and its 32-byte storage keys."""


def intrinsic_gas(data: bytes, is_create: bool, access_list: AccessList = ()) -> int:
    """Gas charged before execution (yellow paper, EIP-2028, EIP-2930, EIP-3860)."""
    gas = _BASE_GAS + _TOKEN_GAS * _tokens(data)
    if is_create:
        gas += _CREATE_GAS + _INIT_CODE_WORD_GAS * ((len(data) + 31) // 32)
    for _, keys in access_list:
        gas += _ADDRESS_GAS + _STORAGE_KEY_GAS * len(keys)
    return gas


def floor_gas(data: bytes) -> int:
    """Least gas that a transaction with this data pays (EIP-7623)."""
    return _BASE_GAS + _FLOOR_TOKEN_GAS * _tokens(data)


def _tokens(data: bytes) -> int:
    """Calldata tokens of EIP-7623: a zero byte is one, any other is four."""
    return 4 * len(data) - 3 * data.count(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """A signed transaction that passed every check that needs no state."""

    type: int
    """0 legacy, 1 EIP-2930, 2 EIP-1559."""
    chain_id: int
    nonce: int
    max_fee: int
    """Wei a gas unit: max_fee_per_gas, or the gas price of types 0 and 1."""
    max_priority: int
    """Wei a gas unit: max_priority_fee_per_gas, or the gas price of types 0 and 1."""
    gas: int
    """Gas limit."""
    to: Address | None
    """None creates a contract."""
    value: int
    """Wei."""
    data: bytes = field(repr=False)
    access_list: AccessList = field(repr=False)
    y_parity: int
    r: int
    s: int
    raw: bytes = field(repr=False)
    """The encoding, type byte first for typed transactions."""
    hash: Digest
    """keccak256 of raw."""
    sender: Address
    """Recovered from the signature."""

    @property
    def gas_price(self) -> int:
        """Gas price of types 0 and 1; max_fee of type 2."""
        return self.max_fee

    @property
    def v(self) -> int:
        """The signature's v as over JSON-RPC: EIP-155 form for legacy, else the y-parity."""
        return 35 + 2 * self.chain_id + self.y_parity if self.type == LEGACY else self.y_parity

    @classmethod
    def decode(cls, raw: bytes) -> Transaction:
        """Decode, recover the sender, check all that needs no context; raises TransactionInvalid.

        About 70 us, most of it the recovery.
        """
        if len(raw) > MAX_TRANSACTION_BYTES:
            raise TransactionInvalid("size", f"{len(raw)} bytes, at most {MAX_TRANSACTION_BYTES}")
        if not raw:
            raise TransactionInvalid("encoding", "empty")
        kind = LEGACY if raw[0] >= 0xC0 else raw[0]
        if kind not in _FIELDS or not raw[0]:
            raise TransactionInvalid("type", f"{kind:#04x} given, legacy, 0x01 or 0x02 allowed")
        body = raw if kind == LEGACY else raw[1:]
        try:
            fields, offsets = rlpcodec.decode_list(body)
        except DecodeError as error:
            raise TransactionInvalid("encoding", str(error)) from error
        if len(fields) != _FIELDS[kind]:
            raise TransactionInvalid(
                "encoding", f"{len(fields)} fields, type {kind} has {_FIELDS[kind]}"
            )
        head = body[offsets[0] : offsets[-3]]
        if kind == LEGACY:
            return _from_legacy(fields, head, raw)
        return _from_typed(kind, fields, head, raw)

    def check(self, chain_id: int, block_gas_limit: int) -> None:
        """Check what depends on the alliance; raises TransactionInvalid."""
        if self.chain_id != chain_id:
            raise TransactionInvalid("chain id", f"{self.chain_id} given, {chain_id} needed")
        if self.gas > block_gas_limit:
            raise TransactionInvalid(
                "block gas", f"gas limit {self.gas} is over the block's {block_gas_limit}"
            )


def _from_legacy(fields: list[Item], head: bytes, raw: bytes) -> Transaction:
    v = _uint(fields[6], "v", 2 * _MAX_CHAIN_ID + 36)
    if v < 37:
        raise TransactionInvalid("chain id", f"v = {v} names no chain (EIP-155 is needed)")
    chain_id, y_parity = divmod(v - 35, 2)
    unsigned = head + rlpcodec.encode_uint(chain_id) + b"\x80\x80"
    price = _uint(fields[1], "gas price", _MAX_UINT256)
    return _assemble(
        LEGACY, chain_id, fields[0], (price, price), fields[2:6], (), y_parity, fields[7:9],
        keccak256(rlpcodec.encode_length(len(unsigned), 0xC0) + unsigned), raw,
    )  # fmt: skip


def _from_typed(kind: int, fields: list[Item], head: bytes, raw: bytes) -> Transaction:
    chain_id = _uint(fields[0], "chain id", _MAX_CHAIN_ID)
    if kind == DYNAMIC_FEE:
        priority = _uint(fields[2], "max priority fee", _MAX_UINT256)
        fees = (_uint(fields[3], "max fee", _MAX_UINT256), priority)
        if priority > fees[0]:
            raise TransactionInvalid("fee", f"priority fee {priority} is over max fee {fees[0]}")
    else:
        price = _uint(fields[2], "gas price", _MAX_UINT256)
        fees = (price, price)
    first = 4 if kind == DYNAMIC_FEE else 3
    digest = keccak256(bytes([kind]) + rlpcodec.encode_length(len(head), 0xC0) + head)
    access_list = _access_list(fields[-4])
    y_parity = _uint(fields[-3], "y parity", 1)
    return _assemble(
        kind, chain_id, fields[1], fees, fields[first : first + 4], access_list, y_parity,
        fields[-2:], digest, raw,
    )  # fmt: skip


def _assemble(
    kind: int,
    chain_id: int,
    nonce_item: Item,
    fees: tuple[int, int],
    call: list[Item],
    access_list: AccessList,
    y_parity: int,
    signature: list[Item],
    digest: Digest,
    raw: bytes,
) -> Transaction:
    """Check the fields that all types share and recover the sender from `digest`."""
    nonce = _uint(nonce_item, "nonce", _MAX_NONCE)
    gas = _uint(call[0], "gas", _MAX_UINT64)
    to = _recipient(call[1])
    value = _uint(call[2], "value", _MAX_UINT256)
    data = _string(call[3], "data")
    _check_gas(gas, fees[0], to, data, access_list)
    r = _uint(signature[0], "r", _MAX_UINT256)
    s = _uint(signature[1], "s", _MAX_UINT256)
    packed = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([y_parity])
    try:
        sender = recover(digest, packed, "transaction")
    except SignatureInvalid as error:
        raise TransactionInvalid("signature", error.detail) from error
    return Transaction(
        type=kind,
        chain_id=chain_id,
        nonce=nonce,
        max_fee=fees[0],
        max_priority=fees[1],
        gas=gas,
        to=to,
        value=value,
        data=data,
        access_list=access_list,
        y_parity=y_parity,
        r=r,
        s=s,
        raw=raw,
        hash=keccak256(raw),
        sender=sender,
    )


def _check_gas(
    gas: int, max_fee: int, to: Address | None, data: bytes, access_list: AccessList
) -> None:
    if to is None and len(data) > MAX_INIT_CODE_BYTES:
        raise TransactionInvalid("init code", f"{len(data)} bytes, at most {MAX_INIT_CODE_BYTES}")
    needed = max(intrinsic_gas(data, to is None, access_list), floor_gas(data))
    if gas < needed:
        raise TransactionInvalid("intrinsic gas", f"gas limit {gas}, at least {needed} needed")
    if gas * max_fee > _MAX_UINT256:
        raise TransactionInvalid("fee", "gas limit times fee is over 256 bits")


def _string(item: Item, name: str) -> bytes:
    if not isinstance(item, bytes):
        raise TransactionInvalid("encoding", f"{name} is a list, a string is needed")
    return item


def _uint(item: Item, name: str, most: int) -> int:
    raw = _string(item, name)
    if raw[:1] == b"\x00":
        raise TransactionInvalid("encoding", f"{name} has a leading zero")
    if len(raw) > 32:
        raise TransactionInvalid("encoding", f"{name} has {len(raw)} bytes, at most 32")
    value = int.from_bytes(raw, "big")
    if value > most:
        raise TransactionInvalid("range", f"{name} is {value}, at most {most}")
    return value


def _recipient(item: Item) -> Address | None:
    raw = _string(item, "to")
    if not raw:
        return None
    if len(raw) != ADDRESS_BYTES:
        raise TransactionInvalid("encoding", f"to has {len(raw)} bytes, 0 or 20 needed")
    return Address(raw)


def _access_list(item: Item) -> AccessList:
    pairs = []
    for pair in _list(item, "access list"):
        both = _list(pair, "access list entry")
        if len(both) != 2:
            raise TransactionInvalid("encoding", f"access list entry has {len(both)} parts, not 2")
        address = _string(both[0], "access list address")
        if len(address) != ADDRESS_BYTES:
            raise TransactionInvalid("encoding", f"access list address has {len(address)} bytes")
        keys = tuple(_string(key, "storage key") for key in _list(both[1], "storage keys"))
        if any(len(key) != 32 for key in keys):
            raise TransactionInvalid("encoding", "a storage key has not 32 bytes")
        pairs.append((Address(address), keys))
    return tuple(pairs)


def _list(item: Item, name: str) -> Sequence[Item]:
    if isinstance(item, bytes):
        raise TransactionInvalid("encoding", f"{name} is a string, a list is needed")
    return item


def sign_transaction(
    key: Signer,
    *,
    chain_id: int,
    nonce: int,
    to: Address | None,
    data: bytes,
    gas: int,
    value: int = 0,
    max_fee: int = 0,
    max_priority: int = 0,
    access_list: AccessList = (),
) -> Transaction:
    """A signed EIP-1559 transaction, with zero fees unless told; raises TransactionInvalid."""
    listed = cast(Item, [[address, list(keys)] for address, keys in access_list])
    numbers = (chain_id, nonce, max_priority, max_fee, gas)
    head = [rlpcodec.encode_uint(number) for number in numbers]
    head += (rlpcodec.encode(to or b""), rlpcodec.encode_uint(value), rlpcodec.encode(data))
    head.append(rlpcodec.encode(listed))
    digest = keccak256(b"\x02" + rlpcodec.encode_list(head))
    signature = key.sign(digest)
    head.append(rlpcodec.encode_uint(signature[64]))
    head.append(rlpcodec.encode_uint(int.from_bytes(signature[:32], "big")))
    head.append(rlpcodec.encode_uint(int.from_bytes(signature[32:64], "big")))
    return Transaction.decode(b"\x02" + rlpcodec.encode_list(head))
