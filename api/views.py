"""Views: what the service answers, as the JSON documents of `schemas`.

Rules: digests are lower-case hexadecimal, with 0x only where Ethereum tools read them; times are
RFC 3339 in UTC with milliseconds. Names of a record's own fields never hide the fixed ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from api.problems import FieldProblem
from bulwark.ledger.standing import Standing
from bulwark.ledger.votes import Certificate
from node.service import (
    BlockView,
    MemberView,
    RecordView,
    Refusal,
    ReportOutcome,
    ScreeningAnswer,
    Stage,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp(at_ms: int) -> str:
    """RFC 3339 text in UTC of milliseconds since 1970."""
    if not 0 <= at_ms < 253_402_300_800_000:  # years after 9999 have no such text
        return str(at_ms)
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"


def stage_name(stage: Stage | None) -> str | None:
    """Name of a stage in the API."""
    return None if stage is None else stage.label


def report_document(outcome: ReportOutcome) -> dict[str, object]:
    """A taken report."""
    return {
        "record_id": outcome.record_id.hex() if outcome.record_id is not None else None,
        "stage": stage_name(outcome.stage),
        "height": outcome.height,
        "duplicate": outcome.duplicate,
    }


def refusal_problem(refusal: Refusal) -> FieldProblem:
    """A refused row as a field problem."""
    return FieldProblem(refusal.field, refusal.detail, refusal.rule)


def row_problem(problems: Sequence[FieldProblem]) -> dict[str, object]:
    """The problem of one row of an upload."""
    return {
        "type": "urn:bulwark:problem:invalid",
        "detail": problems[0].detail,
        "errors": [problem.document() for problem in problems],
    }


def record_document(view: RecordView, now_ms: int) -> dict[str, object]:
    """A record."""
    return {
        **view.fields,
        "record_id": view.record_id.hex(),
        "reporter": view.reporter,
        "height": view.height,
        "timestamp": timestamp(view.timestamp_ms),
        "age_ms": max(0, now_ms - view.timestamp_ms),
        "stage": view.stage.label,
        "erased": view.erased,
        **({} if view.standing is None else _state(view.standing)),
    }


def _state(standing: Standing) -> dict[str, object]:
    """How a statement stands, in short; its history has a document of its own."""
    return {
        "state": standing.state.label,
        "restricted": standing.restricted,
        "open_disputes": len(standing.open_disputes),
        "consent": None if not standing.consent else standing.consent.name.lower(),
    }


def screening_document(answer: ScreeningAnswer, now_ms: int) -> dict[str, object]:
    """The answer to one question."""
    return {
        "hit": answer.hit,
        "band": answer.band,
        "score": answer.score,
        "reasons": [
            {"code": reason.code, "weight": reason.weight, "text": reason.text}
            for reason in answer.reasons
        ],
        "records": [record_document(record, now_ms) for record in answer.records],
        "height": answer.height,
        "age_ms": max(0, answer.age_ms),
        "complete": answer.complete,
        "incomplete_reason": answer.incomplete_reason,
        "reporters": answer.reporters,
        "customers": answer.customers,
        "protected": answer.is_protected,
        "permitted_actions": list(answer.permitted_actions),
        "limits": [{"code": limit.code, "text": limit.text} for limit in answer.limits],
    }


def block_document(view: BlockView) -> dict[str, object]:
    """A block."""
    header = view.header
    return {
        "height": header.height,
        "hash": _prefixed(view.hash),
        "parent_hash": _prefixed(header.parent_hash),
        "batch_digest": header.batch_digest.hex(),
        "timestamp": timestamp(header.timestamp_ms),
        "transactions_root": _prefixed(header.transactions_root),
        "receipts_root": _prefixed(header.receipts_root),
        "state_root": _prefixed(header.state_root),
        "record_log_size": header.record_log_size,
        "record_log_root": header.record_log_root.hex(),
        "next_validators_hash": header.next_validators_hash.hex(),
        "gas_used": header.gas_used,
        "gas_limit": header.gas_limit,
        "transactions": [_prefixed(given) for given in view.transaction_hashes],
        "record_count": view.record_count,
        "finalized": view.checkpoint is not None,
        "certificate": _certificate(view.checkpoint),
        "header": header.encode().hex(),
    }


def _certificate(certificate: Certificate | None) -> dict[str, object] | None:
    if certificate is None:
        return None
    return {
        "view": certificate.subject.view,
        "signers": [signer for signer, _ in certificate.signatures],
        "encoded": certificate.encode().hex(),
    }


def member_document(view: MemberView) -> dict[str, object]:
    """A member."""
    return {
        "id": view.id,
        "name": view.name,
        "roles": list(view.roles),
        "node": view.node,
        "account": view.account,
        "connected": view.connected,
    }


def with_rows(summary: dict[str, object], rows: Sequence[bytes]) -> bytes:
    """JSON of a summary whose last member `rows` holds these encoded rows."""
    return orjson.dumps(summary)[:-1] + b',"rows":[' + b",".join(rows) + b"]}"


def _prefixed(given: bytes) -> str:
    return "0x" + given.hex()
