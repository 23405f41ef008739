"""Ethereum parameters: what a client's JSON means, checked before it reaches the node.

Rules: a block is a QUANTITY, a tag, a 32-byte hash or an EIP-1898 object; every list has a bound;
unknown members of a call are ignored as clients send many, but those that are read are strict.
`input` and `data` of one call must agree. Raises HexInvalid or RpcError(-32602), or None where the
methods answer null.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from api.hexadecimal import UINT256_BITS, HexInvalid, parse_data, parse_fixed, parse_quantity
from api.jsonrpc import RpcError, invalid_params
from bulwark.ledger.ids import ZERO_ADDRESS, Address, Digest, Height
from bulwark.ledger.limits import MAX_TRANSACTION_BYTES
from node.ethereum import BlockAt, CallRequest, EthereumView

TAGS: Final = frozenset(("latest", "pending", "safe", "finalized", "earliest"))
MAX_ADDRESSES: Final = 256
MAX_TOPIC_CHOICES: Final = 256
MAX_TOPIC_POSITIONS: Final = 4
_RANGE_AND_HASH: Final = (
    "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other"
)


def take(params: list[object], least: int, most: int) -> list[object]:
    """The parameters, padded with None to `most`; RpcError when their number is wrong."""
    if len(params) < least:
        raise invalid_params(f"missing value for required argument {len(params)}")
    if len(params) > most:
        raise invalid_params(f"too many arguments, want at most {most}")
    return params + [None] * (most - len(params))


def address(given: object, what: str) -> Address:
    """A 20-byte address."""
    return Address(parse_fixed(given, what, 20))


def digest(given: object, what: str) -> Digest:
    """A 32-byte hash."""
    return Digest(parse_fixed(given, what, 32))


def flag(given: object, what: str) -> bool:
    """A boolean; an absent one is false."""
    if given is None:
        return False
    if not isinstance(given, bool):
        raise invalid_params(f"invalid argument {what}: boolean expected")
    return given


def number_or_tag(given: object, what: str) -> BlockAt:
    """A height or a tag; an absent one is latest."""
    if given is None:
        return "latest"
    if isinstance(given, str) and given in TAGS:
        return given
    return parse_quantity(given, what)


def height_at(view: EthereumView, given: object, what: str) -> Height | None:
    """Height that a number, tag, hash or EIP-1898 object names; None for no such block."""
    if isinstance(given, dict):
        return _height_of_object(view, given, what)
    if isinstance(given, str) and len(given) == 66:
        return view.height_of_hash(digest(given, what))
    return view.height(number_or_tag(given, what))


def existing_height(view: EthereumView, given: object, what: str) -> Height:
    """As height_at(), but an unknown block is an error: state can not be read there."""
    height = height_at(view, given, what)
    if height is None:
        raise RpcError(-32001, "header not found")
    return height


def _height_of_object(view: EthereumView, given: dict[object, object], what: str) -> Height | None:
    by_hash, by_number = given.get("blockHash"), given.get("blockNumber")
    if (by_hash is None) == (by_number is None):
        raise invalid_params(f"invalid argument {what}: one of blockHash and blockNumber wanted")
    flag(given.get("requireCanonical"), what)
    if by_hash is not None:
        return view.height_of_hash(digest(by_hash, what))
    return view.height(number_or_tag(by_number, what))


def storage_key(given: object, what: str) -> int:
    """A storage slot: up to 32 bytes of hexadecimal, padded on the left as clients do."""
    if isinstance(given, str) and len(given) > 66:
        shown = given[:80].encode("ascii", "replace").decode("ascii")
        raise invalid_params(f'storage key too long (want at most 32 bytes): "{shown}"')
    if not isinstance(given, str) or not given.startswith("0x"):
        raise HexInvalid(what, "hex string without 0x prefix")
    digits = given[2:]
    if not digits or not all(c in "0123456789abcdefABCDEF" for c in digits):
        raise HexInvalid(what, "invalid hex digits")
    return int(digits, 16)


def call_request(given: object, what: str) -> CallRequest:
    """A message call."""
    if not isinstance(given, dict):
        raise invalid_params(f"invalid argument {what}: object expected")
    asked, legacy = given.get("input"), given.get("data")
    given_data = next((text for text in (asked, legacy) if text is not None), "0x")
    payload = parse_data(given_data, what, MAX_TRANSACTION_BYTES)
    if legacy is not None and parse_data(legacy, what, MAX_TRANSACTION_BYTES) != payload:
        raise invalid_params('both "data" and "input" are set and not equal')
    sender, to, value, gas = (given.get(name) for name in ("from", "to", "value", "gas"))
    for name in ("gasPrice", "maxFeePerGas", "maxPriorityFeePerGas"):
        if given.get(name) is not None:
            parse_quantity(given[name], name, UINT256_BITS)
    return CallRequest(
        sender=address(sender, "from") if sender is not None else ZERO_ADDRESS,
        to=address(to, "to") if to is not None else None,
        data=payload,
        value=parse_quantity(value, "value", UINT256_BITS) if value is not None else 0,
        gas=parse_quantity(gas, "gas") if gas is not None else None,
    )


class LogQuestion(Struct, frozen=True):
    """What logs a client asks for, block tags still unresolved."""

    first: BlockAt
    last: BlockAt
    block_hash: Digest | None
    addresses: tuple[Address, ...]
    topics: tuple[tuple[bytes, ...] | None, ...]


ANY_LOG: Final = LogQuestion("latest", "latest", None, (), ())
"""The question of a filter that is not about logs."""


def log_question(given: object, what: str) -> LogQuestion:
    """A log filter object."""
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise invalid_params(f"invalid argument {what}: object expected")
    first, last, block_hash = (given.get(n) for n in ("fromBlock", "toBlock", "blockHash"))
    if block_hash is not None and (first is not None or last is not None):
        raise invalid_params(f"invalid argument {what}: {_RANGE_AND_HASH}")
    return LogQuestion(
        first=number_or_tag(first, "fromBlock"),
        last=number_or_tag(last, "toBlock"),
        block_hash=digest(block_hash, "blockHash") if block_hash is not None else None,
        addresses=_addresses(given.get("address")),
        topics=_topics(given.get("topics")),
    )


def _addresses(given: object) -> tuple[Address, ...]:
    if given is None:
        return ()
    if not isinstance(given, list):
        return (address(given, "address"),)
    if len(given) > MAX_ADDRESSES:
        raise RpcError(-32005, f"at most {MAX_ADDRESSES} addresses in one filter")
    return tuple(address(item, "address") for item in given)


def _topics(given: object) -> tuple[tuple[bytes, ...] | None, ...]:
    if given is None:
        return ()
    if not isinstance(given, list):
        raise invalid_params("invalid argument topics: array expected")
    if len(given) > MAX_TOPIC_POSITIONS:
        raise invalid_params(f"at most {MAX_TOPIC_POSITIONS} topics")
    return tuple(_topic(item) for item in given)


def _topic(given: object) -> tuple[bytes, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list):
        return (digest(given, "topics"),)
    if len(given) > MAX_TOPIC_CHOICES:
        raise RpcError(-32005, f"at most {MAX_TOPIC_CHOICES} choices of one topic")
    if None in given:  # null inside the choices matches anything
        return None
    return tuple(digest(item, "topics") for item in given) or None
