"""Wallet codecs against the addresses and invalid texts that the chains' own standards publish."""

from __future__ import annotations

import hashlib

import pytest
from base58 import RIPPLE_ALPHABET, b58encode
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.indicators.errors import NormalisationError
from bulwark.indicators.normalise import base58, bech32, normalise
from bulwark.indicators.normalise.wallet import CHAIN_NAMES
from bulwark.indicators.vocabulary import Kind

SEGWIT_VALID = {
    "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4": "751e76e8199196d454941c45d1b3a323f1433bd6",
    "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y": None,
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0": (
        "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
    ),
}
"""BIP-173 and BIP-350; the second has a 40-byte version 1 program, which no wallet can spend."""

SEGWIT_INVALID = [
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",
    "BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL",
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh",
    "bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4",
    "BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R",
    "bc1pw5dgrnzv",
    "bc1gmk9yu",
    "BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P",
]

CASHADDR = {
    "1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu": "qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
    "1KXrWXciRDZUpQwQmuM1DbwsKDLYAYsVLR": "qr95sy3j9xwd2ap32xkykttr4cvcu7as4y0qverfuy",
    "3CWFddi6m4ndiGyKqzYvsFYagqDLPVMTzC": "ppm2qsznhks23z7629mms6s4cwef74vcwvn0h829pq",
    "3LDsS579y7sruadqu11beEJoTjdFiFCdX4": "pr95sy3j9xwd2ap32xkykttr4cvcu7as4yc93ky28e",
}
"""The CashAddr specification's pairs of old and new addresses."""

