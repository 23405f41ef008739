"""`python -m tests.interop.stix`: all STIX files of the test data through an alliance and back.

It starts four members, imports every file at one of them (with a report for each), imports all of
them again, exports, and reads the export with stix2, the OASIS JSON Schemas, misp-stix and, over
TAXII, taxii2-client. Then the export is taken in once more, here and by who knows nothing. Exit
code 0 only if nothing was lost on the way. See docs/stix.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from taxii2client.v21 import Collection, Server, as_pages

from bulwark.indicators.normalise import normalise
from bulwark.indicators.vocabulary import Kind
from bulwark.interop.misp.options import ImportOptions
from bulwark.interop.stix.document import DocumentRefused, read_json, split_document
from bulwark.interop.stix.reading import convert
from node.cli.exchange_in import emit_reports, shown
from tests.interop.stixoracles import Schemas, as_misp, strictly
from tests.process.support import Alliance

SHARED: Final = Path(__file__).resolve().parents[3] / "shared"
OPTIONS: Final = {
    "fraud_type": "malware",
    "object_role": "infrastructure",
    "take_context": True,
}
MUST_BE_REFUSED: Final = {
    "stixvalidator__invalid_braces.json": "no JSON",
    "stixvalidator__invalid_timestamp.json": "/modified",
}
"""Files that are invalid on purpose, and what the refusal names."""
COMPARED: Final = (
    *("kind", "fraud_type", "object_role", "evidence_level", "confidence", "tlp"),
    *("first_seen", "last_seen", "lawful_basis", "purpose"),
)


class Walk:
    """One run over one folder."""

    def __init__(self, alliance: Alliance, files: Path, schemas: Path) -> None:
        self.alliance = alliance
        self.name = alliance.validators[0]
        self.files = sorted(files.glob("*.json"))
        self.schemas = Schemas(schemas)
        self.failures: list[str] = []

    def check(self, holds: bool, what: str) -> None:
        """Note what does not hold."""
        print(f"{'ok  ' if holds else 'FAIL'}  {what}")
        if not holds:
            self.failures.append(what)

    def take(self, document: Any, **more: Any) -> dict[str, Any]:
        """Import at a member."""
        client = self.alliance.client(self.name, "reporter")
        body = {"document": document, "options": OPTIONS, **more}
        answer = client.post("/v1/exchange/stix", json=body, timeout=300.0)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def import_all(self) -> list[tuple[str, dict[str, Any]]]:
        """Every file once, as `bulwark stix import` does it."""
        reports = []
        for path in self.files:
            raw = path.read_bytes()
            try:
                document = read_json(raw)
                split_document(document)
            except DocumentRefused:
                reports.append((path.name, shown(convert(raw, ImportOptions(), now_ms=0))))
                continue
            reports.append((path.name, self.take(document, keep_clear=True)))
        return reports

    def export(self, **wish: Any) -> dict[str, Any]:
        """A bundle of this member's records."""
        self.alliance.until_final(self.alliance.height(self.name), [self.name])
        client = self.alliance.client(self.name, "reporter")
        body = {"own_only": True, "most": 50_000, **wish}
        answer = client.post("/v1/exchange/stix/export", json=body, timeout=300.0)
        return dict(answer.raise_for_status().json())

    def run(self) -> None:
        """All of it."""
        began = time.monotonic()
        reports = self.import_all()
        emit_reports(reports, items=False)
        print(f"\n{len(reports)} files in {time.monotonic() - began:.1f} s\n")
        self.check(len(reports) == len(self.files) > 0, f"{len(self.files)} files have a report")
        self._accounted(reports)
        self._refused(reports)
        moved = sum(
            one["new"] + one["ended"] + one["replaced"] + one["disputed"]
            for _, one in self.import_all()
            if "ended" in one
        )
        self.check(moved == 0, f"all of them taken in twice make nothing: {moved} changes")
        made = sum(int(one["new"]) for _, one in reports)
        tokens, clear = self.export(), self.export(clear=True)
        self._read("tokens", tokens, made)
        self._read("clear values", clear, made)
        self.check(self.export(clear=True) == clear, "the same records give the same bundle")
        self.check(not _values(tokens), "no clear value where none was asked for")
        back = self.take(clear)
        settled = back["new"] + back["replaced"] + back["ended"] + back["disputed"]
        self.check(settled == 0, f"the export taken in again changes nothing: {settled} changes")
        self._same_rows(clear)
        self._over_taxii(clear)

    def _accounted(self, reports: list[tuple[str, dict[str, Any]]]) -> None:
        """Every object of the documents has its item."""
        missing: list[str] = []
        for (name, report), path in zip(reports, self.files, strict=True):
            places = {item["where"] for item in report["items"]}
            try:
                objects = split_document(read_json(path.read_bytes())).objects
            except DocumentRefused:
                continue
            for where, _ in objects:
                if not any(place == where or place.startswith(f"{where}/") for place in places):
                    missing.append(f"{name}{where}")
        self.check(not missing, f"nothing is dropped silently {missing[:3] or ''}")

    def _refused(self, reports: list[tuple[str, dict[str, Any]]]) -> None:
        found = dict(reports)
        for name, word in MUST_BE_REFUSED.items():
            items = found[name]["items"] if name in found else []
            told = [i["detail"] for i in items if i["fate"] == "refused"]
            self.check(any(word in one for one in told), f"{name} is refused: {told}")
        malformed = {
            name
            for name, report in reports
            for item in report["items"]
            if item["reason"] == "malformed"
        }
        self.check(malformed == set(MUST_BE_REFUSED), f"and no other file is: {sorted(malformed)}")

    def _read(self, what: str, bundle: dict[str, Any], made: int) -> None:
        objects = bundle["objects"]
        indicators = [one for one in objects if one["type"] == "indicator"]
        self.check(len(indicators) == made, f"{made} records are {len(indicators)} indicators")
        self.check(strictly(bundle) == len(objects), f"stix2 reads {what} strictly")
        faults = [(one["id"], fault) for one in objects for fault in self.schemas.faults(one)]
        self.check(not faults, f"the schemas hold for {len(objects)} objects {faults[:2] or ''}")
        count, errors = as_misp(bundle)
        self.check(count >= made and not errors, f"misp-stix reads {count} things of {what}")

    def _same_rows(self, clear: dict[str, Any]) -> None:
        """What an alliance that knows nothing reads of the export is what the files said."""
        now_ms = time.time_ns() // 1_000_000
        options = ImportOptions.from_mapping(OPTIONS)

        def rows(raw: Any, *types: str) -> dict[str, dict[str, str]]:
            found: dict[str, dict[str, str]] = {}
            for statement in convert(raw, options, now_ms=now_ms).statements:
                if statement.row and (not types or statement.ref.startswith(types)):
                    kind = Kind.parse(statement.row["kind"], "kind")
                    value = normalise(kind, str(statement.row["value"])).value
                    cells = {name: str(statement.row.get(name, "")) for name in COMPARED}
                    found.setdefault(value, cells)
            return found

        before: dict[str, dict[str, str]] = {}
        for path in self.files:
            before = {**rows(path.read_bytes()), **before}
        after = rows(json.dumps(clear).encode(), "indicator--")
        self.check(before.keys() == after.keys(), f"{len(before)} identifiers came back")
        changed = [
            (name, cells[name], after[value].get(name))
            for value, cells in before.items()
            for name in COMPARED
            if cells[name] and value in after and cells[name] != after[value][name]
        ]
        self.check(not changed, f"with all that was said of them {changed[:3] or ''}")

    def _over_taxii(self, clear: dict[str, Any]) -> None:
        """A TAXII client library reads back what the export holds, page by page."""
        url = f"{self.alliance.node(self.name).rest_url}/taxii2/"
        server = Server(url, user="taxii", password=self.alliance.key(self.name, "analyst"))
        listed = {one.title: one for one in server.api_roots[0].collections}
        own: Collection = listed["Own records"]
        objects = [
            one for page in as_pages(own.get_objects, per_request=7) for one in page["objects"]
        ]
        wanted = {one["id"]: one for one in clear["objects"]}
        got = {one["id"]: one for one in objects}
        same = all(got.get(name) == one for name, one in wanted.items())
        self.check(len(got) == len(objects), f"taxii2-client read {len(got)} objects, each once")
        self.check(same, "and among them all that the bundle holds, as it holds them")


