"""Recursive Length Prefix as Ethereum's yellow paper (appendix B) defines it, strict and bounded.

Rules: only the shortest form of every length and string is read, so an item has one encoding;
nesting is bounded before recursion; nothing may follow the item.
It knows byte strings and lists alone: integers and fields belong to the structures that use them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bulwark.ledger.errors import DecodeError

Item = bytes | Sequence["Item"]
"""A byte string or a list of items."""

MAX_DEPTH: Final = 16
"""Deepest nesting read; a typed transaction needs 4."""


def encode_length(length: int, offset: int) -> bytes:
    """Prefix of a payload of `length` bytes; `offset` is 0x80 for a string, 0xC0 for a list."""
    if length < 56:
        return bytes([offset + length])
    width = (length.bit_length() + 7) // 8
    return bytes([offset + 55 + width]) + length.to_bytes(width, "big")


def encode(item: Item) -> bytes:
    """RLP of a byte string or a (nested) list."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return encode_length(len(item), 0x80) + item
    return encode_list([encode(child) for child in item])


def encode_list(encoded: Sequence[bytes]) -> bytes:
    """RLP of a list whose items are encoded already."""
    payload = b"".join(encoded)
    return encode_length(len(payload), 0xC0) + payload


def encode_uint(value: int) -> bytes:
    """RLP of a non-negative integer: big-endian without leading zeros."""
    return encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def decode(data: bytes) -> Item:
    """The one item that `data` is; raises DecodeError."""
    start, end, is_list = _span(data, 0, len(data))
    if end != len(data):
        raise DecodeError("RLP", f"{len(data) - end} bytes after the end", end)
    return _items(data, start, end, 1)[0] if is_list else data[start:end]


def decode_list(data: bytes) -> tuple[list[Item], list[int]]:
    """Items of the list that `data` is, with the offset where each item's encoding starts.

    The offsets let a caller hash a leading part of the list without encoding it again.
    """
    start, end, is_list = _span(data, 0, len(data))
    if not is_list:
        raise DecodeError("RLP", "a string given, a list needed", 0)
    if end != len(data):
        raise DecodeError("RLP", f"{len(data) - end} bytes after the end", end)
    return _items(data, start, end, 1)


def _items(data: bytes, offset: int, end: int, depth: int) -> tuple[list[Item], list[int]]:
    if depth > MAX_DEPTH:
        raise DecodeError("RLP", f"lists nested more than {MAX_DEPTH} deep", offset)
    items: list[Item] = []
    offsets: list[int] = []
    while offset < end:
        offsets.append(offset)
        start, offset, is_list = _span(data, offset, end)
        if is_list:
            items.append(_items(data, start, offset, depth + 1)[0])
        else:
            items.append(data[start:offset])
    return items, offsets


def _span(data: bytes, offset: int, limit: int) -> tuple[int, int, bool]:
    """Start and end of the payload of the item at `offset`, and whether it is a list."""
    if offset >= limit:
        raise DecodeError("RLP", "nothing where an item is needed", offset)
    prefix = data[offset]
    if prefix < 0x80:
        return offset, offset + 1, False
    is_list = prefix >= 0xC0
    short = prefix - (0xC0 if is_list else 0x80)
    start = offset + 1
    if short < 56:
        end = start + short
        if short == 1 and not is_list and end <= limit and data[start] < 0x80:
            raise DecodeError("RLP", "a byte below 0x80 is its own encoding", offset)
    else:
        width = short - 55
        start += width
        raw = data[offset + 1 : start]
        if start > limit or not raw[0]:
            raise DecodeError("RLP", "length is cut short or has a leading zero", offset)
        length = int.from_bytes(raw, "big")
        if length < 56:
            raise DecodeError("RLP", f"length {length} has a shorter form", offset)
        end = start + length
    if end > limit:
        raise DecodeError("RLP", f"{end - start} bytes needed, {limit - start} left", offset)
    return start, end, is_list
