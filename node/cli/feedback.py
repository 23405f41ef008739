"""`bulwark feedback`: say what you found about an answer or a record, and see the figures."""

from __future__ import annotations

from typing import Any, Final

import click

from bulwark.indicators.vocabulary import Band, DisputeGround, LossBand
from node.cli.connection import Target, ask, connection_options, look
from node.cli.options import (
    emit_fields,
    emit_json,
    emit_pairs,
    emit_table,
    entries,
    json_option,
    known_text,
)
from node.cli.values import case_option, stated, words
from node.interaction.feedbackport import Finding, Verdict

GIVERS: Final = ("reporter", "analyst")
READERS: Final = ("analyst", "auditor", "operator", "reporter")
_SHOWN: Final = ("id", "verdict", "reporters", "kinds", "replaced", "dispute", "follow_up")
_COLUMNS: Final = ("reporter", "kind", "judged", "wrong", "false_positive_rate")


@click.group(name="feedback")
def command() -> None:
    """Feedback on answers and records, and what it shows.

    \b
    Example:
      bulwark feedback give agreed RECORD_ID --band high --home alliance/northbank
      bulwark feedback summary --home alliance/northbank
    """


@command.command(name="give")
@click.argument("verdict", type=click.Choice([str(verdict.value) for verdict in Verdict]))
@click.argument("record_ids", nargs=-1, required=True)
@click.option(
    "--finding",
    type=click.Choice([str(finding.value) for finding in Finding]),
    default=Finding.OTHER.value,
    show_default=True,
    help="Why.",
)
@click.option("--band", type=words(Band), help="Of the answer; about the record if left out.")
@click.option("--loss-prevented", type=words(LossBand), help="Loss that was prevented.")
@click.option(
    "--dispute",
    type=words(DisputeGround, stated_only=True),
    help="Dispute the one record on this ground, too.",
)
@case_option
@connection_options(*GIVERS)
@json_option
def give(
    verdict: str,
    record_ids: tuple[str, ...],
    finding: str,
    band: str | None,
    loss_prevented: str | None,
    dispute: str | None,
    case_ref: str | None,
    target: Target,
    as_json: bool,
) -> None:
    """Say what you found about an answer's records.

    \b
    Example:
      bulwark feedback give disagreed 9c56... --finding reassigned --dispute reassigned \\
        --home alliance/northbank
    """
    body: dict[str, Any] = stated(
        verdict=verdict,
        record_ids=list(record_ids),
        finding=finding,
        band=band,
        loss_prevented=loss_prevented,
        dispute=dispute,
        case_ref=case_ref,
    )
    found = ask(target, "feedback", body)
    emit_fields(found, _SHOWN, as_json=as_json, text=known_text)


@command.command(name="summary")
@connection_options(*READERS)
@json_option
def summary(target: Target, as_json: bool) -> None:
    """Show precision, false positives, time to share and how disputes ended.

    \b
    Example:
      bulwark feedback summary --home alliance/northbank
    """
    found: dict[str, Any] = look(target, "feedback/summary")
    if as_json:
        emit_json(found)
        return
    precision, share = found["precision"], found["time_to_first_share"]
    disputes = found["disputes"]
    emit_pairs(
        [
            ("feedback", ", ".join(f"{name} {n}" for name, n in found["verdicts"].items())),
            ("precision", f"{known_text(precision['value'])} from {precision['threshold']} on"),
            ("judged", f"{precision['judged']}, right {precision['right']}"),
            (
                "time to share",
                f"median {known_text(share['median_seconds'])} s of {share['count']}",
            ),
            ("disputes upheld", f"{disputes['upheld']} of {disputes['decided']}"),
            ("disputes open", str(disputes["open"])),
        ]
    )
    emit_table(entries(found, "reporters"), _COLUMNS, "no feedback on records")