EIP55 = [
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


def form(text: str) -> str:
    try:
        return normalise(Kind.WALLET, text).value
    except NormalisationError as error:
        return error.rule


@pytest.mark.parametrize(("address", "program"), SEGWIT_VALID.items())
def test_segwit_address_is_read_as_bip_173_and_350_say(address: str, program: str | None) -> None:
    decoded = bech32.decode(address)
    assert decoded is not None and decoded[2] != 0
    found = bech32.segwit_program(decoded[1], decoded[2])
    assert (found[1].hex() if found else None) == program
    assert form(address) == (f"btc:{address.lower()}" if program else "wallet.length")


@pytest.mark.parametrize("address", SEGWIT_INVALID)
def test_invalid_segwit_address_of_the_bips_is_refused(address: str) -> None:
    assert form(address) in ("wallet.checksum", "wallet.length", "wallet.unknown-format")


@pytest.mark.parametrize(("old", "new"), CASHADDR.items())
def test_named_bitcoin_cash_address_becomes_cashaddr(old: str, new: str) -> None:
    assert form(f"bitcoincash:{old}") == form(f"bitcoincash:{new}") == form(new) == f"bch:{new}"
    assert form(old) == f"btc:{old}"
    assert form(new[:-1] + ("q" if new[-1] != "q" else "p")) == "wallet.checksum"


@pytest.mark.parametrize("address", EIP55)
def test_eip_55_checksum_is_verified_where_case_is_mixed(address: str) -> None:
    assert form(address) == f"evm:{address.lower()}"
    assert form("0x" + address[2:].swapcase()) == "wallet.checksum"


@pytest.mark.parametrize(
    ("address", "canonical"),
    [
        ("LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9", "ltc:LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9"),
        ("litecoin:3CDJNfdWX8m2NwuGUV3nhXHXEeLygMXoAj", "ltc:MJRSgZ3UUFcTBTBAaN38XAXvZLwRe8WVw7"),
        ("DBXu2kgc3xtvCUWFcxFE3r9hEYgmuaaCyD", "doge:DBXu2kgc3xtvCUWFcxFE3r9hEYgmuaaCyD"),
        ("TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", "trx:TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"),
        ("rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh", "xrp:rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh"),
        (
            "solana:TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
            "sol:TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
        ),
        (
            "EQDtFpEwcFAEcRe5mLVh2N6C0x-_hJEM7W61_JLnSF74p4q2",
            "ton:0:ed1691307050047117b998b561d8de82d31fbf84910ced6eb5fc92e7485ef8a7",
        ),
    ],
)
def test_address_of_other_chains_is_read(address: str, canonical: str) -> None:
    assert form(address) == canonical
    assert form(canonical) == canonical


def test_monero_integrated_address_is_the_standard_address_inside_it() -> None:
    body = bytes(range(64))
    standard = base58._monero_text(_summed(bytes([18]) + body))
    integrated = base58._monero_text(_summed(bytes([19]) + body + b"\x01" * 8))
    assert len(integrated) == 106
    assert form(integrated) == form(standard) == f"xmr:{standard}"
    assert form(base58._monero_text(_summed(bytes([53]) + body))) == "wallet.testnet"
    assert form(standard[:-1] + ("1" if standard[-1] != "1" else "2")) == "wallet.checksum"


def _summed(raw: bytes) -> bytes:
    import sha3

    return raw + bytes(sha3.keccak_256(raw).digest()[:4])


@given(st.binary(min_size=32, max_size=32), st.integers(0, 16_383))
@settings(deadline=None)
def test_one_substrate_account_has_one_form_on_every_network(account: bytes, network: int) -> None:
    if network < 64:
        prefix = bytes([network])
    else:
        prefix = bytes(
            [((network & 0b11111100) >> 2) | 0b01000000, (network >> 8) | ((network & 0b11) << 6)]
        )
    check = hashlib.blake2b(b"SS58PRE" + prefix + account).digest()[:2]
    text = b58encode(prefix + account + check).decode()
    assert form(text) == f"ss58:0x{account.hex()}" == form(f"substrate:0x{account.hex()}")


@pytest.mark.parametrize("network", [5_080, 5_336, 6_360, 6_872, 7_128])
def test_a_substrate_address_that_begins_like_bech32_is_read_by_its_own_checksum(
    network: int,
) -> None:
    account = bytes(2) + b"\x01" + bytes(27) + b"\x01\x00"
    first, second = (network & 0b11111100) >> 2, (network & 0b11) << 6
    prefix = bytes([first | 0b01000000, network >> 8 | second])
    check = hashlib.blake2b(b"SS58PRE" + prefix + account).digest()[:2]
    text = b58encode(prefix + account + check).decode()
    assert text.startswith("u1") and form(text) == f"ss58:0x{account.hex()}"
    assert form(text[:-1] + ("1" if text[-1] != "1" else "2")) == "wallet.checksum"


@given(
    st.sampled_from([20, 24, 28, 32, 40, 48, 56, 64]).flatmap(
        lambda n: st.binary(min_size=n, max_size=n)
    )
)
@settings(deadline=None)
def test_cashaddr_decodes_what_it_encodes(digest: bytes) -> None:
    text = bech32.encode_cashaddr(1, digest, "bitcoincash")
    assert bech32.decode_cashaddr(text, "bitcoincash") == (1, digest)
    assert bech32.decode_cashaddr(text, "bchtest") is None


@given(st.binary(max_size=80))
@settings(deadline=None)
def test_base58_is_read_as_the_library_writes_it(raw: bytes) -> None:
    assert base58.decode(b58encode(raw).decode()) == raw
    rippled = b58encode(raw, alphabet=RIPPLE_ALPHABET).decode()
    assert base58.decode(rippled, base58._RIPPLE) == raw
    assert base58.decode(b58encode(raw).decode() + "0") is None


@given(st.lists(st.integers(0, 255), max_size=40).map(bytes))
@settings(deadline=None)
def test_regrouping_bits_there_and_back_changes_nothing(raw: bytes) -> None:
    fives = bech32.regroup(raw, 8, 5, pad=True)
    assert fives is not None and bech32.regroup(fives, 5, 8, pad=False) == list(raw)


@given(st.sampled_from([*SEGWIT_VALID, *CASHADDR, *CASHADDR.values(), *EIP55]), st.data())
@settings(deadline=None, max_examples=300)
def test_one_mistyped_character_of_a_checksummed_address_is_noticed(
    address: str, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(address) - 1))
    other = data.draw(st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7lABCDEFGH123456789"))
    if other.lower() == address[place].lower():
        return
    mistyped = address[:place] + other + address[place + 1 :]
    if mistyped.startswith("0x") and mistyped[2:].lower() != mistyped[2:]:
        # EIP-55 is weak by design (about 15 bits): only refusal or the same rules are asked for.
        assert form(mistyped).startswith(("wallet.", "evm:"))
        return
    assert form(mistyped).startswith("wallet.")


def test_every_chain_name_leads_to_a_chain_that_names_itself() -> None:
    assert {CHAIN_NAMES[chain] for chain in CHAIN_NAMES.values()} == set(CHAIN_NAMES.values())
