"""What exports to MISP and STIX share: which records are meant, and whole files.

Rules: what goes to a file is written whole or not at all, readable by its owner alone unless its
command says otherwise.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from node.cli.connection import connection_options
from node.cli.faults import BadSetup
from node.cli.options import emit_json, emit_pairs, json_option

READ_ROLES: Final = ("reporter", "analyst", "auditor")
OWNER_ONLY: Final = 0o600
Wish = Mapping[str, int | bool]
"""Which records, as the node takes it."""
_WISH: Final = (
    click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Stated from that day on."),
    click.option(
        "--most", type=click.IntRange(1, 50_000), default=10_000, show_default=True,
        help="The newest records.",
    ),
    click.option("--own-only", is_flag=True, help="Records of this member alone."),
    click.option("--clear", is_flag=True, help="Clear values where this member kept them."),
)  # fmt: skip


def wish_options(function: Callable[..., None]) -> Callable[..., None]:
    """Options that choose records of a node; the command gets wish, target and as_json."""

    @wraps(function)
    def command(
        *, since: datetime | None, most: int, own_only: bool, clear: bool, **given: Any
    ) -> None:
        wish = {"since": seconds_of(since), "most": most, "own_only": own_only, "clear": clear}
        function(wish=wish, **given)

    decorated: Callable[..., None] = connection_options(*READ_ROLES)(json_option(command))
    for option in reversed(_WISH):
        decorated = option(decorated)
    return decorated


def seconds_of(day: datetime | None) -> int:
    """Seconds since 1970 at which a day begins in UTC; 0 for none."""
    return 0 if day is None else int(day.replace(tzinfo=UTC).timestamp())


def told(as_json: bool, facts: Mapping[str, object]) -> None:
    """Print facts."""
    if as_json:
        emit_json(facts)
    else:
        emit_pairs([(name, str(fact)) for name, fact in facts.items()])


def write_whole(path: Path, content: bytes, mode: int = OWNER_ONLY) -> None:
    """A whole file under its name, or none. Raises BadSetup."""
    name = ""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except OSError as error:
        if name:
            Path(name).unlink(missing_ok=True)
        raise BadSetup(f"{path}: {error.strerror}") from error
