"""`bulwark audit sample`: what to look at, drawn so that nobody chose it.

Rules: the population ends at a final block that the caller names; the seed comes from a later one
and takes about a minute of the node's CPU the first time (ADR-0025). The answer has all that a
second regulator needs to draw the same, and what each member is asked to open.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Final

import click

from bulwark.audit.sampling import POPULATIONS
from bulwark.client import BulwarkClient
from node.cli.connection import AUDIT_ROLES, Target, connection_options, run, with_client
from node.cli.faults import Failed
from node.cli.options import emit_json, emit_pairs, emit_rows, entries, json_option

PAUSE_S: Final = 1.0


@click.command(name="sample")
@click.option("--to-height", required=True, type=click.IntRange(min=0), help="Final block at which "
              "the population ends.")  # fmt: skip
@click.option("--size", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--population", type=click.Choice(POPULATIONS), default=POPULATIONS[0],
              show_default=True, help="What is drawn; access needs --member.")  # fmt: skip
@click.option("--member", help="Only of this member.")
@click.option("--by-member", is_flag=True, help="Draw --size of every member.")
@click.option("--open-request", type=click.Path(path_type=Path), help="File for the list of what "
              "each member is asked to open, JSON, not there yet.")  # fmt: skip
@connection_options(*AUDIT_ROLES)
@json_option
def sample(
    to_height: int,
    size: int,
    population: str,
    member: str | None,
    by_member: bool,
    open_request: Path | None,
    target: Target,
    as_json: bool,
) -> None:
    """Draw a sample of records, anchors, or a member's access-log entries.

    \b
    Example:
      bulwark audit sample --to-height 1200 --size 30 --by-member --home alliance/regulator
    """
    query = {"to_height": str(to_height), "size": str(size), "population": population}
    if member is not None:
        query["member"] = member
    if by_member:
        query["by_member"] = "true"
    found = run(with_client(target, lambda client: drawn(client, query), 600.0))
    if open_request is not None:
        _write(open_request, found)
    if as_json:
        emit_json(found)
        return
    whole, seed = _part(found, "population"), _part(found, "seed")
    emit_pairs(
        [
            ("population", f"{whole['size']} {whole['kind']} up to block {to_height}"),
            ("seed block", str(_part(seed, "block")["height"])),
            ("seed", str(seed["value"])),
        ]
    )
    rows = [
        [str(item["member"]), str(item["number"]), str(item["height"]), str(item["name"])]
        for stratum in entries(found, "strata")
        for item in entries(stratum, "items")
    ]
    emit_rows([["member", "number", "block", "name"], *rows])


async def drawn(client: BulwarkClient, query: dict[str, str]) -> dict[str, object]:
    """The sample, waited for while its seed is made."""
    while True:
        found = await client.look("audit/sample", query=query)
        if found.get("state") != "drawing":
            return found
        click.echo(f"seed: {found.get('done')} of {found.get('stages')} stages", err=True)
        await asyncio.sleep(PAUSE_S)


def _part(document: dict[str, object], name: str) -> dict[str, object]:
    found = document.get(name)
    if not isinstance(found, dict):
        raise Failed(f"the node's answer has no {name}")
    return found


def _write(path: Path, found: dict[str, object]) -> None:
    wanted = {"seed": found.get("seed"), "population": found.get("population")}
    wanted["open"] = found.get("open_request")
    try:
        with path.open("x", encoding="utf-8") as file:
            json.dump(wanted, file, indent=1)
            file.write("\n")
    except OSError as error:
        raise Failed(f"{path}: {error.strerror}") from error
