"""`python -m tests.interop.openapi`: a whole running node, held to its own OpenAPI document.

It starts four members and an observer, takes the document from one member's node, and lets
schemathesis ask every operation there with the key of every role that may and of one that may not:
stated examples, the edges of every schema, random requests that fit and that do not, and chains of
operations. Event streams and the whole database are read apart. Exit code 1 on any answer that is
not in the document, any 5xx that is no 503 or 504, any open door, or a node that is not well after.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.interop import openapirun as passes
from tests.interop.openapistreams import LEFT_OUT, Reader
from tests.process.support import Alliance, until

LIMITS: Final = """
[limits]
open_per_second = 5000

[exchange]
keep_clear_text = true
"""
"""Rates that one busy client does not meet; clear text, so that exports have something to send."""
WRONG_KEYS: Final = "[http]\nwrong_keys_per_minute = 100000\n"
KNOWN: Final = {"kind": "email", "value": "seen@scam-post.net"}
WIDTH: Final = 64


class Walk:
    """One run over one member's node of a running alliance."""

    def __init__(self, alliance: Alliance, *, examples: int, seed: int, only: str = "") -> None:
        self.alliance = alliance
        self.name = alliance.validators[0]
        self.url = alliance.node(self.name).rest_url
        self._examples = examples
        self._seed = seed
        self._only = only
        keys = {role: alliance.key(self.name, role) for role in passes.ROLES}
        self.key = keys.__getitem__
        self.ledger = passes.Ledger(secrets=list(keys.values()))
        self.document: Mapping[str, Any] = {}

    def run(self, tell: Any, *, edges: bool = True) -> None:
        """All passes; without `edges` the boundary values of each schema are left out."""
        self.alliance.report(self.name, **KNOWN)
        client = self.alliance.client(self.name, "admin")
        self.document = client.get("/v1/openapi.json").raise_for_status().json()
        pids = {name: self.alliance.node(name).pid for name in self.alliance.names}
        casts = passes.casts(self.document)
        for turn, cast in enumerate(casts):
            is_last = turn == len(casts) - 1
            self._one(turn, cast, refuses=is_last, edges=edges, tell=tell)
        if not self._only:
            reader = Reader(self.url, self.document, self.key, self.ledger)
            for name in reader.run():
                tell(f"read apart: {name}")
        self._still_well(pids)

    def _one(
        self, turn: int, cast: Mapping[str, str], *, refuses: bool, edges: bool, tell: Any
    ) -> None:
        chosen = {
            name: role
            for name, role in cast.items()
            if name not in LEFT_OUT and self._only in name.partition(" ")[2]
        }
        if not chosen:
            return
        whole = turn == 0
        config = passes.settings_of(
            self.url,
            examples=self._examples if whole else max(1, self._examples // 5),
            seed=self._seed,
            whole=whole,
            edges=whole and edges,
        )
        one = passes.Pass(self.document, chosen, self.key, self.ledger, config, refuses=refuses)
        began = time.monotonic()
        title = "a role that may not" if refuses else f"role {turn + 1} of each operation"
        for done, line in enumerate(one.run()):
            if done % 25 == 0 or " done" in line:
                tell(f"{title}, {time.monotonic() - began:.0f} s, {self._so_far()}: {line}")

    def _so_far(self) -> str:
        cases = sum(seen.cases for seen in self.ledger.operations.values())
        return f"{cases} requests, {len(self.ledger.faults)} faults"

    def _still_well(self, pids: Mapping[str, int | None]) -> None:
        """The same processes, ready, and still writing the ledger together."""
        for name, pid in pids.items():
            if self.alliance.node(name).pid != pid:
                self.ledger.errors.append(f"{name} ended: {self.alliance.tail(name)}")
                return
        try:
            done = self.alliance.report(self.name, **KNOWN | {"value": "after@scam-post.net"})
            for name in self.alliance.names:
                until(
                    lambda name=name: self.alliance.has_record(name, done["record_id"]),
                    f"{name} has what was reported after it all",
                )
                ready = self.alliance.client(name, "operator").get("/readyz")
                if ready.status_code != 200:
                    self.ledger.errors.append(f"{name} is not ready: {ready.text}")
        except AssertionError as error:
            self.ledger.errors.append(f"the alliance is not well: {error}")

    @property
    def silent(self) -> list[str]:
        """Operations that nothing was asked of."""
        return sorted(
            name
            for name in passes.operations_of(self.document)
            if self._only in name.partition(" ")[2]
            and (name not in LEFT_OUT or not self._only)
            and not self.ledger.of(name).cases
        )

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not (self.ledger.faults or self.ledger.errors or self.silent)

    def lines(self) -> list[str]:
        """What was seen, as a table and a list of what should not be."""
        found = [f"{'operation':{WIDTH}} {'requests':>8}  roles  answers"]
        faulty = {fault.operation for fault in self.ledger.faults.values()}
        for name, seen in sorted(self.ledger.operations.items(), key=lambda each: each[0][::-1]):
            answers = " ".join(f"{status}:{n}" for status, n in sorted(seen.statuses.items()))
            mark = "  FAULT" if name in faulty else ""
            found.append(f"{name:{WIDTH}} {seen.cases:8}  {len(seen.roles):5}  {answers}{mark}")
        found += ["", "read apart:"]
        found += [f"  {name}: {reason}" for name, reason in LEFT_OUT.items()]
        found += ["checks that do not apply:"]
        found += [f"  {name}: {reason}" for name, reason in passes.WAIVED.items()]
        found += [f"never asked: {name}" for name in self.silent]
        found += [f"broken: {error}" for error in self.ledger.errors]
        for fault in self.ledger.faults.values():
            found += ["", f"FAULT {fault.operation}: {fault.check}, {fault.times} times"]
            found += [f"  {line}" for line in (*fault.told.splitlines(), fault.curl)]
        statuses = sum((seen.statuses for seen in self.ledger.operations.values()), Counter[int]())
        tally = ", ".join(f"{status}: {n}" for status, n in sorted(statuses.items()))
        taken = sum(
            any(200 <= status < 300 for status in seen.statuses)
            for seen in self.ledger.operations.values()
        )
        found += ["", f"{len(self.ledger.operations)} operations, {taken} of them took something; "]
        found[-1] += f"{self._so_far()}; {tally}"
        return found


def configured(alliance: Alliance) -> Alliance:
    """The alliance, not started yet, with rates that one busy client does not meet."""
    for node in alliance.devnet.nodes:
        file = node.home / "node.toml"
        text = file.read_text("utf-8").replace("[http]\n", WRONG_KEYS, 1)
        file.write_text(text + LIMITS, "utf-8")
    return alliance


def main() -> int:
    """Run and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop.openapi", description=__doc__)
    parser.add_argument("--examples", type=int, default=20, help="random requests an operation")
    parser.add_argument("--seed", type=int, default=1, help="the same seed asks the same")
    parser.add_argument("--only", default="", help="only paths that contain this")
    parser.add_argument("--no-edges", action="store_true", help="without edges of the schemas")
    parser.add_argument("--json", type=Path, help="what was seen, for machines")
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bulwark-openapi-") as folder:
        alliance = configured(Alliance.create(Path(folder) / "alliance"))
        try:
            alliance.start()
            walk = Walk(alliance, examples=wish.examples, seed=wish.seed, only=wish.only)
            walk.run(lambda line: print(line, file=sys.stderr, flush=True), edges=not wish.no_edges)
        finally:
            alliance.close()
    for line in walk.lines():
        print(line)
    if wish.json is not None:
        wish.json.write_text(passes.as_json(walk.ledger), "utf-8")
    print("nothing is outside the document" if walk.holds else "FAILED")
    return 0 if walk.holds else 1


if __name__ == "__main__":
    sys.exit(main())
