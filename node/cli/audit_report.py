"""`bulwark audit report`: one report as a table, JSON, CSV or a page to print.

Rules: a report of many pages is read page by page on the block of the first and written as one; how
far it is goes to standard error. The same block gives the same file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from bulwark.audit.report import NAMES, Report, join_pages
from bulwark.client import BulwarkClient
from node.cli.connection import AUDIT_ROLES, Target, connection_options, run, with_client
from node.cli.faults import Failed
from node.cli.options import emit_pairs, emit_rows

PAGE_TIMEOUT_S: Final = 600.0


@click.command(name="report")
@click.argument("wanted", metavar="NAME", type=click.Choice(NAMES))
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", "json", "csv", "html")),
    default="table",
    show_default=True,
    help="A table for the screen, JSON, CSV, or a page to print.",
)
@click.option("--out", type=click.Path(path_type=Path), help="File to write, not there yet.")
@click.option("--from-height", type=click.IntRange(min=0), help="First block of what is listed.")
@click.option("--to-height", type=click.IntRange(min=0), help="Final block it rests on.")
@click.option("--member", help="Only what this member did.")
@connection_options(*AUDIT_ROLES)
def report(
    wanted: str,
    form: str,
    out: Path | None,
    from_height: int | None,
    to_height: int | None,
    member: str | None,
    target: Target,
) -> None:
    """Make a report from a node's own replica.

    \b
    Example:
      bulwark audit report sharing --format csv --out sharing.csv --home alliance/regulator
      bulwark audit report disputes --member northbank --home alliance/regulator
    """
    given = {"from_height": from_height, "to_height": to_height, "member": member}
    query = {key: str(value) for key, value in given.items() if value is not None}
    found = run(
        with_client(target, lambda client: read_pages(client, wanted, query), PAGE_TIMEOUT_S)
    )
    if form == "table" and out is None:
        _emit(found)
        return
    text = _text(found, "json" if form == "table" else form)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        with out.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise Failed(f"{out}: {error.strerror}") from error
    click.echo(f"{len(found.rows)} rows at block {found.generated_from.height} in {out}")


async def read_pages(client: BulwarkClient, name: str, query: dict[str, str]) -> Report:
    """A whole report, page by page on the first page's block."""
    pages: list[Report] = []
    after: int | None = 0
    while after is not None:
        page = Report.from_json(
            await client.look(f"audit/reports/{name}", after=after, query=query)
        )
        pages.append(page)
        query = query | {"to_height": str(page.generated_from.height)}
        after = page.next
        if after is not None:
            click.echo(f"{sum(len(page.rows) for page in pages)} rows so far", err=True)
    return join_pages(pages)


def _text(found: Report, form: str) -> str:
    if form == "csv":
        return found.to_csv()
    if form == "html":
        from api.audit_page import report_page

        return report_page(found)
    return found.to_json_text()


def _emit(found: Report) -> None:
    basis = found.generated_from
    emit_pairs([("report", found.title), ("block", f"{basis.height}  {basis.block_hash.hex()}")])
    emit_pairs([("ledger time", basis.time)])
    head = [column.key for column in found.columns]
    rows = [["" if cell is None else str(cell) for cell in row] for row in found.rows]
    emit_rows([head, *rows])
    for note in found.notes:
        click.echo(f"note: {note}")
