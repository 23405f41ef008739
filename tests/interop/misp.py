"""`python -m tests.interop.misp`: all MISP events of the test data through an alliance and back.

It starts four members, imports every file at one of them (with a report for each), imports all of
them again, exports and reads the export with PyMISP and the JSON Schemas of MISP, and takes the
export in once more. Exit code 0 only if nothing was lost on the way. See docs/misp.md.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import jsonschema
from pymisp import MISPEvent

from bulwark.interop.carried import Action
from bulwark.interop.misp.feed import feed_files
from bulwark.interop.misp.importer import convert
from bulwark.interop.misp.options import ImportOptions
from node.cli.exchange_in import emit_reports
from tests.process.support import Alliance

SHARED: Final = Path(__file__).resolve().parents[3] / "shared"
OPTIONS: Final = {
    "fraud_type": "malware",
    "object_role": "infrastructure",
    "take_context": True,
    "take_own_org": True,
    "tlp": "green",
}
"""The data is of malware campaigns whose makers published it: all of it may go in."""
COMPARED: Final = (
    *("kind", "fraud_type", "object_role", "evidence_level", "confidence", "tlp"),
    *("first_seen", "last_seen", "lawful_basis", "purpose"),
)


def say(line: str) -> None:
    """A line of the result."""
    sys.stdout.write(f"{line}\n")


class Walk:
    """One run over one folder."""

    def __init__(self, alliance: Alliance, events: Path, schemas: Path) -> None:
        self.alliance = alliance
        self.name = alliance.validators[0]
        self.files = sorted(events.glob("*.json"))
        self.schemas = [json.loads((schemas / name).read_bytes()) for name in SCHEMAS]
        self.failures: list[str] = []

    def check(self, holds: bool, what: str) -> None:
        """Note what does not hold."""
        say(f"{'ok  ' if holds else 'FAIL'}  {what}")
        if not holds:
            self.failures.append(what)

    def take(self, document: Any, name: str = "", **more: Any) -> dict[str, Any]:
        """Import at a member."""
        client = self.alliance.client(name or self.name, "reporter")
        body = {"document": document, "options": OPTIONS, **more}
        answer = client.post("/v1/exchange/misp", json=body, timeout=300.0)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def import_all(self) -> list[tuple[str, dict[str, Any]]]:
        """Every file once, with clear values kept."""
        return [
            (path.name, self.take(json.loads(path.read_bytes()), keep_clear=True))
            for path in self.files
        ]

    def export(self, **wish: Any) -> list[dict[str, Any]]:
        """Events of this member's records."""
        self.alliance.until_final(self.alliance.height(self.name), [self.name])
        client = self.alliance.client(self.name, "reporter")
        body = {"own_only": True, "most": 50_000, **wish}
        answer = client.post("/v1/exchange/misp/export", json=body, timeout=300.0)
        return list(answer.raise_for_status().json()["response"])

    def run(self) -> None:
        """All of it."""
        began = time.monotonic()
        reports = self.import_all()
        emit_reports(reports, items=False)
        say(f"\n{len(reports)} files in {time.monotonic() - began:.1f} s\n")
        self.check(len(reports) == len(self.files) > 0, f"{len(self.files)} files have a report")
        self._accounted(reports)
        again = self.import_all()
        moved = sum(r["new"] + r["ended"] + r["replaced"] + r["disputed"] for _, r in again)
        # `existing_event` and its edited version follow each other again and again.
        edited = [r for n, r in again if "existing_event" in n]
        self.check(moved == sum(r["new"] + r["replaced"] for r in edited), "twice makes nothing")
        self._out_and_back(reports)

    def _accounted(self, reports: list[tuple[str, dict[str, Any]]]) -> None:
        """Every attribute, object and tag of the documents has its item."""
        missing: list[str] = []
        for (name, report), path in zip(reports, self.files, strict=True):
            places = {item["where"] for item in report["items"]}
            for where in things(json.loads(path.read_bytes())):
                if where not in places:
                    missing.append(f"{name}{where}")
        self.check(not missing, f"nothing is dropped silently {missing[:3] or ''}")

    def _out_and_back(self, reports: list[tuple[str, dict[str, Any]]]) -> None:
        tokens, clear = self.export(), self.export(clear=True)
        for kind, events in (("tokens", tokens), ("clear values", clear)):
            read = sum(self._read(document) for document in events)
            self.check(read > 300, f"PyMISP and the schemas read {read} attributes of {kind}")
        made = sum(report["new"] for _, report in reports)
        self.check(bool(feed_files(clear)), f"a feed of {len(clear)} events, {made} records made")
        flat = json.dumps(tokens)
        self.check('"type": "domain"' not in flat, "no clear value where none was asked for")
        back = self.take({"response": clear})
        settled = back["new"] + back["replaced"] + back["ended"] + back["disputed"]
        self.check(settled == 0, f"the export taken in again changes nothing: {settled} changes")
        self._same_rows(clear)

    def _same_rows(self, clear: list[dict[str, Any]]) -> None:
        """What an alliance that knows nothing reads of the export is what the files said."""
        now_ms = time.time_ns() // 1_000_000
        options = ImportOptions.from_mapping(OPTIONS)
        today = datetime.now(UTC).date().isoformat()  # who says no date says that it is so today

        def rows(documents: list[Any]) -> set[tuple[str, ...]]:
            found: set[tuple[str, ...]] = set()
            for document in documents:
                statements = convert(document, options, now_ms=now_ms).statements
                # What somebody calls false before it came here is not reported.
                false = {one.ref for one in statements if one.action is not Action.REPORT}
                for statement in statements:
                    row = statement.row
                    if row and statement.ref not in false:
                        dated = {"first_seen": today, "last_seen": today, **row}
                        cells = tuple(str(dated.get(name, "")) for name in COMPARED)
                        found.add((_canonical(row), *cells))
            return found

        before = rows([json.loads(path.read_bytes()) for path in self.files])
        after = rows([{"response": clear}])
        there = {row[:4] for row in after}
        lost = {row[1] for row in before if row[:4] not in there}
        self.check(not lost, f"every identifier came back with type and role {sorted(lost) or ''}")
        # Of what two events state with other dates or confidence the ledger has the first.
        unlike = after - before
        self.check(not unlike, f"all {len(after)} rows came back as they went {len(unlike) or ''}")

    def _read(self, document: dict[str, Any]) -> int:
        loaded = MISPEvent(strict_validation=True)
        loaded.load(copy.deepcopy(document))  # load() takes what it reads out of it
        for schema in self.schemas:
            jsonschema.validate(document, schema)
        return len(loaded.attributes)


