"""What imports from MISP and STIX share: their options, the files, and how reports are printed.

Rules: a file is read within a bound; files that can not be read are named after all others went
on, and the exit code is 1 then.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from bulwark.client import BulwarkClient, ClientError
from bulwark.indicators.errors import RowError
from bulwark.indicators.vocabulary import (
    EvidenceLevel,
    FraudType,
    LawfulBasis,
    ObjectRole,
    Purpose,
    Tlp,
)
from bulwark.interop.carried import Action, Carried
from bulwark.interop.misp.forms import DOCUMENT_BYTES_MAX
from bulwark.interop.misp.options import ImportOptions, OnFalsePositive
from bulwark.interop.misp.warninglists import Warninglist, WarninglistInvalid
from node.cli.connection import WRITE_ROLES, Target, connection_options, run, with_client
from node.cli.faults import BadSetup, Failed, faults
from node.cli.files import read_whole
from node.cli.options import emit_json, emit_rows, json_option
from node.cli.values import words
from node.exchange.lists import load_lists

TIMEOUT_S: Final = 600.0
"""Seconds for one document."""
FILES_MAX: Final = 10_000
OPTIONS: Final = (
    *("fraud_type", "object_role", "evidence_level", "confidence", "tlp", "red_as"),
    *("take_context", "take_own_org", "trust_tags", "sharing_groups", "region", "lawful_basis"),
    *("purpose", "policy", "on_false_positive"),
)
_NUMBERS: Final = ("statements", "new", "known", "replaced", "ended")
_FATES: Final = ("taken", "left", "refused")
Report = Mapping[str, Any]
Convert = Callable[[bytes, ImportOptions, int, Sequence[Warninglist]], Carried]
"""Content of a file, options, ms since 1970 and warninglists to what an import would carry."""


class Unreadable(Exception):
    """A file is no document; its message names no value."""

    def __init__(self, detail: str, carried: Carried | None = None) -> None:
        self.carried = carried
        """What is shown of it among the others, if anything is."""
        super().__init__(detail)


@dataclass(slots=True)
class Reports:
    """What became of files, and which of them could not be read."""

    made: list[tuple[str, Report]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Work on a file; one that can not be read is noted, and the others go on."""
        try:
            yield
        except Unreadable as error:
            self.broken.append(f"{name}: {error}")
            if error.carried is not None:
                self.made.append((name, shown(error.carried)))

    def emit(self, *, items: bool, as_json: bool) -> None:
        """Print them; files that could not be read end the command with 1."""
        if as_json:
            emit_json({"files": [{"file": name, **report} for name, report in self.made]})
        elif self.made:
            emit_reports(self.made, items=items)
        if self.broken:
            raise Failed("; ".join(self.broken))


@dataclass(frozen=True, slots=True)
class Intake:
    """Where an import goes, how it is taken, and how its reports are printed."""

    target: Target
    wish: Mapping[str, Any]
    """Options, dry_run and keep_clear, as the node takes them."""
    items: bool
    as_json: bool

    def take_files(self, sources: Sequence[Path], path: str, read: Callable[[bytes], Any]) -> None:
        """Send files to an import of the node and print its reports; `read` raises Unreadable."""
        done = Reports()

        async def send(client: BulwarkClient) -> None:
            for name, raw in documents(sources):
                with done.of(name):
                    body = {"document": read(raw), **self.wish}
                    try:
                        done.made.append((name, await client.ask(path, body)))
                    except ClientError as error:
                        raise Failed(f"{name}: {error}") from error

        run(with_client(self.target, send, timeout_s=TIMEOUT_S))
        done.emit(items=self.items, as_json=self.as_json)


@dataclass(frozen=True, slots=True)
class FileReport:
    """A report of files that needs no node."""

    options: ImportOptions
    lists: Sequence[Warninglist]
    items: bool
    as_json: bool

    def run(self, sources: Sequence[Path], convert: Convert) -> None:
        """Convert files and print what came of them; `convert` raises Unreadable."""
        now_ms = time.time_ns() // 1_000_000
        done = Reports()
        for name, raw in documents(sources):
            with done.of(name):
                carried = convert(raw, self.options, now_ms, self.lists)
                done.made.append((name, shown(carried)))
        done.emit(items=self.items, as_json=self.as_json)


# Options


_PATH: Final = click.Path(path_type=Path, exists=True)
_SOURCES: Final = click.argument("sources", nargs=-1, required=True, type=_PATH)
_ITEMS: Final = click.option(
    "--items", is_flag=True, help="Also every item with its place and reason."
)
_IMPORT: Final = (
    click.option("--fraud-type", type=words(FraudType, stated_only=True),
                 help="Fraud type of what no tag names; without it that is refused."),
    click.option("--object-role", type=words(ObjectRole), help="Role where no object says it."),
    click.option("--evidence-level", type=words(EvidenceLevel), help="Of all statements."),
    click.option("--confidence", type=click.IntRange(0, 100), help="Where no tag states it."),
    click.option("--tlp", type=words(Tlp, stated_only=True),
                 help="Marking of what carries none; amber if left out."),
    click.option("--red-as", type=click.Choice(["clear", "green", "amber", "amber_strict"]),
                 help="Marking for tlp:red, where its source agreed; refused without."),
    click.option("--take-context", is_flag=True, help="Also attributes with to_ids false."),
    click.option("--take-own-org", is_flag=True, help="Also distribution 0."),
    click.option("--trust-tags", is_flag=True,
                 help="Evidence, customers, basis and purpose from fraud-alliance tags, too."),
    click.option("--sharing-group", "sharing_groups", multiple=True,
                 help="UUID of a sharing group that covers the alliance; may be repeated."),
    click.option("--region", help="Country of national numbers and accounts, ISO 3166-1."),
    click.option("--lawful-basis", type=words(LawfulBasis, stated_only=True),
                 help="Legal basis."),
    click.option("--purpose", type=words(Purpose, stated_only=True), help="Purpose."),
    click.option("--policy", help="Policy that the records name."),
    click.option("--on-false-positive", type=click.Choice([e.value for e in OnFalsePositive]),
                 help="What a false-positive sighting does; dispute if left out."),
)  # fmt: skip
_WAYS: Final = (
    click.option("--dry-run", is_flag=True, help="Say what would happen, change nothing."),
    click.option(
        "--keep-clear", is_flag=True, help="Keep clear values for own exports, encrypted."
    ),
)


