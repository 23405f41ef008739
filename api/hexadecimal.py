"""Hexadecimal: the QUANTITY and DATA encodings of Ethereum JSON-RPC, read strictly.

Rules: a QUANTITY is 0x and the shortest lower- or upper-case digits (zero is 0x0, no leading
zeros); DATA is 0x and two digits a byte. Lengths are checked before anything is converted.
Source: Ethereum JSON-RPC specification, "Hex value encoding". It does not know any method.
"""

from __future__ import annotations

import re
from typing import Final

_QUANTITY: Final = re.compile(r"0x(?:0|[1-9a-fA-F][0-9a-fA-F]*)\Z")
_DATA: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*\Z")
UINT64_BITS: Final = 64
UINT256_BITS: Final = 256


class HexInvalid(Exception):
    """A parameter is not the hexadecimal text that its place needs."""

    def __init__(self, what: str, detail: str) -> None:
        self.what = what
        self.detail = detail
        super().__init__(f"{what}: {detail}")


def quantity(value: int) -> str:
    """QUANTITY text of a non-negative integer."""
    return hex(value)


def data(value: bytes) -> str:
    """DATA text of bytes."""
    return "0x" + value.hex()


def parse_quantity(given: object, what: str, bits: int = UINT64_BITS) -> int:
    """Integer of a QUANTITY below 2**bits. Raises HexInvalid."""
    if not isinstance(given, str):
        raise HexInvalid(what, "hex string expected")
    if len(given) > 2 + bits // 4:
        raise HexInvalid(what, f"hex number > {bits} bits")
    if _QUANTITY.match(given) is None:
        raise HexInvalid(what, _quantity_fault(given))
    return int(given, 16)


def parse_data(given: object, what: str, most: int) -> bytes:
    """Bytes of DATA, at most `most` of them. Raises HexInvalid."""
    if not isinstance(given, str):
        raise HexInvalid(what, "hex string expected")
    if len(given) > 2 + 2 * most:
        raise HexInvalid(what, f"longer than {most} bytes")
    if _DATA.match(given) is None:
        raise HexInvalid(what, _data_fault(given))
    return bytes.fromhex(given[2:])


def parse_fixed(given: object, what: str, width: int) -> bytes:
    """Exactly `width` bytes of DATA. Raises HexInvalid."""
    value = parse_data(given, what, width)
    if len(value) != width:
        raise HexInvalid(what, f"{len(value)} bytes given, {width} wanted")
    return value


def _quantity_fault(given: str) -> str:
    if not given.startswith("0x"):
        return "hex string without 0x prefix"
    if given == "0x":
        return 'hex string "0x" is no number, zero is 0x0'
    if len(given) > 3 and given[2] == "0":
        return "hex number with leading zero digits"
    return "invalid hex digits"


def _data_fault(given: str) -> str:
    if not given.startswith("0x"):
        return "hex string without 0x prefix"
    return "hex string of odd length" if len(given) % 2 else "invalid hex digits"
