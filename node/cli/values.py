"""Reading an identifier: from an option, or from standard input so that no shell history has it."""

from __future__ import annotations

import sys
from typing import Final

import click

MAX_CHARS: Final = 4096
value_option = click.option(
    "--value",
    required=True,
    help="The identifier in any usual spelling; - reads it from standard input.",
)
region_option = click.option(
    "--region", help="Country (ISO 3166-1) of numbers and accounts that do not name theirs."
)
case_option = click.option("--case-ref", help="Your case number; it stays with your node.")


def read_value(given: str) -> str:
    """The identifier; raises click.UsageError."""
    if given != "-":
        return given
    if sys.stdin.isatty():
        click.echo("identifier, then Enter: ", nl=False, err=True)
    line = sys.stdin.readline(MAX_CHARS + 2).strip()
    if not line or len(line) > MAX_CHARS:
        raise click.UsageError(f"standard input wants one line of 1 to {MAX_CHARS} characters")
    return line


def stated(**fields: object) -> dict[str, object]:
    """The fields that were given."""
    return {name: value for name, value in fields.items() if value is not None}