def intake_options(function: Callable[..., None]) -> Callable[..., None]:
    """Options of every import into a node; the command gets an Intake as `intake`."""

    @wraps(function)
    def command(*, target: Target, items: bool, as_json: bool, **given: Any) -> None:
        wish = {"options": _chosen(given)}
        wish |= {name: given.pop(name) for name in ("dry_run", "keep_clear")}
        function(intake=Intake(target, wish, items, as_json), **given)

    return _with(command, (*_IMPORT, *_WAYS, _ITEMS, connection_options(*WRITE_ROLES), json_option))


def take_options(function: Callable[..., None]) -> Callable[..., None]:
    """Options of an import of files: `sources` and `intake`."""
    return _with(intake_options(function), (_SOURCES,))


def report_options(function: Callable[..., None]) -> Callable[..., None]:
    """Options of a report without a node: `sources`, and a FileReport as `made`."""

    @wraps(function)
    def command(*, warninglists: Path | None, items: bool, as_json: bool, **given: Any) -> None:
        with faults(setup=(RowError, WarninglistInvalid, OSError)):
            options = ImportOptions.from_mapping(_chosen(given))
            lists = load_lists(warninglists)
        function(made=FileReport(options, lists, items, as_json), **given)

    folder = click.option(
        "--warninglists",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        help="Folder of MISP warninglists; what is on one is refused.",
    )
    return _with(command, (_SOURCES, *_IMPORT, folder, _ITEMS, json_option))


def _with(
    command: Callable[..., None], options: Sequence[Callable[..., Any]]
) -> Callable[..., None]:
    for option in reversed(options):
        command = option(command)
    return command


def _chosen(given: dict[str, Any]) -> dict[str, Any]:
    """The options of an import, taken out of `given`: those that were set, as the node reads."""
    taken = {name: given.pop(name) for name in OPTIONS}
    found = {name: value for name, value in taken.items() if value not in (None, (), False)}
    if "sharing_groups" in found:
        found["sharing_groups"] = list(found["sharing_groups"])
    return found


# Files and tables


def documents(sources: Sequence[Path]) -> list[tuple[str, bytes]]:
    """Name and content of the files that are named, and of the *.json files of folders."""
    paths: list[Path] = []
    for source in sources:
        paths += sorted(source.glob("*.json")) if source.is_dir() else [source]
    if not paths or len(paths) > FILES_MAX:
        raise BadSetup(f"{len(paths)} files; 1 to {FILES_MAX} are taken at a time")
    return [(path.name, read_whole(path, DOCUMENT_BYTES_MAX)) for path in paths]


def shown(carried: Carried) -> Report:
    """A conversion as the report of a node that knows nothing yet."""
    return {
        "statements": len(carried.statements),
        "new": sum(statement.action is Action.REPORT for statement in carried.statements),
        "counts": carried.counts(),
        "items": [item.document() for item in carried.items],
    }


def emit_reports(reports: Sequence[tuple[str, Report]], *, items: bool) -> None:
    """A table of files, then why items were left or refused, then the items if asked for."""
    rows = [["FILE", "STATEMENTS", "NEW", "KNOWN", "REPLACED", "ENDED", "TAKEN", "LEFT", "REFUSED"]]
    total: Counter[str] = Counter()
    why: Counter[tuple[str, str]] = Counter()
    for name, report in reports:
        counts = report["counts"]
        cells = {key: int(report.get(key, 0)) for key in _NUMBERS}
        cells |= {fate: sum(counts.get(fate, {}).values()) for fate in _FATES}
        total.update(cells)
        rows.append([name, *(str(cells[key]) for key in (*_NUMBERS, *_FATES))])
        for fate in _FATES:
            why.update({(fate, code): number for code, number in counts.get(fate, {}).items()})
    if len(reports) > 1:
        rows.append(["all", *(str(total[key]) for key in (*_NUMBERS, *_FATES))])
    emit_rows(rows)
    click.echo()
    reasons = [[fate, code, str(number)] for (fate, code), number in sorted(why.items())]
    emit_rows([["FATE", "REASON", "ITEMS"], *reasons])
    if items:
        click.echo()
        listed = [
            [name, item["fate"], item["reason"], item["what"], item["where"], item["detail"]]
            for name, report in reports
            for item in report["items"]
        ]
        emit_rows([["FILE", "FATE", "REASON", "WHAT", "WHERE", "DETAIL"], *listed])
