"""Plan: which files an import reads, with which mapping, and which it leaves out and why.

Rules: a folder is walked in name order without following links; files named in the exclusion list
are left out with its reason, files of other formats are not looked at; a single file is read
whatever its name, once something says which column holds the value.
"""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from pathlib import Path

from node.importing.catalogue import Catalogue
from node.importing.errors import MappingMissing, SourceInvalid
from node.importing.mapping import Mapping, identity
from node.importing.source import SUFFIXES, Format, Source

MAX_FILES = 10_000


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line says about columns and fields."""

    mapping: Mapping | None = None
    """A mapping file of the user's."""
    renamed: Map[str, str] = field(default_factory=dict)
    """Field to column."""
    constants: Map[str, str] = field(default_factory=dict)
    """Field to constant."""
    form: Format | None = None


@dataclass(frozen=True, slots=True)
class FilePlan:
    """One file of an import."""

    name: str
    """Path below the folder, or the file's name."""
    path: Path
    form: Format
    mapping: Mapping
    unused: tuple[str, ...] = ()
    """Columns that the mapping does not read."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that is not read."""

    name: str
    reason: str
    expected: bool
    """True where it holds no indicators; False where nothing says how to read it."""


def plan_import(source: Path, wishes: Wishes, catalogue: Catalogue) -> list[FilePlan | LeftOut]:
    """What to do with a file or folder. Raises SourceInvalid, MappingMissing for one file."""
    if not source.is_dir():
        if not source.is_file():
            raise SourceInvalid(source, "no such file or folder")
        return [_plan_file(source, source.name, wishes, catalogue)]
    plans: list[FilePlan | LeftOut] = []
    for path in _files(source):
        name = path.relative_to(source).as_posix()
        reason = catalogue.excluded(path)
        if reason is not None:
            plans.append(LeftOut(name, f"not fraud indicators: {reason}", True))
            continue
        try:
            plans.append(_plan_file(path, name, wishes, catalogue))
        except (MappingMissing, SourceInvalid) as error:
            plans.append(LeftOut(name, str(error), False))
    return plans


def _files(folder: Path) -> list[Path]:
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.is_symlink()
    ]
    if not found:
        raise SourceInvalid(folder, f"has no file ending in {', '.join(SUFFIXES)}")
    if len(found) > MAX_FILES:
        raise SourceInvalid(folder, f"has {len(found)} lists, at most {MAX_FILES} are read")
    return found


def _plan_file(path: Path, name: str, wishes: Wishes, catalogue: Catalogue) -> FilePlan:
    with Source(path, wishes.form) as source:
        form, columns = source.form, source.columns
    mapping = wishes.mapping
    if mapping is None and not wishes.renamed:
        mapping = catalogue.choose(path, columns)
    if mapping is None:
        mapping = identity(None if form == "ndjson" else columns, wishes.renamed)
        if mapping is not None and form == "ndjson" and not wishes.renamed and columns:
            mapping = mapping if "value" in columns else None
    if mapping is None:
        raise MappingMissing(path, columns)
    if form == "csv":
        missing = sorted(mapping.columns() - set(columns))
        if missing:
            raise SourceInvalid(path, f"has no column {', '.join(missing)}")
    mapping = mapping.with_constants(wishes.constants)
    if any("kind" not in rule.cells for rule in mapping.rules):
        raise SourceInvalid(path, "nothing says of which kind its values are; say --set kind=KIND")
    unused = tuple(name for name in columns if name not in mapping.columns())
    return FilePlan(name, path, form, mapping, unused)
