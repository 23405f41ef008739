"""Options and output that the sub-commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

import click

Document = Mapping[str, object]
INVALID: Final = 1
"""Exit code of a check that found what does not hold."""
home_option = click.option(
    "--home",
    required=True,
    type=click.Path(path_type=Path, file_okay=False, resolve_path=True),
    help="Folder of the node, with node.toml in it.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def emit_json(document: object) -> None:
    """Print a document on standard output."""
    click.echo(json.dumps(document, indent=1, ensure_ascii=False))


def emit_rows(rows: Sequence[Sequence[str]], *, last_is_free: bool = True) -> None:
    """Print rows as aligned columns; the first row is the head."""
    fixed = len(rows[0]) - (1 if last_is_free else 0)
    widths = [max(len(row[column]) for row in rows) for column in range(fixed)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*cells, *row[fixed:]]).rstrip())


def emit_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Print names and values, one pair a line."""
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        click.echo(f"{name.ljust(width)}  {value}")


def entries(document: Document, name: str) -> list[Document]:
    """The objects of a list in an answer."""
    found = document.get(name)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def emit_table(rows: Sequence[Document], columns: Sequence[str], empty: str) -> None:
    """Objects as a table of these members."""
    if not rows:
        click.echo(empty)
        return
    table = [[cell(row.get(name)) for name in columns] for row in rows]
    emit_rows([[name.replace("_", " ").upper() for name in columns], *table])


def emit_list(
    found: Document, name: str, columns: Sequence[str], empty: str, *, as_json: bool
) -> None:
    """An answer with one list: as it is, or the list as a table."""
    if as_json:
        emit_json(found)
    else:
        emit_table(entries(found, name), columns, empty)


def emit_fields(
    found: Document, names: Sequence[str], *, as_json: bool, text: Callable[[object], str] = str
) -> None:
    """An answer: as it is, or these members of it, each as `text` says it."""
    if as_json:
        emit_json(found)
    else:
        emit_pairs([(name, text(found.get(name))) for name in names])


def emit_valid(facts: Document, *, as_json: bool) -> None:
    """What a check found to hold."""
    if as_json:
        emit_json({"valid": True, **facts})
        return
    click.echo("VALID")
    emit_pairs([(name, "-" if value is None else str(value)) for name, value in facts.items()])


def refuse(line: str, document: Document, *, as_json: bool) -> NoReturn:
    """What a check found not to hold, and the end with INVALID."""
    if as_json:
        emit_json(document)
    else:
        click.echo(line)
    sys.exit(INVALID)


def refuse_at(where: str, reason: str, *, as_json: bool) -> NoReturn:
    """`refuse` for a check that names the place."""
    document = {"valid": False, "where": where, "reason": reason}
    refuse(f"INVALID  {where}: {reason}", document, as_json=as_json)


def known_text(value: object) -> str:
    """A member of an answer, or - where there is nothing."""
    if isinstance(value, list):
        return ", ".join(str(each) for each in value) or "-"
    return "-" if value in (None, "") else str(value)


def cell(value: object) -> str:
    """A value of an answer as a person reads it in a table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "-"
    return str(value)
