"""Views of disputes: what the desk answers, as the JSON documents of `dispute_schemas`."""

from __future__ import annotations

from api.views import record_document, timestamp
from bulwark.indicators.vocabulary import DisputeGround, Operation, Ruling
from bulwark.ledger.standing import Dispute, Step
from node.disputes.port import DisputeView, FollowUpOutcome
from node.service import RecordView, Stage


def outcome_document(outcome: FollowUpOutcome) -> dict[str, object]:
    """What became of a follow-up."""
    is_executed = outcome.stage >= Stage.EXECUTED
    return {
        "id": outcome.record_id.hex(),
        "record_id": outcome.subject.hex(),
        "operation": outcome.operation.name.lower(),
        "stage": outcome.stage.label,
        "height": outcome.height,
        "taken": outcome.refused is None if is_executed else None,
        "rule": outcome.refused,
        "state": outcome.state,
        "reference": outcome.reference,
    }


def dispute_document(view: DisputeView) -> dict[str, object]:
    """A dispute."""
    return {
        "reference": view.reference,
        "id": view.dispute_id.hex(),
        "record_id": view.record_id.hex(),
        "reporter": view.reporter,
        "member": view.member,
        "ground": ground_label(view.ground),
        "status": view.status,
        "rule": view.refused,
        "height": view.height,
        "opened": timestamp(view.opened_ms),
        "due": timestamp(view.due_ms),
        "overdue": view.is_overdue,
        "for_person": view.is_for_person,
    }


def history_document(view: RecordView, now_ms: int) -> dict[str, object]:
    """A statement with all that followed it."""
    standing = view.standing
    return {
        "record": record_document(view, now_ms),
        "history": [] if standing is None else [_step(step) for step in standing.history],
        "disputes": [] if standing is None else [_dispute(each) for each in standing.disputes],
    }


def _step(step: Step) -> dict[str, object]:
    operation = Operation.find(step.operation)
    return {
        "id": step.record_id.hex(),
        "operation": f"code {step.operation}" if operation is None else operation.label,
        "reason": _reason(step),
        "member": step.member,
        "height": step.height,
        "timestamp": timestamp(step.timestamp_ms),
        "taken": step.refused is None,
        "rule": step.refused,
        "state": step.state.label,
    }


def _dispute(dispute: Dispute) -> dict[str, object]:
    return {
        "id": dispute.record_id.hex(),
        "member": dispute.member,
        "ground": ground_label(dispute.ground),
        "opened": timestamp(dispute.opened_ms),
        "due": timestamp(dispute.due_ms),
        "ruling": None if dispute.ruling is None else dispute.ruling.name.lower(),
    }


def _reason(step: Step) -> str | None:
    if step.operation == Operation.DISPUTE:
        return ground_label(step.reason)
    if step.operation == Operation.RULE:
        ruling = Ruling.find(step.reason)
        return f"code {step.reason}" if ruling is None else ruling.label
    return f"code {step.reason}" if step.reason else None


def ground_label(code: int) -> str:
    """The word of a dispute's ground; its number where this version knows none."""
    ground = DisputeGround.find(code)
    return f"code {code}" if ground is None else ground.label
