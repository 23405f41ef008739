"""Errors of the command line: which exception ends a command with which exit code.

Rules: 2 when the call, a file of the configuration or a passphrase is wrong, 1 when the work
failed; the message is the exception's own. Exceptions that nobody listed are bugs and keep their
trace.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click


class BadSetup(click.ClickException):
    """What the command was given can not work; nothing was done."""

    exit_code = 2


class Failed(click.ClickException):
    """The command was right and the work failed."""

    exit_code = 1


@contextmanager
def faults(
    *, setup: tuple[type[Exception], ...] = (), failure: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Turn the listed exceptions into a one-line end with code 2 (`setup`) or 1 (`failure`)."""
    try:
        yield
    except setup as error:
        raise BadSetup(str(error)) from error
    except failure as error:
        raise Failed(str(error)) from error
