"""Base58 wallet addresses: Base58Check, SS58, Monero's blocks and bare public keys.

Rules: each decoder answers None where the text is not of its form, a Reading otherwise; a wrong
checksum is a Reading whose ``rule`` says so. Sources: the address formats of Bitcoin, Litecoin,
Dogecoin, Dash, Zcash, TRON, XRP Ledger (XLS-5 classic addresses), Substrate (SS58) and Monero
(CryptoNote base58). It does not know which chain the client named.
"""

from __future__ import annotations

import hashlib
from typing import Final

import sha3
from base58 import BITCOIN_ALPHABET, RIPPLE_ALPHABET, b58encode_check
from msgspec import Struct

CHECKSUM: Final = "wallet.checksum"
LENGTH: Final = "wallet.length"
TESTNET: Final = "wallet.testnet"

_BITCOIN: Final = {chr(letter): digit for digit, letter in enumerate(BITCOIN_ALPHABET)}
_RIPPLE: Final = {chr(letter): digit for digit, letter in enumerate(RIPPLE_ALPHABET)}
_VERSIONS: Final = {
    0x00: "btc",
    0x05: "btc",
    0x30: "ltc",
    0x32: "ltc",
    0x1E: "doge",
    0x16: "doge",
    0x4C: "dash",
    0x10: "dash",
    0x41: "trx",
}
_ZCASH: Final = frozenset({b"\x1c\xb8", b"\x1c\xbd"})
_TESTNETS: Final = frozenset({0x6F, 0xC4, 0x3A, 0x8C, 0x13, 0x71})
_ZCASH_TESTNETS: Final = frozenset({b"\x1d\x25", b"\x1c\xba"})
_MONERO_STANDARD: Final = 18
_MONERO_INTEGRATED: Final = 19
_MONERO_SUBADDRESS: Final = 42
_MONERO_TESTNETS: Final = frozenset({53, 54, 63, 24, 25, 36})
_MONERO_SIZES: Final = {0: 0, 2: 1, 3: 2, 5: 3, 6: 4, 7: 5, 9: 6, 10: 7, 11: 8}
"""Base58 characters of a block to the bytes they stand for (CryptoNote)."""


def decode(text: str, digits: dict[str, int] = _BITCOIN) -> bytes | None:
    """The bytes of a base58 text; None for another character. The caller bounds the length."""
    number = 0
    try:
        for character in text:
            number = number * 58 + digits[character]
    except KeyError:
        return None
    zeros = 0
    while zeros < len(text) and digits[text[zeros]] == 0:
        zeros += 1
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


class Reading(Struct, frozen=True):
    """An address as decoded: chain, canonical text, payload; or the rule that refuses it."""

    chain: str = ""
    address: str = ""
    version: int = 0
    payload: bytes = b""
    rule: str = ""


def read_base58check(text: str) -> Reading | None:
    """Addresses with a four-byte double SHA-256 checksum (25 or 26 bytes in all)."""
    raw = decode(text) if 25 <= len(text) <= 37 else None
    if raw is None or len(raw) not in (25, 26):
        return None
    if hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4] != raw[-4:]:
        return Reading(rule=CHECKSUM)
    if len(raw) == 26:
        if raw[:2] in _ZCASH_TESTNETS:
            return Reading(rule=TESTNET)
        return Reading("zec", text, 0, raw[2:-4]) if raw[:2] in _ZCASH else None
    if raw[0] in _TESTNETS:
        return Reading(rule=TESTNET)
    chain = _VERSIONS.get(raw[0])
    return Reading(chain, text, raw[0], raw[1:-4]) if chain else None


def encode_base58check(version: int, payload: bytes) -> str:
    """The Base58Check text of a one-byte version and a payload."""
    return b58encode_check(bytes([version]) + payload).decode("ascii")


def read_xrp(text: str) -> Reading | None:
    """Classic addresses of the XRP Ledger: Base58Check in its own alphabet, version 0."""
    raw = decode(text, _RIPPLE) if text[0] == "r" and 25 <= len(text) <= 35 else None
    if raw is None or len(raw) != 25 or raw[0] != 0:
        return None
    if hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4] != raw[-4:]:
        return Reading(rule=CHECKSUM)
    return Reading("xrp", text, 0, raw[1:-4])


def read_ss58(text: str) -> Reading | None:
    """Substrate accounts: the 32-byte account id, whatever network prefix it was written with."""
    raw = decode(text) if 35 <= len(text) <= 50 else None
    if not raw or raw[0] > 127:
        return None
    prefix = 1 if raw[0] < 64 else 2
    if len(raw) != prefix + 34:
        return None
    if hashlib.blake2b(b"SS58PRE" + raw[:-2]).digest()[:2] != raw[-2:]:
        return Reading(rule=CHECKSUM)
    account = raw[prefix:-2]
    return Reading("ss58", "0x" + account.hex(), 0, account)


def read_monero(text: str) -> Reading | None:
    """Monero addresses; an integrated address is read as the standard address inside it."""
    raw = _monero_bytes(text) if len(text) in (95, 106) else None
    if raw is None:
        return None
    if sha3.keccak_256(raw[:-4]).digest()[:4] != raw[-4:]:
        return Reading(rule=CHECKSUM)
    if raw[0] in _MONERO_TESTNETS:
        return Reading(rule=TESTNET)
    if raw[0] == _MONERO_INTEGRATED and len(raw) == 77:
        inner = bytes([_MONERO_STANDARD]) + raw[1:65]
        raw = inner + sha3.keccak_256(inner).digest()[:4]
    elif raw[0] not in (_MONERO_STANDARD, _MONERO_SUBADDRESS) or len(raw) != 69:
        return None
    return Reading("xmr", _monero_text(raw), raw[0], raw[1:-4])


def read_solana(text: str) -> Reading | None:
    """Solana accounts: 32 bytes without checksum."""
    raw = decode(text) if 32 <= len(text) <= 44 else None
    return Reading("sol", text, 0, raw) if raw is not None and len(raw) == 32 else None


def _monero_bytes(text: str) -> bytes | None:
    raw = b""
    for start in range(0, len(text), 11):
        block = text[start : start + 11]
        if not _BITCOIN.keys() >= set(block):
            return None
        number = 0
        for character in block:
            number = number * 58 + _BITCOIN[character]
        size = _MONERO_SIZES.get(len(block))
        if size is None or number >> 8 * size:
            return None
        raw += number.to_bytes(size, "big")
    return raw


def _monero_text(raw: bytes) -> str:
    widths = {size: width for width, size in _MONERO_SIZES.items()}
    text = ""
    for start in range(0, len(raw), 8):
        block = raw[start : start + 8]
        number, digits = int.from_bytes(block, "big"), ""
        for _ in range(widths[len(block)]):
            number, digit = divmod(number, 58)
            digits = chr(BITCOIN_ALPHABET[digit]) + digits
        text += digits
    return text
