"""Options of MISP imports, and how their reports are printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from bulwark.indicators.vocabulary import (
    EvidenceLevel,
    FraudType,
    LawfulBasis,
    ObjectRole,
    Purpose,
    Tlp,
)
from bulwark.interop.misp.forms import DOCUMENT_BYTES_MAX
from bulwark.interop.misp.options import OnFalsePositive
from node.cli.faults import BadSetup
from node.cli.options import emit_rows
from node.cli.values import words

WRITE_ROLES: Final = ("reporter",)
READ_ROLES: Final = ("analyst", "reporter", "auditor")
TIMEOUT_S: Final = 600.0
FILES_MAX: Final = 10_000
OPTIONS: Final = (
    *("fraud_type", "object_role", "evidence_level", "confidence", "tlp", "red_as"),
    *(
        "take_context",
        "take_own_org",
        "trust_tags",
        "sharing_groups",
        "region",
        "lawful_basis",
        "purpose",
    ),
    *("policy", "on_false_positive"),
)
Command = TypeVar("Command", bound=Callable[..., object])
Report = Mapping[str, Any]


def import_options(command: Command) -> Command:
    """Options of what an import decides; the command gets them by the names of OPTIONS."""
    made = (
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
    for option in reversed(made):
        command = option(command)
    return command


def chosen(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, as the node takes them."""
    found = {name: given[name] for name in OPTIONS if given.get(name) not in (None, (), False)}
    if "sharing_groups" in found:
        found["sharing_groups"] = list(found["sharing_groups"])
    return found


def documents(sources: Sequence[Path]) -> list[tuple[str, bytes]]:
    """Name and content of the files that are named, and of the *.json files of folders."""
    paths: list[Path] = []
    for source in sources:
        paths += sorted(source.glob("*.json")) if source.is_dir() else [source]
    if not paths or len(paths) > FILES_MAX:
        raise BadSetup(f"{len(paths)} files; 1 to {FILES_MAX} are taken at a time")
    return [(path.name, _read(path)) for path in paths]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            raw = stream.read(DOCUMENT_BYTES_MAX + 1)
    except OSError as error:
        raise BadSetup(f"{path}: {error.strerror}") from error
    if len(raw) > DOCUMENT_BYTES_MAX:
        raise BadSetup(f"{path}: over {DOCUMENT_BYTES_MAX} bytes")
    return raw


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


_NUMBERS: Final = ("statements", "new", "known", "replaced", "ended")
_FATES: Final = ("taken", "left", "refused")
