"""Files that commands are given: read whole, bounded, and refused in one line with code 2."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click

from bulwark.ledger import jsonfields as jf
from bulwark.ledger.errors import GenesisInvalid
from bulwark.ledger.genesis import MAX_GENESIS_BYTES, Genesis
from node.cli.faults import BadSetup

MAX_LEVELS: Final = 32
"""Deepest nesting of a JSON file that is read."""
genesis_option = click.option(
    "--genesis",
    required=True,
    type=click.Path(path_type=Path),
    help="The alliance's genesis document, from a source that you trust.",
)


def read_file(path: Path, most: int) -> bytes:
    """The first `most` bytes and one more, which tells the reader that there are too many."""
    try:
        with path.open("rb") as stream:
            return stream.read(most + 1)
    except OSError as error:
        raise BadSetup(f"{path}: {error.strerror}") from error


def read_input(path: Path, most: int) -> bytes:
    """As `read_file`; - is standard input."""
    return sys.stdin.buffer.read(most + 1) if str(path) == "-" else read_file(path, most)


def read_whole(path: Path, most: int) -> bytes:
    """A file of at most `most` bytes."""
    data = read_file(path, most)
    if len(data) > most:
        raise BadSetup(f"{path}: is over {most} bytes")
    return data


def read_object(path: Path, most: int, wanted: str) -> dict[str, Any]:
    """A JSON object; - is standard input. Anything else is refused as not `wanted`."""
    data = read_input(path, most)
    try:
        found = jf.loads(data, MAX_LEVELS) if len(data) <= most else None
    except ValueError as error:
        raise BadSetup(f"{path}: is not JSON; {wanted}") from error
    if not isinstance(found, dict):
        raise BadSetup(f"{path}: {wanted}")
    return found


def read_genesis(path: Path) -> Genesis:
    """An alliance's genesis document."""
    try:
        return Genesis.from_json(read_input(path, MAX_GENESIS_BYTES))
    except GenesisInvalid as error:
        raise BadSetup(f"{path}: {error}") from error
