"""Real ledger objects for the node's unit tests."""

from __future__ import annotations

from bulwark.ledger.ids import Address, RecordId, Tag
from bulwark.ledger.record import Record, RecordPayload
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.signing import SigningKey
from bulwark.ledger.transaction import Transaction, sign_transaction
from contracts.bindings import RECORD_REGISTRY, encode_anchor

CHAIN_ID = 20_260
ALICE = SigningKey(bytes(31) + b"\x01")
BOB = SigningKey(bytes(31) + b"\x02")
SOMEBODY = Address(b"\x11" * 20)


def call(key: SigningKey, nonce: int, *, gas: int = 50_000) -> Transaction:
    """An ordinary transaction."""
    return sign_transaction(key, chain_id=CHAIN_ID, nonce=nonce, to=SOMEBODY, data=b"", gas=gas)


def record(number: int) -> Record:
    """A record that is unique by its number."""
    payload = RecordPayload(operation=1, kind=1, fraud_type=1, object_role=1)
    salt = number.to_bytes(32, "big")
    return Record(salt, Tag(number.to_bytes(32, "big")), payload.encode())


def sidecar(*numbers: int) -> Sidecar:
    """A sidecar of records."""
    return Sidecar(tuple(record(number) for number in numbers))


def anchor(
    key: SigningKey, nonce: int, carried: Sidecar, *, count: int | None = None
) -> Transaction:
    """The anchor transaction of a sidecar."""
    data = encode_anchor(carried.root, carried.count if count is None else count, 1, bytes(32))
    return sign_transaction(
        key,
        chain_id=CHAIN_ID,
        nonce=nonce,
        to=Address(RECORD_REGISTRY),
        data=data,
        gas=250_000,
    )


def record_id(number: int) -> RecordId:
    """Id of a numbered record."""
    return record(number).record_id
