"""Wallets: cryptocurrency addresses as ``chain:address``, checksum verified where there is one.

Rules: EVM addresses are one name on every EVM chain (``evm:0x...``, lower case; a mixed-case text
must satisfy EIP-55); bech32 texts are lower case; base58 keeps case. One account that a chain can
write in several ways gets one form: SS58 is reduced to the account id, a Monero integrated address
to its standard address, a TON address to workchain and hash, Bitcoin Cash to CashAddr, Litecoin's
old ``3`` addresses (when the chain is named) to ``M``. Unnamed ``1`` and ``3`` mean Bitcoin.
Test networks are refused. Solana, EVM in one case and SS58 hex have no checksum to verify.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Final

import sha3

from bulwark.indicators.normalise import base58, bech32
from bulwark.indicators.normalise.base58 import Reading
from bulwark.indicators.normalise.outcome import refuse
from bulwark.indicators.normalise.text import clean
from bulwark.indicators.vocabulary import Kind

CHAIN_NAMES: Final[dict[str, str]] = {
    name: chain
    for chain, names in {
        "btc": "bitcoin btc xbt",
        "evm": "evm ethereum eth etc bsc bnbchain polygon matic base arbitrum optimism avax",
        "trx": "trx tron",
        "xmr": "xmr monero",
        "ltc": "ltc litecoin",
        "doge": "doge dogecoin",
        "dash": "dash",
        "zec": "zec zcash",
        "bch": "bch bitcoincash",
        "bsv": "bsv bitcoinsv",
        "xrp": "xrp ripple",
        "ss58": "ss58 substrate polkadot kusama dot ksm",
        "sol": "sol solana",
        "xlm": "xlm stellar",
        "ada": "ada cardano",
        "ton": "ton",
        "cosmos": "cosmos atom",
        "osmo": "osmo osmosis",
        "bnb": "bnb",
    }.items()
    for name in names.split()
}
"""Names that may stand before an address (``name:address``) to the chain of the canonical form."""

_PLAIN_EVM: Final = re.compile(r"(?:evm:)?(0x[0-9a-f]{40})")
_NAMED: Final = re.compile(r"([A-Za-z0-9]{2,12}):(?://)?([^:?@]+)(?:@[0-9]+)?(?:\?.*)?")
_CAIP: Final = re.compile(r"(eip155|bip122|solana|polkadot):[-_a-zA-Z0-9]{1,32}:([^:]+)")
_CAIP_CHAINS: Final = {"eip155": "evm", "bip122": "", "solana": "sol", "polkadot": "ss58"}
_EVM: Final = re.compile(r"0[xX]([0-9a-fA-F]{40})")
_ACCOUNT_ID: Final = re.compile(r"0x[0-9a-fA-F]{64}")
_CASH: Final = re.compile(r"(?:[qp][02-9ac-hj-np-z]{41}|[QP][02-9AC-HJ-NP-Z]{41})")
_STELLAR: Final = re.compile(r"G[A-Z2-7]{55}")
_TON: Final = re.compile(r"[EUk0][A-Za-z0-9+/_-]{47}")
_TON_RAW: Final = re.compile(r"(?:ton:)?(0|-1):([0-9a-fA-F]{64})")
_TON_TAGS: Final = (0x11, 0x51)
_CASH_PREFIX: Final = "bitcoincash"
_BECH32_CHAINS: Final = {
    "bc": "btc",
    "ltc": "ltc",
    "zs": "zec",
    "u": "zec",
    "addr": "ada",
    "stake": "ada",
    "cosmos": "cosmos",
    "osmo": "osmo",
    "bnb": "bnb",
}
_BECH32_TESTNETS: Final = frozenset(
    {"tb", "bcrt", "sb", "tltc", "rltc", "addr_test", "stake_test", "ztestsapling", "utest", "tbnb"}
)
_PAYLOADS: Final = {"zs": (43,), "addr": (29, 57), "stake": (29,), "bnb": (20,)}
"""Payload lengths in bytes of bech32 addresses that are not segwit; others: 20 or 32."""


def normalise_wallet(given: str, _region: str | None) -> str:
    """``bitcoin:BC1Q...?amount=1`` -> ``btc:bc1q...``; rules wallet.*."""
    plain = _PLAIN_EVM.fullmatch(given)
    if plain is not None:
        return "evm:" + plain[1]
    text = clean(Kind.WALLET, given)
    if not text.isascii():
        refuse(Kind.WALLET, "wallet.unknown-format")
    chain, address = _split(text)
    reading = _read(address, chain)
    if reading is None:
        refuse(Kind.WALLET, "wallet.unknown-format")
    if reading.rule:
        refuse(Kind.WALLET, reading.rule)
    reading = _on_named_chain(reading, chain)
    return f"{reading.chain}:{reading.address}"


def _split(text: str) -> tuple[str, str]:
    """The named chain ('' where none is named) and the bare address."""
    raw_ton = _TON_RAW.fullmatch(text)
    if raw_ton is not None:
        return "ton", f"{raw_ton[1]}:{raw_ton[2].lower()}"
    caip = _CAIP.fullmatch(text)
    if caip is not None:
        return _CAIP_CHAINS[caip[1]], caip[2]
    named = _NAMED.fullmatch(text)
    if named is None:
        return "", text
    chain = CHAIN_NAMES.get(named[1].lower())
    if chain is None:
        refuse(Kind.WALLET, "wallet.unknown-format")
    return chain, named[2]


def _read(address: str, chain: str) -> Reading | None:
    if address[:2] in ("0x", "0X"):
        return _read_hex(address, chain)
    if chain == "ton" and _TON_RAW.fullmatch(address):
        return Reading("ton", address)
    if _CASH.fullmatch(address):
        return _read_cash(address.lower())
    if _STELLAR.fullmatch(address):
        return _read_stellar(address)
    # One text can have the shape of two forms; the one whose checksum holds is meant.
    broken: Reading | None = None
    if "1" in address[1:]:
        broken = _read_bech32(address)
        # Bech32 is of one case (BIP-173); a text of both may be base58 that begins like it.
        is_of_one_case = address in (address.lower(), address.upper())
        if broken is not None and (is_of_one_case or not broken.rule):
            return broken
    for read in _READERS:
        reading = read(address)
        if reading is not None and not reading.rule:
            return reading
        broken = broken or reading
    return broken


def _on_named_chain(reading: Reading, chain: str) -> Reading:
    """The reading as the named chain writes it; refused where the address is not one of its own."""
    if not chain or chain == reading.chain:
        return reading
    script = reading.version == 0x05
    if reading.chain == "btc" and reading.payload and reading.version in (0x00, 0x05):
        if chain == "bch":
            address = bech32.encode_cashaddr(int(script), reading.payload, _CASH_PREFIX)
            return Reading("bch", address)
        if chain == "bsv" and not script:
            return Reading("bsv", reading.address)
        if chain == "ltc" and script:
            return Reading("ltc", base58.encode_base58check(0x32, reading.payload))
    refuse(Kind.WALLET, "wallet.chain-mismatch")


def _read_hex(address: str, chain: str) -> Reading | None:
    if chain == "ss58" and _ACCOUNT_ID.fullmatch(address):
        return Reading("ss58", address.lower())
    match = _EVM.fullmatch(address)
    if match is None:
        return None
    digits = match[1]
    lower = digits.lower()
    if digits not in (lower, digits.upper()) and digits != _eip55(lower):
        return Reading(rule=base58.CHECKSUM)
    return Reading("evm", "0x" + lower)


def _eip55(lower: str) -> str:
    digest = sha3.keccak_256(lower.encode("ascii")).hexdigest()
    return "".join(
        digit.upper() if nibble >= "8" else digit
        for digit, nibble in zip(lower, digest, strict=False)
    )


def _read_cash(address: str) -> Reading | None:
    decoded = bech32.decode_cashaddr(address, _CASH_PREFIX)
    if decoded is None:
        return Reading(rule=base58.CHECKSUM)
    return Reading("bch", address) if decoded[0] in (0, 1) else None


def _read_bech32(address: str) -> Reading | None:
    prefix = address.lower().rpartition("1")[0]
    if prefix in _BECH32_TESTNETS:
        return Reading(rule=base58.TESTNET)
    chain = _BECH32_CHAINS.get(prefix)
    if chain is None:
        return None
    decoded = bech32.decode(address)
    if decoded is None or decoded[2] == 0:
        return Reading(rule=base58.CHECKSUM)
    _, data, constant = decoded
    if prefix in ("bc", "ltc"):
        fits = len(address) <= 90 and bech32.segwit_program(data, constant) is not None
    elif prefix == "u":
        fits = constant == bech32.BECH32M and len(data) >= 32
    else:
        payload = bech32.regroup(data, 5, 8, pad=False)
        lengths = _PAYLOADS.get(prefix, (20, 32))
        fits = constant == bech32.BECH32 and payload is not None and len(payload) in lengths
    return Reading(chain, address.lower()) if fits else Reading(rule=base58.LENGTH)


def _read_stellar(address: str) -> Reading:
    raw = base64.b32decode(address)
    if binascii.crc_hqx(raw[:-2], 0) != int.from_bytes(raw[-2:], "little"):
        return Reading(rule=base58.CHECKSUM)
    return Reading("xlm", address) if raw[0] == 6 << 3 else Reading(rule=base58.LENGTH)


def _read_ton(address: str) -> Reading | None:
    if _TON.fullmatch(address) is None:
        return None
    raw = base64.urlsafe_b64decode(address.replace("+", "-").replace("/", "_"))
    if binascii.crc_hqx(raw[:-2], 0) != int.from_bytes(raw[-2:], "big"):
        return Reading(rule=base58.CHECKSUM)
    if raw[0] not in _TON_TAGS:
        return Reading(rule=base58.TESTNET) if raw[0] & 0x80 else None
    workchain = int.from_bytes(raw[1:2], "big", signed=True)
    return Reading("ton", f"{workchain}:{raw[2:34].hex()}") if workchain in (0, -1) else None


_READERS: Final[tuple[Callable[[str], Reading | None], ...]] = (
    base58.read_base58check,
    base58.read_xrp,
    base58.read_ss58,
    base58.read_monero,
    _read_ton,
    base58.read_solana,
)
