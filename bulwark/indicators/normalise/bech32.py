"""Bech32, Bech32m and CashAddr: the checksummed base-32 texts of wallet addresses.

Sources: BIP-173 (bech32), BIP-350 (bech32m, segwit program rules), the CashAddr specification of
Bitcoin Cash. Rules: one case throughout; strict padding on regrouping. No length limit of 90 is
kept here, since Cardano and Zcash use longer texts; callers bound the length.
"""

from __future__ import annotations

from typing import Final

CHARSET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
BECH32: Final = 1
BECH32M: Final = 0x2BC830A3

_VALUES: Final = {character: value for value, character in enumerate(CHARSET)}
_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CASH_GENERATOR: Final = (0x98F2BC8E61, 0x79B76D99E2, 0xF33E5FB3C4, 0xAE2EABE2A8, 0x1E4F43E470)
_CASH_SIZES: Final = {20: 0, 24: 1, 28: 2, 32: 3, 40: 4, 48: 5, 56: 6, 64: 7}


def _steps(generator: tuple[int, ...]) -> tuple[int, ...]:
    """What the five bits that fall out of the register add back, for each of their 32 values."""
    table = []
    for top in range(32):
        mixed = 0
        for bit, term in enumerate(generator):
            mixed ^= term if top >> bit & 1 else 0
        table.append(mixed)
    return tuple(table)


_TABLE: Final = _steps(_GENERATOR)
_CASH_TABLE: Final = _steps(_CASH_GENERATOR)


def decode(text: str) -> tuple[str, list[int], int] | None:
    """Prefix, 5-bit data without checksum and the checksum constant; None where malformed.

    The constant is BECH32 or BECH32M; any other is a wrong checksum, which is reported as 0.
    """
    if text != text.lower():
        if text != text.upper():
            return None
        text = text.lower()
    prefix, _, data = text.rpartition("1")
    if not prefix or len(data) < 6:
        return None
    try:
        values = [_VALUES[character] for character in data]
    except KeyError:
        return None
    register = 1
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    for value in expanded + values:
        register = (register & 0x1FFFFFF) << 5 ^ value ^ _TABLE[register >> 25]
    return prefix, values[:-6], register if register in (BECH32, BECH32M) else 0


def regroup(values: list[int] | bytes, from_bits: int, to_bits: int, pad: bool) -> list[int] | None:
    """The same bits in groups of another size; None where the padding is not allowed."""
    bits, held, groups = 0, 0, []
    for value in values:
        held = held << from_bits | value
        bits += from_bits
        while bits >= to_bits:
            bits -= to_bits
            groups.append(held >> bits & (1 << to_bits) - 1)
        held &= (1 << bits) - 1
    if pad:
        return [*groups, held << to_bits - bits] if bits else groups
    return None if bits >= from_bits or held else groups


def segwit_program(data: list[int], constant: int) -> tuple[int, bytes] | None:
    """Witness version and program of decoded data, if BIP-173 and BIP-350 allow them."""
    if not data or data[0] > 16 or constant != (BECH32 if data[0] == 0 else BECH32M):
        return None
    program = regroup(data[1:], 5, 8, pad=False)
    if program is None or not 2 <= len(program) <= 40:
        return None
    if (data[0] == 0 and len(program) not in (20, 32)) or (data[0] == 1 and len(program) != 32):
        return None
    return data[0], bytes(program)


def _cash_register(prefix: str, values: list[int]) -> int:
    register = 1
    for value in [*(ord(c) & 31 for c in prefix), 0, *values]:
        register = (register & 0x07FFFFFFFF) << 5 ^ value ^ _CASH_TABLE[register >> 35]
    return register ^ 1


def decode_cashaddr(text: str, prefix: str) -> tuple[int, bytes] | None:
    """Type bits and hash of a CashAddr text without prefix; None where the checksum is wrong."""
    try:
        values = [_VALUES[character] for character in text]
    except KeyError:
        return None
    if len(values) < 9 or _cash_register(prefix, values) != 0:
        return None
    payload = regroup(values[:-8], 5, 8, pad=False)
    if not payload or payload[0] & 0x80 or _CASH_SIZES.get(len(payload) - 1) != payload[0] & 7:
        return None
    return payload[0] >> 3, bytes(payload[1:])


def encode_cashaddr(kind: int, digest: bytes, prefix: str) -> str:
    """The CashAddr text, without prefix, of type bits and a hash of 20 to 64 bytes."""
    payload = bytes([kind << 3 | _CASH_SIZES[len(digest)]]) + digest
    values = regroup(payload, 8, 5, pad=True) or []
    check = _cash_register(prefix, [*values, 0, 0, 0, 0, 0, 0, 0, 0])
    values += [check >> 5 * (7 - place) & 31 for place in range(8)]
    return "".join(CHARSET[value] for value in values)
