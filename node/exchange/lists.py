"""Reads the warninglists of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bulwark.interop.misp.warninglists import Warninglist, WarninglistInvalid

MAX_LISTS: Final = 512


def load_lists(folder: Path | None) -> list[Warninglist]:
    """The warninglists of a folder, none for None. Raises WarninglistInvalid, OSError."""
    if folder is None:
        return []
    paths = sorted(folder.glob("*.json"))
    if not paths or len(paths) > MAX_LISTS:
        raise WarninglistInvalid(f"{folder}: {len(paths)} lists, 1 to {MAX_LISTS} are read")
    found: list[Warninglist] = []
    for path in paths:
        try:
            found.append(Warninglist.from_json(path.read_bytes()))
        except WarninglistInvalid as error:
            raise WarninglistInvalid(f"{path}: {error}") from error
    return found
