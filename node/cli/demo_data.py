"""What the demo reports and asks: rows of the samples, or of a folder of real lists.

Rules: lists are read through the import's own mappings; of each kind at most MOST rows are taken,
evenly from the lists that have it, so that a large folder does not make a long demo; what the node
would refuse is left out here, since refusals are the import's subject. Values are shown masked.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import Final

import orjson

from bulwark.client import FieldRefusal
from node.cli.faults import BadSetup, faults
from node.importing.catalogue import Catalogue
from node.importing.check import check_row
from node.importing.errors import ImportingError
from node.importing.plan import FilePlan, Wishes, plan_import
from node.importing.source import Source

MOST: Final = 600
LEAST: Final = 2_000
LEAST_KINDS: Final = 4
SAMPLES: Final = Path(__file__).resolve().parents[1] / "samples"
NEVER_REPORTED: Final = "never_reported.csv"

Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class DemoData:
    """Rows to report, and questions whose true answer is no."""

    rows: tuple[Fields, ...]
    misses: tuple[Fields, ...]
    lists: int

    @property
    def kinds(self) -> list[str]:
        """Kinds of the rows, in order of their first row."""
        return list(dict.fromkeys(str(row["kind"]) for row in self.rows))


def load(folder: Path | None) -> DemoData:
    """Rows of a folder, the samples if None; raises BadSetup where they are too few."""
    found = folder or SAMPLES
    if not found.is_dir():
        raise BadSetup(f"{found}: no such folder; give --data DIR with lists of indicators")
    with faults(setup=(ImportingError,)):
        plans = [p for p in plan_import(found, Wishes(), Catalogue.load()) if _readable(p)]
        by_kind = _by_kind([plan for plan in plans if isinstance(plan, FilePlan)])
    rows = [row for row in _alternating(by_kind) if row is not None]
    if len(rows) < LEAST or len(by_kind) < LEAST_KINDS:
        kinds = ", ".join(sorted(by_kind)) or "none"
        raise BadSetup(
            f"{found}: {len(rows)} usable rows of the kinds {kinds}; the demo wants at least "
            f"{LEAST} of {LEAST_KINDS} kinds"
        )
    return DemoData(tuple(rows), tuple(_misses()), len(plans))


def _readable(plan: object) -> bool:
    return isinstance(plan, FilePlan)


def _by_kind(plans: list[FilePlan]) -> dict[str, list[Fields]]:
    """At most MOST rows a kind, evenly from the lists that have it, each identifier once."""
    sources: dict[str, list[Iterator[Fields]]] = defaultdict(list)
    now_ms = time.time_ns() // 1_000_000
    seen: set[bytes] = set()
    for plan in plans:
        for kind, rows in _kinds_of(plan, now_ms, seen).items():
            sources[kind].append(iter(rows))
    return {
        kind: list(islice((row for row in _round(lists) if row is not None), MOST))
        for kind, lists in sources.items()
    }


def _kinds_of(plan: FilePlan, now_ms: int, seen: set[bytes]) -> dict[str, list[Fields]]:
    found: dict[str, list[Fields]] = defaultdict(list)
    with Source(plan.path, plan.form) as source:
        for row in source:
            for encoded in plan.mapping.rows(row.cells) if row.cells is not None else ():
                fields = orjson.loads(encoded) if encoded is not None else {}
                kind = str(fields.get("kind", ""))
                if encoded is None or len(found[kind]) >= MOST:
                    continue
                digest = check_row(encoded, now_ms)
                if not isinstance(digest, FieldRefusal) and digest not in seen:
                    seen.add(digest)
                    found[kind].append(_of_today(fields))
            if found and min(map(len, found.values())) >= MOST:
                break
    return found


def _of_today(fields: Fields) -> Fields:
    """Without the list's dates: the demo shows fresh reports, old ones would count for nothing."""
    dates = ("first_seen", "last_seen", "valid_until")
    return {name: value for name, value in fields.items() if name not in dates}


def _round(lists: list[Iterator[Fields]]) -> Iterator[Fields | None]:
    for turn in zip_longest(*lists):
        yield from turn


def _alternating(by_kind: Mapping[str, list[Fields]]) -> Iterator[Fields | None]:
    return _round([iter(rows) for rows in by_kind.values()])


def _misses() -> Iterator[Fields]:
    path = SAMPLES / NEVER_REPORTED
    if not path.is_file():
        raise BadSetup(
            f"{path}: is missing; the demo asks its questions with the answer no from it"
        )
    with Source(path) as source:
        for row in source:
            if row.cells is not None:
                yield {"kind": row.cells["kind"], "value": row.cells["value"]}


def respelled(kind: str, value: str) -> str:
    """Another usual spelling of the same identifier, as another member's customer would give it."""
    match kind:
        case "phone":
            digits = "".join(c for c in value if c.isdigit())
            return f"00{digits[:2]} {digits[2:5]} {digits[5:]}" if value[:1] == "+" else value
        case "iban":
            plain = value.replace(" ", "").lower()
            return " ".join(plain[at : at + 4] for at in range(0, len(plain), 4))
        case "domain":
            return value.upper().replace(".", "[.]", 1)
        case "url":
            return value.replace("http", "hxxp", 1) if value.startswith("http") else value
        case "email":
            return value.upper()
        case "wallet":
            return value.lower() if value.startswith("0x") else value
        case _:
            return value


def masked(value: str) -> str:
    """Enough of a value to recognise it on a screen that others may see."""
    keep = max(3, len(value) // 3)
    return value[:keep] + "*" * min(8, max(0, len(value) - keep))
