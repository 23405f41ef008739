"""Transactions: held to Ethereum's cases, and to the rules that this ledger adds."""

from __future__ import annotations

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from bulwark.ledger import rlpcodec
from bulwark.ledger.errors import TransactionInvalid
from bulwark.ledger.hashing import keccak256, sha256
from bulwark.ledger.ids import Address
from bulwark.ledger.limits import MAX_TRANSACTION_BYTES
from bulwark.ledger.signing import SigningKey
from bulwark.ledger.transaction import (
    MAX_INIT_CODE_BYTES,
    Transaction,
    floor_gas,
    intrinsic_gas,
    sign_transaction,
)

KEY = SigningKey(sha256(b"sender"))
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
CALL = {"chain_id": 7117, "nonce": 3, "to": Address(b"\x01" * 20), "data": b"\x01\x00"}
addresses = st.binary(min_size=20, max_size=20)
access_lists = st.lists(
    st.tuples(addresses, st.lists(st.binary(min_size=32, max_size=32), max_size=3).map(tuple)),
    max_size=3,
).map(tuple)


def fields_of(transaction: Transaction) -> list:
    return list(rlpcodec.decode(transaction.raw[1:]))


def typed(kind: int, fields: list) -> bytes:
    return bytes([kind]) + rlpcodec.encode(fields)


def refused(raw: bytes) -> str:
    """The rule that refuses these bytes."""
    with pytest.raises(TransactionInvalid) as caught:
        Transaction.decode(raw)
    return caught.value.rule


def test_published_cases_are_judged_as_published(load_vectors):
    """Two differences by design: signatures without a chain id, and the chain id is check()'s."""
    accepted, without_chain = 0, 0
    cases = load_vectors("ethereum/transactions.json")
    for case in cases:
        name, result = case["case"], case["result"]
        raw = bytes.fromhex(case["txbytes"][2:])
        try:
            found = Transaction.decode(raw)
            found.check(1, 2**64)
        except TransactionInvalid as error:
            if "exception" not in result:
                assert error.rule == "chain id" and "EIP-155" in str(error), name
                without_chain += 1
            continue
        assert "exception" not in result, name
        accepted += 1
        assert found.hash.hex() == result["hash"][2:], name
        assert found.sender.hex() == result["sender"][2:], name
        gas = intrinsic_gas(found.data, found.to is None, found.access_list)
        assert gas == int(result["intrinsicGas"], 16), name
    assert (len(cases), accepted, without_chain) == (140, 13, 26)


@given(
    st.integers(1, 2**53 - 1),
    st.integers(0, 2**64 - 2),
    st.none() | addresses,
    st.binary(max_size=80),
    st.integers(0, 2**256 - 1),
    access_lists,
)
def test_signed_transaction_is_read_back(chain_id, nonce, to, data, value, access_list):
    found = sign_transaction(
        KEY,
        chain_id=chain_id,
        nonce=nonce,
        to=to,
        data=data,
        gas=200_000,
        value=value,
        access_list=access_list,
    )
    assert (found.chain_id, found.nonce, found.to) == (chain_id, nonce, to)
    assert (found.data, found.value, found.access_list) == (data, value, access_list)
    assert (found.type, found.sender, found.hash) == (2, KEY.address, keccak256(found.raw))
    assert (found.max_fee, found.max_priority, found.gas_price, found.v) == (
        0,
        0,
        0,
        found.y_parity,
    )
    found.check(chain_id, 200_000)


@pytest.mark.parametrize("fee", [{"gasPrice": 5}, {"maxFeePerGas": 7, "maxPriorityFeePerGas": 5}])
@pytest.mark.parametrize("listed", [False, True])
def test_transactions_of_a_common_wallet_library_are_taken(fee, listed):
    request = {
        "chainId": 7117,
        "nonce": 9,
        "gas": 90_000,
        "to": "0x" + "11" * 20,
        "value": 4,
        "data": b"\x01\x02",
        **fee,
    }
    if listed:
        request["accessList"] = [{"address": "0x" + "22" * 20, "storageKeys": ["0x" + "33" * 32]}]
    signed = Account.sign_transaction(request, KEY.secret)
    found = Transaction.decode(bytes(signed.raw_transaction))
    assert found.sender == KEY.address
    assert found.hash == bytes(signed.hash)
    assert (found.r, found.s, found.v) == (signed.r, signed.s, signed.v)
    assert (found.nonce, found.gas, found.value, found.chain_id) == (9, 90_000, 4, 7117)
    assert found.max_fee == fee.get("gasPrice", 7)
    assert found.max_priority == 5
    assert len(found.access_list) == listed


@given(st.data())
def test_damaged_transaction_is_refused_or_has_another_hash(data):
    good = sign_transaction(KEY, **CALL, gas=50_000)
    raw = bytearray(good.raw)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        other = Transaction.decode(bytes(raw))
    except TransactionInvalid:
        return
    assert other.hash != good.hash
    assert other.sender != good.sender or other.chain_id == good.chain_id


