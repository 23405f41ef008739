"""Consent bundles, checked offline: a person's receipts against the ledger, without any node.

Rules: the genesis document is the only anchor of trust. A receipt holds if it satisfies the schema
of issued receipts, receipt and salt open the commitment of its anchor, the anchor stands in a
certified record log under this consent's id, and its account belongs to the member that the receipt
names as publisher; purpose, lawful basis and last day of anchor and receipt are the same. Versions
are complete from 1 to the last. That a consent did not end later can not be shown by a bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from bulwark.client.errors import VerificationFailed
from bulwark.client.verify import verify_consent_proof
from bulwark.consents.bundle import BUNDLE_FORMAT, MAX_BUNDLE_BYTES, MAX_CONSENTS
from bulwark.consents.commitment import SALT_BYTES, matches
from bulwark.consents.ending import Ending
from bulwark.consents.facts import ReceiptFacts
from bulwark.consents.faults import DocumentRefused
from bulwark.consents.parsing import check_bounds
from bulwark.consents.schema import Schema, check
from bulwark.ledger import jsonfields as jf
from bulwark.ledger.anchor import AnchorKind
from bulwark.ledger.errors import LedgerError
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.proofs import VerifiedAnchor

MAX_LEVELS: Final = 32
"""Deepest nesting read: a receipt of 16 levels inside the bundle."""
MAX_VERSIONS: Final = 1_000
_EPOCH: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class VerifiedConsent:
    """A consent whose receipts are what was anchored."""

    consent_id: str
    issuer: str
    versions: int
    given_height: int
    ended_height: int
    """Block of its end, 0 where the bundle shows none."""
    ending: str
    """Why it ended, empty where the bundle shows no end."""
    purpose: str
    lawful_basis: str
    valid_until: str
    """ISO date of the last day, empty without end."""


def verify_bundle(raw: bytes, genesis: bytes) -> tuple[VerifiedConsent, ...]:
    """Check every receipt of a bundle; raises VerificationFailed with the place."""
    document = _document(raw)
    try:
        trusted = Genesis.from_json(genesis)
    except LedgerError as error:
        raise VerificationFailed("genesis", str(error)) from None
    if document.get("genesis_hash") != trusted.hash.hex():
        raise VerificationFailed("genesis_hash", "the bundle is of another alliance")
    consents = document.get("consents")
    if not isinstance(consents, list) or not 1 <= len(consents) <= MAX_CONSENTS:
        raise VerificationFailed("consents", f"a list of 1 to {MAX_CONSENTS} consents is needed")
    return tuple(
        _consent(each, f"consents[{number}]", genesis) for number, each in enumerate(consents)
    )


def _document(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_BUNDLE_BYTES:
        raise VerificationFailed("bundle", f"over {MAX_BUNDLE_BYTES} bytes")
    try:
        document = jf.loads(raw, MAX_LEVELS)
    except ValueError:
        raise VerificationFailed("bundle", "it is not JSON") from None
    if not isinstance(document, dict) or document.get("format") != BUNDLE_FORMAT:
        raise VerificationFailed("format", f"{BUNDLE_FORMAT} is needed")
    return document


def _consent(value: object, where: str, genesis: bytes) -> VerifiedConsent:
    entry = _object(value, where)
    consent_id = entry.get("consent_id")
    if not isinstance(consent_id, str) or len(consent_id) != 64:
        raise VerificationFailed(f"{where}.consent_id", "64 hex digits are needed")
    versions = entry.get("versions")
    if not isinstance(versions, list) or not 1 <= len(versions) <= MAX_VERSIONS:
        raise VerificationFailed(f"{where}.versions", f"1 to {MAX_VERSIONS} versions are needed")
    anchored: list[VerifiedAnchor] = []
    facts: ReceiptFacts | None = None
    for number, each in enumerate(versions, 1):
        place = f"{where}.versions[{number - 1}]"
        facts, anchor = _version(_object(each, place), place, genesis, consent_id, number)
        if anchored and anchor.anchor.height < anchored[-1].anchor.height:
            raise VerificationFailed(place, "it was anchored before the version in front of it")
        anchored.append(anchor)
    if facts is None:
        raise VerificationFailed(f"{where}.versions", "none")
    end = _end(entry.get("end"), f"{where}.end", genesis, consent_id, anchored[-1])
    ending = Ending.of_code(end.anchor.basis) if end is not None else None
    return VerifiedConsent(
        consent_id=consent_id,
        issuer=anchored[0].member or "",
        versions=len(anchored),
        given_height=anchored[0].anchor.height,
        ended_height=0 if end is None else end.anchor.height,
        ending="" if end is None else (ending.label if ending else "ended"),
        purpose=facts.purpose.label if facts.purpose else "",
        lawful_basis=facts.basis.label if facts.basis else "",
        valid_until=facts.valid_until,
    )


def _version(
    entry: Mapping[str, Any], where: str, genesis: bytes, consent_id: str, number: int
) -> tuple[ReceiptFacts, VerifiedAnchor]:
    receipt = _object(entry.get("receipt"), f"{where}.receipt")
    try:
        check_bounds(receipt)
        check(receipt, Schema.RECEIPT)
    except DocumentRefused as error:
        raise VerificationFailed(f"{where}.receipt", str(error.faults[0])) from None
    facts = ReceiptFacts.of(receipt)
    if facts.version != number or entry.get("version") != number:
        raise VerificationFailed(f"{where}.version", f"version {number} is needed here")
    if receipt["dct:identifier"] != consent_id:
        raise VerificationFailed(f"{where}.receipt", "it is the receipt of another consent")
    found = _anchor(entry.get("proof"), f"{where}.proof", genesis)
    anchor = found.anchor
    wanted = AnchorKind.CONSENT_GIVEN if number == 1 else AnchorKind.CONSENT_RENEWED
    if anchor.kind is not wanted:
        raise VerificationFailed(f"{where}.proof", f"it is not of kind {wanted.name.lower()}")
    if anchor.reference.hex() != consent_id:
        raise VerificationFailed(f"{where}.proof", "it is the anchor of another consent")
    if not matches(receipt, _salt(entry, where), anchor.digest):
        raise VerificationFailed(where, "receipt and salt do not open the anchored commitment")
    if receipt["dct:publisher"] != f"org:{found.member}":
        raise VerificationFailed(f"{where}.receipt", "its publisher is not who anchored it")
    said = (int(facts.purpose or 0), int(facts.basis or 0), _day(facts.valid_until))
    if said != (anchor.purpose, anchor.basis, anchor.valid_until_day):
        raise VerificationFailed(where, "anchor and receipt differ in purpose, basis or last day")
    return facts, found


def _end(
    value: object, where: str, genesis: bytes, consent_id: str, last: VerifiedAnchor
) -> VerifiedAnchor | None:
    if value is None:
        return None
    found = _anchor(value, where, genesis)
    if found.anchor.kind is not AnchorKind.CONSENT_WITHDRAWN:
        raise VerificationFailed(where, "it is not the end of a consent")
    if found.anchor.reference.hex() != consent_id or found.anchor.digest != last.anchor.digest:
        raise VerificationFailed(where, "it is the end of another consent")
    return found


def _anchor(value: object, where: str, genesis: bytes) -> VerifiedAnchor:
    if value is None:
        raise VerificationFailed(where, "there is none: it was not final when it was exported")
    try:
        return verify_consent_proof(_object(value, where), genesis)
    except VerificationFailed as error:
        raise VerificationFailed(f"{where}.{error.where}", error.reason) from None


def _salt(entry: Mapping[str, Any], where: str) -> bytes:
    given = entry.get("salt")
    try:
        salt = bytes.fromhex(given) if isinstance(given, str) else b""
    except ValueError:
        salt = b""
    if len(salt) != SALT_BYTES:
        raise VerificationFailed(f"{where}.salt", f"{SALT_BYTES} bytes in hex are needed")
    return salt


def _day(iso: str) -> int:
    return date.fromisoformat(iso).toordinal() - _EPOCH if iso else 0


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise VerificationFailed(where, "an object is needed")
    return value
