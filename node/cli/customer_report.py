"""`bulwark customer-report`: take what customers say, triage it, report it, answer for it.

Rules: what a person says is read from a file or from standard input, so that no shell history has
it; a report as JSON is taken as it is. The code that is printed is for the person.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from api.interaction_bounds import DEFAULT_CONFIDENCE
from bulwark.indicators.vocabulary import FraudType, LawfulBasis, ObjectRole
from node.cli.connection import Target, ask, connection_options, look, paged
from node.cli.files import read_object
from node.cli.options import (
    emit_fields,
    emit_json,
    emit_list,
    emit_table,
    entries,
    json_option,
    known_text,
)
from node.cli.values import words
from node.interaction.reportport import DeclineReason, ReportState

STAFF: Final = ("analyst", "reporter")
WRITERS: Final = ("reporter",)
MAX_FILE: Final = 256 * 1024
_COLUMNS: Final = ("state", "overdue", "received", "loss_band", "channel", "id")
_SHOWN: Final = (
    "id", "code", "state", "received", "due", "overdue", "reported", "kept_until", "channel",
    "language", "happened", "loss_band", "fraud_types", "text", "note", "decline_reason",
    "merged_into",
)  # fmt: skip
_IDENTIFIER: Final = ("number", "kind", "value", "customers", "record_id", "rule", "detail")


@click.group(name="customer-report")
def command() -> None:
    """Reports of customers and victims, from what they say to a record of the alliance.

    \b
    Example:
      bulwark customer-report take report.json --home alliance/northbank
      bulwark customer-report list --state received --home alliance/northbank
      bulwark customer-report triage ID 0 --fraud-type imp_bank --role offender_controlled \\
        --home alliance/northbank
      bulwark customer-report send ID --home alliance/northbank
    """


@command.command(name="take")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@connection_options(*STAFF)
@json_option
def take(file: Path, target: Target, as_json: bool) -> None:
    """Take a report as JSON from a file, or from standard input with -.

    \b
    Example:
      bulwark customer-report take - --home alliance/northbank < report.json
    """
    wanted = f"wants one JSON object of at most {MAX_FILE} bytes"
    _send(target, "customer-reports", read_object(file, MAX_FILE, wanted), as_json)


@command.command(name="list")
@click.option(
    "--state",
    type=click.Choice(["all", *(str(state.value) for state in ReportState)]),
    default="all",
    show_default=True,
    help="Which of them.",
)
@connection_options(*STAFF)
@json_option
def list_reports(state: str, target: Target, as_json: bool) -> None:
    """List reports, newest first, without what the persons said.

    \b
    Example:
      bulwark customer-report list --state triaged --home alliance/northbank
    """
    found = paged(target, "customer-reports", "customer_reports", {"state": state})
    emit_list(found, "customer_reports", _COLUMNS, "no reports", as_json=as_json)


@command.command(name="show")
@click.argument("report_id")
@connection_options(*STAFF)
@json_option
def show(report_id: str, target: Target, as_json: bool) -> None:
    """Show a report with what the person said.

    \b
    Example:
      bulwark customer-report show 5f0c... --home alliance/northbank
    """
    path = f"customer-reports/{report_id}"
    _emit(look(target, path), as_json)


@command.command(name="triage")
@click.argument("report_id")
@click.argument("numbers", type=int, nargs=-1, required=True)
@click.option("--fraud-type", required=True, type=words(FraudType), help="Method of the fraud.")
@click.option(
    "--role", required=True, type=words(ObjectRole), help="What the identifiers are in the scheme."
)
@click.option("--confidence", type=int, default=DEFAULT_CONFIDENCE, show_default=True)
@click.option(
    "--basis",
    type=words(LawfulBasis, stated_only=True),
    default=LawfulBasis.LEGITIMATE_INTERESTS.label,
    show_default=True,
    help="Legal basis of sharing it.",
)
@click.option("--policy", default="", help="Id or title of a policy.")
@click.option("--note", default="", help="For the member's staff alone.")
@connection_options(*STAFF)
@json_option
def triage(
    report_id: str,
    numbers: tuple[int, ...],
    fraud_type: str,
    role: str,
    confidence: int,
    basis: str,
    policy: str,
    note: str,
    target: Target,
    as_json: bool,
) -> None:
    """Choose which identifiers of a report are to be reported, by their NUMBERS from 0.

    \b
    Example:
      bulwark customer-report triage 5f0c... 0 1 --fraud-type imp_bank \\
        --role offender_controlled --home alliance/northbank
    """
    choice = {
        "fraud_type": fraud_type,
        "object_role": role,
        "confidence": confidence,
        "lawful_basis": basis,
        "policy": policy,
    }
    chosen = [{"number": number, **choice} for number in numbers]
    body = {"identifiers": chosen, "note": note}
    _send(target, f"customer-reports/{report_id}/triage", body, as_json)


@command.command(name="send")
@click.argument("report_id")
@connection_options(*WRITERS)
@json_option
def send(report_id: str, target: Target, as_json: bool) -> None:
    """Report what was chosen to the alliance.

    \b
    Example:
      bulwark customer-report send 5f0c... --home alliance/northbank
    """
    _send(target, f"customer-reports/{report_id}/report", {}, as_json)


@command.command(name="decline")
@click.argument("report_id")
@click.argument("reason", type=click.Choice([str(reason.value) for reason in DeclineReason]))
@click.option("--note", default="", help="For the member's staff alone.")
@connection_options(*STAFF)
@json_option
def decline(report_id: str, reason: str, note: str, target: Target, as_json: bool) -> None:
    """End a report without a record.

    \b
    Example:
      bulwark customer-report decline 5f0c... too_little --home alliance/northbank
    """
    body = {"reason": reason, "note": note}
    _send(target, f"customer-reports/{report_id}/decline", body, as_json)


@command.command(name="merge")
@click.argument("report_id")
@click.argument("into")
@connection_options(*STAFF)
@json_option
def merge(report_id: str, into: str, target: Target, as_json: bool) -> None:
    """Join a report with another one that names the same identifier.

    \b
    Example:
      bulwark customer-report merge 5f0c... 77aa... --home alliance/northbank
    """
    _send(target, f"customer-reports/{report_id}/merge", {"into": into}, as_json)


@command.command(name="erase")
@click.argument("report_id")
@connection_options(*STAFF)
@json_option
def erase(report_id: str, target: Target, as_json: bool) -> None:
    """Destroy what the person said; state, times and record ids stay.

    \b
    Example:
      bulwark customer-report erase 5f0c... --home alliance/northbank
    """
    _send(target, f"customer-reports/{report_id}/erasure", {}, as_json)


@command.command(name="export")
@click.argument("report_id")
@connection_options(*STAFF)
def export(report_id: str, target: Target) -> None:
    """Print a report as an alert for case tools, as JSON.

    \b
    Example:
      bulwark customer-report export 5f0c... --home alliance/northbank > alert.json
    """
    path = f"customer-reports/{report_id}/export"
    emit_json(look(target, path))


def _send(target: Target, path: str, body: dict[str, Any], as_json: bool) -> None:
    _emit(ask(target, path, body), as_json)


def _emit(found: dict[str, object], as_json: bool) -> None:
    emit_fields(found, _SHOWN, as_json=as_json, text=known_text)
    if not as_json:
        emit_table(entries(found, "identifiers"), _IDENTIFIER, "no identifiers")
