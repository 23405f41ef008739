"""Options and output that the sub-commands share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

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
