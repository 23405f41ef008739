"""Erasure receipts: what all members signed about one erased record, checked offline.

Rules: the genesis document is the only anchor of trust. The file holds the proof of the record (its
leaf alone, and who reported it), of the ERASE order about it, and of each member's CONFIRM of the
batch with that order; a CONFIRM is anchored by the member's own signed transaction. An order counts
that the reporter or a regulator of the genesis document gave; of any other the file can not show
whether the lifecycle took it, and the verdict says so. A fault is named with its place in the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from bulwark.client.errors import VerificationFailed
from bulwark.ledger import jsonfields as jf
from bulwark.ledger.errors import LedgerError, ProofInvalid
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.genesismember import GenesisMember
from bulwark.ledger.ids import Address, Digest, RecordId
from bulwark.ledger.lifecycle import REFERENCE_KIND, Operation, reference_tag
from bulwark.ledger.proofs import RecordProof, VerifiedRecord
from bulwark.ledger.record import Record

RECEIPTS_FORMAT: Final = "bulwark-erasure-receipts/1"
MAX_RECEIPTS_BYTES: Final = 256 * 1024 * 1024
MAX_CONFIRMATIONS: Final = 1_024
RECALLED: Final = 1
DESTROYED: Final = 2
ANCHORING: Final = frozenset({"reporter", "regulator"})
"""Roles of the genesis document whose members can confirm."""
_FIELDS: Final = frozenset({"format", "record_id", "record", "order", "confirmations"})
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """One member's word that holds."""

    member: str
    account: str
    height: int
    recalled: bool
    destroyed: bool


@dataclass(frozen=True, slots=True)
class ErasureVerdict:
    """What a file of receipts shows."""

    alliance: str
    genesis_hash: str
    record_id: str
    order_height: int
    ordered_by: str
    order_is_allowed: bool | None
    """True: the reporter or a regulator of genesis ordered it; None: not to be told from here."""
    receipts: tuple[ReceiptView, ...]
    missing: tuple[str, ...]
    """Members of the genesis document that can confirm and of which no receipt is here."""


def verify_receipts(data: bytes, genesis: bytes) -> ErasureVerdict:
    """Check a file of receipts; raises VerificationFailed."""
    try:
        trusted = Genesis.from_json(genesis)
    except LedgerError as error:
        raise VerificationFailed("genesis", str(error)) from None
    document = _document(data)
    subject = _subject(document, trusted)
    order, root = _order(document, trusted, subject.record_id)
    receipts: dict[Address, ReceiptView] = {}
    for where, proof in _confirmations(document):
        found = _verified(where, proof, trusted)
        payload = found.payload
        _follow_up(where, proof, found, Operation.CONFIRM, root)
        if payload is None or not payload.reason & DESTROYED:
            raise VerificationFailed(where, "it does not say that the data was destroyed")
        if found.height < order.height:
            raise VerificationFailed(where, "it was anchored before the order")
        if found.account in receipts:
            raise VerificationFailed(where, f"a second receipt of 0x{found.account.hex()}")
        receipts[found.account] = ReceiptView(
            member=str(found.member or "joined after genesis"),
            account=f"0x{found.account.hex()}",
            height=found.height,
            recalled=bool(payload.reason & RECALLED),
            destroyed=True,
        )
    return ErasureVerdict(
        alliance=trusted.alliance,
        genesis_hash=trusted.hash.hex(),
        record_id=subject.record_id.hex(),
        order_height=order.height,
        ordered_by=str(order.member or f"0x{order.account.hex()}"),
        order_is_allowed=_is_allowed(trusted, subject, order),
        receipts=tuple(receipts.values()),
        missing=tuple(
            member.id
            for member in trusted.members
            if ANCHORING & set(member.roles) and member.account not in receipts
        ),
    )


def _document(data: bytes) -> dict[str, object]:
    if len(data) > MAX_RECEIPTS_BYTES:
        raise VerificationFailed("file", f"at most {MAX_RECEIPTS_BYTES} bytes are read")
    try:
        document = jf.loads(data, jf.MAX_DEPTH)
    except ValueError:
        raise VerificationFailed("file", "it is not JSON") from None
    if not isinstance(document, dict) or document.get("format") != RECEIPTS_FORMAT:
        raise VerificationFailed("format", f"{RECEIPTS_FORMAT} is needed")
    strange = document.keys() ^ _FIELDS
    if strange:
        raise VerificationFailed("file", f"field {min(strange)} is missing or unknown")
    return document


def _subject(document: dict[str, object], trusted: Genesis) -> VerifiedRecord:
    found = _verified("record", _proof("record", document["record"]), trusted)
    if found.record_id.hex() != document["record_id"]:
        raise VerificationFailed("record", "the proof is of another record than the file names")
    if found.payload is not None:
        raise VerificationFailed("record", "the proof shows the record in full: it is not erased")
    return found


def _order(
    document: dict[str, object], trusted: Genesis, subject: RecordId
) -> tuple[VerifiedRecord, Digest]:
    """The order and the root of its batch."""
    proof = _proof("order", document["order"])
    found = _verified("order", proof, trusted)
    _follow_up("order", proof, found, Operation.ERASE, subject)
    return found, Digest(proof.anchored.anchor.digest)


def _confirmations(document: dict[str, object]) -> Iterator[tuple[str, RecordProof]]:
    given = document["confirmations"]
    if not isinstance(given, list) or len(given) > MAX_CONFIRMATIONS:
        raise VerificationFailed("confirmations", f"a list of at most {MAX_CONFIRMATIONS}")
    for number, each in enumerate(given):
        where = f"confirmations[{number}]"
        yield where, _proof(where, each)


def _proof(where: str, value: object) -> RecordProof:
    raw = json.dumps(value).encode()
    return _checked(where, lambda: RecordProof.from_json(raw))


def _verified(where: str, proof: RecordProof, trusted: Genesis) -> VerifiedRecord:
    return _checked(where, lambda: proof.verify(trusted))


def _checked(where: str, check: Callable[[], T]) -> T:
    try:
        return check()
    except ProofInvalid as error:
        raise VerificationFailed(f"{where}.{error.what}", error.detail) from None
    except LedgerError as error:
        raise VerificationFailed(where, str(error)) from None


def _follow_up(
    where: str, proof: RecordProof, found: VerifiedRecord, operation: Operation, subject: bytes
) -> None:
    payload, entry = found.payload, proof.entry
    if payload is None or not isinstance(entry, Record):
        raise VerificationFailed(where, "the proof shows a bare leaf")
    if payload.operation != operation or payload.kind != REFERENCE_KIND:
        raise VerificationFailed(where, f"operation {payload.operation}, not {operation.name}")
    if payload.previous_record != subject or entry.tag != reference_tag(subject):
        raise VerificationFailed(where, "it is about something else")


def _is_allowed(trusted: Genesis, subject: VerifiedRecord, order: VerifiedRecord) -> bool | None:
    if order.height < subject.height:
        raise VerificationFailed("order", "it was anchored before the record")
    member: GenesisMember | None = trusted.member_of_account(order.account)
    if order.account == subject.account or (member is not None and "regulator" in member.roles):
        return True
    return None
