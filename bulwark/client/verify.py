"""Offline verifier: what a proof shows to somebody who trusts nothing but `genesis.json`.

Rules: the genesis document is the only anchor of trust, so it has to come from the alliance by
another way than the proof; every check is arithmetic on the given bytes: no network, no clock, no
key. A proof that fails says where and why, and nothing of it is returned. The rules of the proofs
themselves are in `bulwark.ledger.proofs`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, TypeVar

from bulwark.client.errors import VerificationFailed
from bulwark.indicators.records import labels_of
from bulwark.ledger import jsonfields as jf
from bulwark.ledger.anchor import AnchorKind
from bulwark.ledger.errors import LedgerError, ProofInvalid
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.proofs import (
    ANCHOR_PROOF_FORMAT,
    CONSISTENCY_PROOF_FORMAT,
    MAX_PROOF_BYTES,
    RECORD_PROOF_FORMAT,
    AnchorProof,
    ConsistencyProof,
    RecordProof,
    VerifiedAnchor,
    VerifiedRecord,
)

__all__ = [
    "Verdict",
    "VerifiedAnchor",
    "VerifiedRecord",
    "verify_consent_proof",
    "verify_consistency_proof",
    "verify_document",
    "verify_record_proof",
]

Document = bytes | Mapping[str, object]
"""A proof as the bytes of a file, or as its parsed JSON object."""
T = TypeVar("T")
_EPOCH: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a valid proof shows, in words, for people and for `--json`."""

    kind: str
    """`record`, `anchor` or `consistency`."""
    alliance: str
    genesis_hash: str
    """Hex SHA-256 that names the alliance; compare it with what the alliance publishes."""
    facts: Mapping[str, object]


def verify_record_proof(document: Document, genesis: bytes) -> VerifiedRecord:
    """Check that a record was anchored by its reporter; raises VerificationFailed."""
    trusted = _genesis(genesis)
    return _checked(lambda: RecordProof.from_json(_raw(document)).verify(trusted))


def verify_consent_proof(document: Document, genesis: bytes) -> VerifiedAnchor:
    """Check that a consent, or its withdrawal, was anchored; raises VerificationFailed."""
    trusted = _genesis(genesis)
    found = _checked(lambda: AnchorProof.from_json(_raw(document)).verify(trusted))
    if found.anchor.kind is AnchorKind.RECORDS:
        raise VerificationFailed("anchor", "it is the anchor of a batch, not of a consent")
    return found


def verify_consistency_proof(document: Document, genesis: bytes) -> ConsistencyProof:
    """Check that a later record log only adds to an earlier one; raises VerificationFailed."""
    trusted = _genesis(genesis)
    proof = _checked(lambda: ConsistencyProof.from_json(_raw(document)))
    _checked(lambda: proof.verify(trusted))
    return proof


def verify_document(document: Document, genesis: bytes) -> Verdict:
    """Check a proof of any kind, by the format it names; raises VerificationFailed."""
    raw = _raw(document)
    trusted = _genesis(genesis)
    match _format(raw):
        case form if form == RECORD_PROOF_FORMAT:
            record = verify_record_proof(raw, genesis)
            return _verdict("record", trusted, _record_facts(record))
        case form if form == ANCHOR_PROOF_FORMAT:
            anchor = _checked(lambda: AnchorProof.from_json(raw).verify(trusted))
            return _verdict("anchor", trusted, _anchor_facts(anchor))
        case form if form == CONSISTENCY_PROOF_FORMAT:
            proof = verify_consistency_proof(raw, genesis)
            return _verdict("consistency", trusted, _consistency_facts(proof))
        case _:
            known = ", ".join((RECORD_PROOF_FORMAT, ANCHOR_PROOF_FORMAT, CONSISTENCY_PROOF_FORMAT))
            raise VerificationFailed("format", f"one of {known} is needed")


def _genesis(data: bytes) -> Genesis:
    try:
        return Genesis.from_json(data)
    except LedgerError as error:
        raise VerificationFailed("genesis", str(error)) from None


def _raw(document: Document) -> bytes:
    if isinstance(document, bytes):
        raw = document
    else:
        try:
            raw = json.dumps(dict(document)).encode("utf-8")
        except (TypeError, ValueError, RecursionError):
            raise VerificationFailed("proof", "it is no JSON object") from None
    if len(raw) > MAX_PROOF_BYTES:
        raise VerificationFailed(
            "proof", f"{len(raw)} bytes given, at most {MAX_PROOF_BYTES} are read"
        )
    return raw


def _format(raw: bytes) -> object:
    try:
        document = jf.loads(raw, jf.MAX_DEPTH)
    except ValueError:
        raise VerificationFailed("proof", "it is not JSON") from None
    return document.get("format") if isinstance(document, dict) else None


def _checked(check: Callable[[], T]) -> T:
    try:
        return check()
    except ProofInvalid as error:
        raise VerificationFailed(error.what, error.detail) from None
    except LedgerError as error:
        raise VerificationFailed("proof", str(error)) from None


def _verdict(kind: str, genesis: Genesis, facts: Mapping[str, object]) -> Verdict:
    return Verdict(kind, genesis.alliance, genesis.hash.hex(), facts)


def _record_facts(found: VerifiedRecord) -> dict[str, object]:
    facts: dict[str, object] = {
        "record_id": found.record_id.hex(),
        "height": found.height,
        "on_ledger_by": _moment(found.timestamp_ms),
        "reporter": found.member,
        "account": f"0x{found.account.hex()}",
        "policy": found.policy.hex(),
        "erased": found.payload is None,
    }
    if found.payload is not None:
        for name, value in labels_of(found.payload).items():
            if name.endswith("_day"):
                name = name.removesuffix("_day")
                value = _day(value) if isinstance(value, int) else None
            if value not in (None, "", "unknown"):
                facts[name] = value
    return facts


def _anchor_facts(found: VerifiedAnchor) -> dict[str, object]:
    anchor = found.anchor
    facts: dict[str, object] = {
        "anchor": anchor.kind.name.lower(),
        "height": anchor.height,
        "on_ledger_by": _moment(found.timestamp_ms),
        "issuer": found.member,
        "account": f"0x{anchor.account.hex()}",
    }
    if anchor.kind is AnchorKind.RECORDS:
        facts |= {"root": anchor.digest.hex(), "records": anchor.count}
    else:
        facts |= {"commitment": anchor.digest.hex(), "anchor_id": anchor.reference.hex()}
        if anchor.valid_until_day:
            facts["valid_until"] = _day(anchor.valid_until_day)
    return facts


def _consistency_facts(proof: ConsistencyProof) -> dict[str, object]:
    first, second = proof.first.header, proof.second.header
    return {
        "from_height": first.height,
        "to_height": second.height,
        "from_size": first.record_log_size,
        "to_size": second.record_log_size,
    }


def _moment(at_ms: int) -> str:
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms after 1970"


def _day(day: int) -> str | None:
    try:
        return date.fromordinal(_EPOCH + day).isoformat()
    except (ValueError, OverflowError):
        return None
