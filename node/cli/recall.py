"""`bulwark recall list`: records that answered this member's questions and stand no more."""

from __future__ import annotations

from typing import Final

import click

from node.cli.connection import Target, connection_options, look
from node.cli.options import emit_json, emit_rows, entries, json_option

ROLES: Final = ("analyst", "reporter", "operator", "admin")


@click.group(name="recall")
def command() -> None:
    """See which answers to this member rested on records that fell since.

    \b
    Example:
      bulwark recall list --home alliance/northbank
    """


@command.command(name="list")
@click.option("--after", type=click.IntRange(min=0), default=0, help="Number to go on behind.")
@click.option("--most", type=click.IntRange(1, 1_000), default=100, show_default=True)
@click.option("--dead", is_flag=True, help="Only those that the webhook never took.")
@connection_options(*ROLES)
@json_option
def list_recalls(after: int, most: int, dead: bool, target: Target, as_json: bool) -> None:
    """List recalls, oldest first, with the case references of the own questions.

    \b
    Example:
      bulwark recall list --after 40 --home alliance/northbank
    """
    query = {"most": str(most)}
    page = look(target, "recalls", after=after, query=query)
    found = [each for each in entries(page, "recalls") if not dead or each["delivery"] == "dead"]
    if as_json:
        emit_json({"recalls": found, "next": page.get("next")})
        return
    rows = [("id", "reason", "delivery", "record", "questions")]
    for each in found:
        cases = ", ".join(str(q["case_ref"] or q["id"]) for q in entries(each, "questions"))
        rows.append(
            (
                str(each["id"]),
                str(each["reason"]),
                str(each["delivery"]),
                str(each["record_id"]),
                cases,
            )
        )
    emit_rows(rows)
