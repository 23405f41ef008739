"""What is asked about, and why: options of questions and reports, and how a value is read.

A value may come from standard input, so that no shell history has it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final, TypeVar

import click

from bulwark.indicators.terms import Term
from bulwark.indicators.vocabulary import LawfulBasis, Purpose

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


Command = TypeVar("Command", bound=Callable[..., object])


def words(vocabulary: type[Term], *, stated_only: bool = False) -> click.Choice[str]:
    """A choice of a vocabulary's words."""
    return click.Choice([e.label for e in vocabulary if e or not stated_only])


def reason_options(of: str) -> Callable[[Command], Command]:
    """--purpose and --lawful-basis of what is asked; `of`: how the help calls it."""

    def add(command: Command) -> Command:
        command = click.option(
            "--lawful-basis",
            "--basis",
            "lawful_basis",
            type=words(LawfulBasis, stated_only=True),
            default=LawfulBasis.LEGITIMATE_INTERESTS.label,
            show_default=True,
            help=f"Legal basis of {of}.",
        )(command)
        return click.option(
            "--purpose",
            type=words(Purpose, stated_only=True),
            default=Purpose.FRAUD_PREVENTION.label,
            show_default=True,
            help=f"Purpose of {of}.",
        )(command)

    return add


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
