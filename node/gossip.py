"""A transaction on its way between nodes: raw bytes and, for an anchor, the sidecar it commits to.

Rules: what arrives is checked whole before it touches the mempool: canonical encoding, bounds, the
one ingress check, and for an anchor that the sidecar has the root and the count of the call.
An ordinary transaction carries no sidecar, an anchor always one.
"""

from __future__ import annotations

from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import TransactionInvalid
from bulwark.ledger.ids import Digest
from bulwark.ledger.limits import MAX_SIDECAR_BYTES, MAX_TRANSACTION_BYTES
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.transaction import Transaction
from contracts.bindings import RECORD_REGISTRY, AnchorCall, decode_anchor_call


class Parcel(Struct, frozen=True):
    """A checked transaction with its sidecar, if it needs one."""

    transaction: Transaction
    sidecar: Sidecar | None
    sidecar_bytes: bytes

    @property
    def sidecar_root(self) -> Digest | None:
        """Root that the transaction's call names; None for an ordinary transaction."""
        call = anchor_call(self.transaction)
        return None if call is None else Digest(call.root)

    def encode(self) -> bytes:
        """Canonical bytes for a frame or the outbox."""
        return Writer().blob(self.transaction.raw).blob(self.sidecar_bytes).done()


def anchor_call(transaction: Transaction) -> AnchorCall | None:
    """The anchor call of a transaction to the record registry, None for any other."""
    if transaction.to != RECORD_REGISTRY:
        return None
    return decode_anchor_call(transaction.data)


def make_parcel(transaction: Transaction, sidecar: Sidecar | None) -> Parcel:
    """Join a transaction and its sidecar; raises TransactionInvalid if they do not belong."""
    data = b"" if sidecar is None else sidecar.encode()
    check_sidecar(transaction, sidecar)
    return Parcel(transaction, sidecar, data)


def split_parcel(data: bytes) -> tuple[bytes, bytes]:
    """Raw transaction and sidecar bytes of a parcel, nothing of them checked; raises DecodeError.

    So that a receiver can look at what is cheap first: a full sidecar takes some ms to check.
    """
    reader = Reader(data, "transaction parcel")
    raw = reader.blob("transaction", MAX_TRANSACTION_BYTES)
    sidecar_bytes = reader.blob("sidecar", MAX_SIDECAR_BYTES)
    reader.end()
    return raw, sidecar_bytes


def join_parcel(transaction: Transaction, sidecar_bytes: bytes) -> Parcel:
    """Add the sidecar with its checks; raises LedgerError."""
    sidecar = Sidecar.decode(sidecar_bytes) if sidecar_bytes else None
    check_sidecar(transaction, sidecar)
    return Parcel(transaction, sidecar, sidecar_bytes)


def decode_parcel(data: bytes) -> Parcel:
    """Inverse of Parcel.encode() with all checks; raises LedgerError."""
    raw, sidecar_bytes = split_parcel(data)
    return join_parcel(Transaction.decode(raw), sidecar_bytes)


def check_sidecar(transaction: Transaction, sidecar: Sidecar | None) -> None:
    """Check that an anchor comes with the sidecar it names, and nothing else with one."""
    call = anchor_call(transaction)
    if call is None:
        if sidecar is not None:
            raise TransactionInvalid("sidecar.unexpected", "only an anchor carries a sidecar")
        return
    if sidecar is None:
        raise TransactionInvalid("sidecar.missing", "an anchor travels with its sidecar")
    if not all(isinstance(entry, Record) for entry in sidecar.entries):
        # A new record can not be erased yet: who sends a bare leaf hides what it anchors.
        raise TransactionInvalid("sidecar.erased", "a new sidecar holds every record in full")
    if sidecar.count != call.count:
        raise TransactionInvalid(
            "sidecar.count", f"the call names {call.count} records, the sidecar has {sidecar.count}"
        )
    if sidecar.root != call.root:
        raise TransactionInvalid("sidecar.root", "the records do not hash to the anchored root")