SCHEMAS: Final = ("pymisp_schema-lax.json", "misp-core-format_schema.json")
"""PyMISP's strict schema is older than objects, sightings and first_seen: it allows none."""


def things(value: Any, where: str = "") -> list[str]:
    """JSON pointers of all attributes, objects, tags and proposals of a document."""
    found: list[str] = []
    if isinstance(value, list):
        for at, entry in enumerate(value):
            found += things(entry, f"{where}/{at}")
    elif isinstance(value, dict):
        is_attribute = "type" in value and "value" in value and "category" in value
        is_object = isinstance(value.get("Attribute"), list) and "meta-category" in value
        if is_attribute or is_object:
            found.append(where)
        for name, entry in value.items():
            if name in ("Attribute", "Object", "Event", "response", "ShadowAttribute"):
                found += things(entry, f"{where}/{name}")
            if name == "Tag" and isinstance(entry, list):
                found += [f"{where}/Tag/{at}" for at in range(len(entry))]
    return found


def _canonical(row: Any) -> str:
    from bulwark.indicators.normalise import normalise
    from bulwark.indicators.vocabulary import Kind

    return normalise(Kind.parse(row["kind"], "kind"), str(row["value"])).value


def main() -> int:
    """Run and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop.misp", description=__doc__)
    parser.add_argument("--events", type=Path, default=SHARED / "data" / "misp" / "events")
    parser.add_argument("--schemas", type=Path, default=SHARED / "vectors" / "cti" / "misp")
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bulwark-misp-") as folder:
        alliance = Alliance.create(Path(folder) / "alliance")
        config = alliance.node(alliance.validators[0]).home / "node.toml"
        config.write_text(config.read_text() + "\n[exchange]\nkeep_clear_text = true\n")
        try:
            alliance.start()
            walk = Walk(alliance, wish.events, wish.schemas)
            walk.run()
        finally:
            alliance.close()
    say("\nall holds" if not walk.failures else f"\n{len(walk.failures)} failures")
    return 1 if walk.failures else 0


if __name__ == "__main__":
    sys.exit(main())