def _values(bundle: dict[str, Any]) -> list[str]:
    kinds = ("url", "domain-name", "ipv4-addr", "ipv6-addr", "email-addr")
    found = [one["id"] for one in bundle["objects"] if one["type"] in kinds]
    patterns = [one["pattern"] for one in bundle["objects"] if one["type"] == "indicator"]
    return found + [one for one in patterns if not one.startswith("[bulwark-tag:")]


def main() -> int:
    """Run and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop.stix", description=__doc__)
    parser.add_argument("--files", type=Path, default=SHARED / "data" / "stix21")
    schemas = SHARED / "vectors" / "cti" / "stix2.1" / "schemas"
    parser.add_argument("--schemas", type=Path, default=schemas)
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bulwark-stix-") as folder:
        alliance = Alliance.create(Path(folder) / "alliance")
        config = alliance.node(alliance.validators[0]).home / "node.toml"
        config.write_text(config.read_text() + "\n[exchange]\nkeep_clear_text = true\n")
        try:
            alliance.start()
            walk = Walk(alliance, wish.files, wish.schemas)
            walk.run()
        finally:
            alliance.close()
    print("\nall holds" if not walk.failures else f"\n{len(walk.failures)} failures")
    return 1 if walk.failures else 0


if __name__ == "__main__":
    sys.exit(main())