def test_every_truncation_and_extension_is_refused():
    raw = sign_transaction(KEY, **CALL, gas=50_000).raw
    for end in range(len(raw)):
        refused(raw[:end])
    assert refused(raw + b"\x00") == "encoding"
    assert refused(bytes(MAX_TRANSACTION_BYTES + 1)) == "size"


@pytest.mark.parametrize("kind", [0x00, 0x03, 0x04, 0x05, 0x7F, 0x80])
def test_other_types_are_refused(kind):
    assert refused(bytes([kind]) + rlpcodec.encode([b""] * 12)) == "type"


def test_second_form_of_a_signature_is_refused():
    good = sign_transaction(KEY, **CALL, gas=50_000)
    fields = fields_of(good)
    fields[-1] = (ORDER - good.s).to_bytes(32, "big")
    fields[-3] = b"" if good.y_parity else b"\x01"
    assert refused(typed(2, fields)) == "signature"


@pytest.mark.parametrize(
    ("position", "item", "rule"),
    [
        (0, (1 << 63).to_bytes(8, "big"), "range"),
        (0, b"\x00\x01", "encoding"),
        (0, [], "encoding"),
        (1, (2**64 - 1).to_bytes(8, "big"), "range"),
        (2, b"\x01", "fee"),
        (3, bytes([1] * 33), "encoding"),
        (3, b"\xff" * 32, "fee"),
        (4, (2**64).to_bytes(9, "big"), "range"),
        (4, (20_999).to_bytes(2, "big"), "intrinsic gas"),
        (5, b"\x01" * 19, "encoding"),
        (5, [], "encoding"),
        (7, [], "encoding"),
        (8, b"", "encoding"),
        (8, [b""], "encoding"),
        (8, [[b"\x01" * 20]], "encoding"),
        (8, [[b"\x01" * 19, []]], "encoding"),
        (8, [[[], []]], "encoding"),
        (8, [[b"\x01" * 20, b""]], "encoding"),
        (8, [[b"\x01" * 20, [b"\x01" * 31]]], "encoding"),
        (9, b"\x02", "range"),
        (10, b"", "signature"),
        (11, b"", "signature"),
    ],
)
def test_field_out_of_bounds_is_refused_by_its_rule(position, item, rule):
    fields = fields_of(sign_transaction(KEY, **CALL, gas=50_000))
    fields[position] = item
    assert refused(typed(2, fields)) == rule


def test_other_number_of_fields_is_refused():
    assert refused(typed(2, [b""] * 11)) == "encoding"
    assert refused(typed(1, [b""] * 12)) == "encoding"
    assert refused(rlpcodec.encode([b""] * 8)) == "encoding"
    assert refused(rlpcodec.encode([])) == "encoding"


@pytest.mark.parametrize("v", [0, 1, 27, 28, 35, 36])
def test_legacy_signature_without_a_chain_is_refused(v):
    fields = [
        b"",
        b"",
        b"\xff\xff",
        b"\x01" * 20,
        b"",
        b"",
        bytes([v]) if v else b"",
        b"\x01",
        b"\x01",
    ]
    assert refused(rlpcodec.encode(fields)) == "chain id"


def test_gas_covers_creation_access_list_and_floor():
    assert intrinsic_gas(b"", False) == 21_000
    assert intrinsic_gas(b"\x00\x01", False) == 21_000 + 4 + 16
    assert intrinsic_gas(b"\x01" * 33, True) == 21_000 + 33 * 16 + 32_000 + 4
    listed = ((Address(bytes(20)), (bytes(32), bytes(32))),)
    assert intrinsic_gas(b"", False, listed) == 21_000 + 2_400 + 2 * 1_900
    assert floor_gas(b"\x00\x01") == 21_000 + 10 + 40


def test_gas_below_the_prague_calldata_floor_is_refused():
    data = b"\x01" * 1_000
    assert intrinsic_gas(data, False) < floor_gas(data)
    with pytest.raises(TransactionInvalid, match="intrinsic gas"):
        sign_transaction(KEY, **{**CALL, "data": data}, gas=floor_gas(data) - 1)
    sign_transaction(KEY, **{**CALL, "data": data}, gas=floor_gas(data))


def test_init_code_over_its_limit_is_refused():
    create = {**CALL, "to": None, "gas": 5_000_000}
    sign_transaction(KEY, **{**create, "data": bytes(MAX_INIT_CODE_BYTES)})
    with pytest.raises(TransactionInvalid, match="init code"):
        sign_transaction(KEY, **{**create, "data": bytes(MAX_INIT_CODE_BYTES + 1)})


def test_check_refuses_another_chain_and_more_gas_than_a_block_has():
    found = sign_transaction(KEY, **CALL, gas=50_000)
    found.check(7117, 50_000)
    with pytest.raises(TransactionInvalid) as caught:
        found.check(7118, 50_000)
    assert caught.value.rule == "chain id"
    with pytest.raises(TransactionInvalid) as caught:
        found.check(7117, 49_999)
    assert caught.value.rule == "block gas"
