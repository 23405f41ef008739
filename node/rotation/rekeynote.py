"""The note of rekeying: how far the database is with following the keystore, for people.

Rules: one small file beside the keystore, written by the node at its start; it holds marks of keys
and counts, no secret. The database is what counts; a note that is lost is written anew.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from node.keys import KeystoreError, read_private, write_private

NOTE_FILE: Final = "rekeyed.json"
MAX_NOTE_BYTES: Final = 4096


class Progress(Struct, frozen=True):
    """How far rows are; rows are moved twice."""

    vault: str
    """Mark of the vault key that rows are brought to, hex."""
    index: str
    moved: int
    rows: int
    """Moves done, and moves there are."""
    unreadable: int = 0
    """Rows that opened under no key and were kept as they are."""
    is_done: bool = False


def write_note(folder: Path, progress: Progress) -> None:
    """Write how far it is, atomically. Raises KeystoreError."""
    note = {
        "vault": progress.vault,
        "index": progress.index,
        "moved": progress.moved,
        "moves": progress.rows,
        "unreadable": progress.unreadable,
        "is_done": progress.is_done,
        "at_ms": time.time_ns() // 1_000_000,
    }
    write_private(folder / NOTE_FILE, json.dumps(note).encode() + b"\n", overwrite=True)


def read_note(folder: Path) -> dict[str, Any]:
    """The note of the last start, empty without one that can be read."""
    with suppress(KeystoreError, ValueError):
        found = json.loads(read_private(folder / NOTE_FILE, MAX_NOTE_BYTES))
        return found if isinstance(found, dict) else {}
    return {}
