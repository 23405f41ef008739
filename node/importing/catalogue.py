"""Catalogue: the saved mappings that ship with the node, and the lists that are no indicators.

Rules: a mapping is chosen when file name and columns both agree; a file named in the exclusion list
is left out of a folder's import with its reason (lists of genuine sites and exchanges, examples of
valid numbers, graphs). It holds facts about columns, never rows of a list.
"""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from node.importing.errors import MappingInvalid
from node.importing.mapping import Mapping, load_mapping

FOLDER: Final = Path(__file__).parent / "mappings"
EXCLUSIONS: Final = "exclusions.toml"


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Files that hold no fraud indicators."""

    files: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the node knows about public lists."""

    mappings: tuple[Mapping, ...]
    exclusions: tuple[Exclusion, ...]

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Catalogue:
        """The shipped mappings; raises MappingInvalid."""
        paths = sorted(p for p in folder.glob("*.toml") if p.name != EXCLUSIONS)
        return cls(tuple(map(load_mapping, paths)), _exclusions(folder / EXCLUSIONS))

    def choose(self, path: Path, columns: Sequence[str]) -> Mapping | None:
        """The saved mapping of this file, None where there is none."""
        return next((found for found in self.mappings if found.fits(path, columns)), None)

    def excluded(self, path: Path) -> str | None:
        """Why a file of this name is no list of indicators, None where it may be one."""
        for exclusion in self.exclusions:
            if any(fnmatch.fnmatchcase(path.name.lower(), glob) for glob in exclusion.files):
                return exclusion.reason
        return None


def _exclusions(path: Path) -> tuple[Exclusion, ...]:
    try:
        entries = tomllib.loads(path.read_text("utf-8"))["exclude"]
        return tuple(Exclusion(tuple(entry["files"]), entry["reason"]) for entry in entries)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MappingInvalid(str(path), "", f"can not be read ({error})") from error
