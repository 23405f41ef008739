"""An alliance that reports many records and erases some: the play of the erasure tests.

`python -m tests.process.erasing --records 10000 --erase 1000` runs it at full size and says how
long each part took.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click

from bulwark.client.receipts import ErasureVerdict, verify_receipts
from bulwark.client.verify import verify_record_proof
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Sidecar
from node.storage import schema
from node.storage.errors import StorageError
from node.storage.level import LevelStore
from node.storage.seal import unseal
from tests.process.support import Alliance, Load, until

INNER: Final = slice(6, 30)
"""Part of a random 32-byte value: LevelDB shares the first bytes of neighbouring keys."""
ROWS: Final = 2_000
PATIENCE_S: Final = 300.0
COPY: Final = "copy"


@dataclass
class Erasing:
    """One play."""

    alliance: Alliance
    records: int
    erase: int
    ids: list[str] = field(default_factory=list)
    took: dict[str, float] = field(default_factory=dict)

    @property
    def reporter(self) -> str:
        """Member that reports and orders."""
        return self.alliance.validators[0]

    @property
    def doomed(self) -> list[str]:
        """Records that are erased: spread over all batches."""
        return self.ids[:: max(1, self.records // self.erase)][: self.erase]

    def timed(self, what: str, work: Callable[[], Any]) -> Any:
        """Do a part of the play and note how long it took, in seconds."""
        began = time.monotonic()
        found = work()
        self.took[what] = round(time.monotonic() - began, 2)
        return found

    def report(self) -> None:
        """Report all records in bulk, each with a case of its own."""
        for start in range(0, self.records, ROWS):
            rows = "\n".join(
                json.dumps(
                    {
                        "kind": "email",
                        "value": f"doomed{number}@scam-post.net",
                        "fraud_type": "phishing",
                        "case_ref": f"CASE-{number}",
                    }
                )
                for number in range(start, min(start + ROWS, self.records))
            )
            answer = self.alliance.client(self.reporter, "reporter").post(
                "/v1/indicators/batches",
                params={"wait": "finalized"},
                content=rows,
                headers={"content-type": "application/x-ndjson"},
                timeout=PATIENCE_S,
            )
            assert answer.status_code == 200, answer.text[:300]
            assert answer.json()["refused"] == 0, answer.text[:300]
            self.ids += [row["record_id"] for row in answer.json()["rows"]]

    def secrets(self, name: str) -> dict[bytes, str]:
        """What must not be found: salts, tags and payloads of the doomed, as a node has them."""
        doomed = {bytes.fromhex(record_id) for record_id in self.doomed}
        found: dict[bytes, str] = {}
        data = self.alliance.node(name).home / "data"
        with tempfile.TemporaryDirectory() as place, closing(copied(data, Path(place))) as store:
            for key, value in store.iterate(schema.SIDECARS):
                for entry in Sidecar.decode(unseal(key, value)).entries:
                    if entry.record_id in doomed:
                        assert isinstance(entry, Record)
                        short = entry.record_id.hex()[:8]
                        found[entry.salt[INNER]] = f"salt of {short}"
                        found[entry.tag[INNER]] = f"tag of {short}"
                        commitment = entry.payload.case_commitment
                        assert commitment is not None
                        found[commitment[INNER]] = f"payload of {short}"
        assert len(found) == 3 * len(doomed)
        return found

    def order(self) -> dict[str, Any]:
        """Order the doomed records to be erased, in one request."""
        answer = self.alliance.client(self.reporter, "reporter").post(
            "/v1/erasures",
            params={"wait": "finalized"},
            json={"records": self.doomed, "ground": "request"},
            timeout=PATIENCE_S,
        )
        assert answer.status_code == 201, answer.text[:300]
        outcome = dict(answer.json())
        assert len(outcome["ordered"]) == len(self.doomed) and not outcome["refused"]
        return outcome

    def confirmed_by(self, batch: str, at: str | None = None) -> list[str]:
        """Members whose confirmation of a batch a node shows."""
        client = self.alliance.client(at or self.reporter, "auditor")
        answer = client.get(f"/v1/erasures/{batch}")
        if answer.status_code == 404:
            return []
        shown = answer.raise_for_status().json()["confirmations"]
        assert all(each["destroyed"] and each["recalled"] for each in shown)
        return sorted(each["member"] for each in shown)

    def leftovers(self, secrets: dict[bytes, str]) -> list[str]:
        """Files of any home that hold a secret, and databases that do once they are decompressed.

        By grep: it looks for thousands of byte strings in one pass.
        """
        with tempfile.TemporaryDirectory() as place:
            patterns, dumps = Path(place) / "patterns", Path(place) / "dumps"
            patterns.write_bytes(b"\n".join(_without_newline(secret) for secret in secrets))
            dumps.mkdir()
            homes = [node.home for node in self.alliance.devnet.nodes]
            for home in homes:
                _dump(home / "data", dumps / home.name)
            return _grep(patterns, [*homes, dumps])

    def proofs_hold(self, at: str) -> None:
        """Proofs of erased records and of their neighbours verify offline."""
        genesis = (self.alliance.devnet.home / "genesis.json").read_bytes()
        doomed = set(self.doomed)
        some = [*self.doomed[:5], *(i for i in self.ids if i not in doomed)][:25]
        for record_id in some:
            answer = self.alliance.client(at, "auditor").get(f"/v1/records/{record_id}/proof")
            verified = verify_record_proof(answer.raise_for_status().content, genesis)
            assert (verified.payload is None) == (record_id in doomed), record_id

    def receipts(self, record_id: str, at: str) -> ErasureVerdict:
        """The receipts for a record as a node gives them, verified offline."""
        genesis = (self.alliance.devnet.home / "genesis.json").read_bytes()
        answer = self.alliance.client(at, "auditor").get(
            f"/v1/records/{record_id}/erasure/receipts"
        )
        return verify_receipts(answer.raise_for_status().content, genesis)


def _without_newline(secret: bytes) -> bytes:
    """The longest part of a secret that grep takes as one pattern."""
    part = max(secret.split(b"\n"), key=len)
    assert len(part) >= 8, "drawn once in a universe"
    return part


def _dump(data: Path, into: Path) -> None:
    """All keys and values of a database, as LevelDB decompresses them."""
    with closing(copied(data, into.parent)) as store, into.open("wb") as stream:
        for key, value in store.iterate(b""):
            stream.write(key + value)
    shutil.rmtree(into.parent / COPY)


def copied(data: Path, place: Path) -> LevelStore:
    """A copy of a database, which may be in use, opened."""
    store = until(lambda: _opened_copy(data, place / COPY), f"a copy of {data} that opens")
    assert store is not None
    return store


def _opened_copy(data: Path, copy: Path) -> LevelStore | None:
    """A copy of a database that may be in use: None where compaction went on meanwhile."""
    shutil.rmtree(copy, ignore_errors=True)
    try:
        shutil.copytree(data, copy, ignore=shutil.ignore_patterns("LOCK"))
        return LevelStore(copy)
    except (OSError, shutil.Error, StorageError):
        return None


def _grep(patterns: Path, places: list[Path]) -> list[str]:
    """Names of files under these places that hold a pattern."""
    words = ("grep", "--recursive", "--files-with-matches", "--text", "--fixed-strings")
    done = subprocess.run(
        [*words, f"--file={patterns}", *map(str, places)],
        env={"LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    # A file that compaction takes away meanwhile is no fault.
    faults = [line for line in done.stderr.splitlines() if "No such file" not in line]
    assert done.returncode < 2 or not faults, faults[:5]
    return done.stdout.split("\n")[:-1]


def play(alliance: Alliance, records: int, erase: int) -> Erasing:
    """The whole of it; fails by an assertion."""
    it = Erasing(alliance, records, erase)
    alliance.start()
    it.timed("report", it.report)
    others = alliance.validators[1:]
    secrets = it.secrets(others[0])
    assert it.leftovers(secrets), "the search finds nothing even before"
    killed = others[-1]
    with Load(alliance, others[:2], clients=1) as load:
        ordered = time.monotonic()
        outcome = it.timed("order", it.order)
        alliance.devnet.kill(killed)
        began = len(load.acknowledged)
        until(lambda: len(load.acknowledged) > began + 20, "the load goes on", PATIENCE_S)
        alliance.devnet.start_node(killed)
        it.timed("confirm", lambda: _all_confirm(it, outcome["batch"]))
        it.took["longest silence under load"] = round(load.longest_gap_after(ordered), 2)
        left = it.timed("search live", lambda: it.leftovers(secrets))
        assert left == [], left[:10]
        it.timed("new node", lambda: _newcomer(it, others[0]))
    assert load.refused == [], load.refused[:3]
    for name in alliance.names:
        it.proofs_hold(name)
    verdict = it.receipts(it.doomed[-1], others[0])
    assert verdict.missing == () and verdict.order_is_allowed, verdict
    alliance.until_final(alliance.height(it.reporter, "finalized"))
    assert alliance.stop() == []
    left = it.leftovers(secrets)
    assert left == [], left[:10]
    for name in alliance.names:
        report = alliance.fsck(name)
        assert report.problems == (), (name, report.problems[:5])
        assert report.erased == erase, name
    return it


def _all_confirm(it: Erasing, batch: str) -> None:
    wanted = sorted(it.alliance.validators)
    until(
        lambda: set(wanted) <= set(it.confirmed_by(batch)),
        f"all confirm, {wanted}",
        PATIENCE_S,
    )


def _newcomer(it: Erasing, witness: str) -> None:
    """An observer without any data syncs from the others and serves the same."""
    alliance = it.alliance
    name = next(name for name in alliance.names if name not in alliance.validators)
    home = alliance.node(name).home
    alliance.devnet.kill(name)
    shutil.rmtree(home / "data")
    (home / "node.voted").unlink(missing_ok=True)
    alliance.devnet.start_node(name)
    alliance.until_final(alliance.height(witness, "finalized"), [name])
    it.proofs_hold(name)
    assert it.receipts(it.doomed[0], name).missing == ()
    doomed, left = it.doomed[1], next(i for i in it.ids if i not in set(it.doomed))
    shown = [
        alliance.client(name, "auditor").get(f"/v1/indicators/{record_id}").json()
        for record_id in (doomed, left)
    ]
    assert [record["erased"] for record in shown] == [True, False], shown


@click.command()
@click.option("--records", default=10_000, show_default=True)
@click.option("--erase", default=1_000, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="New folder that stays.")
def main(records: int, erase: int, keep: Path | None) -> None:
    """Report records at four members and an observer, erase some, look for what is left."""
    with tempfile.TemporaryDirectory(prefix="bulwark-erasing-") as place:
        alliance = Alliance.create((keep or Path(place)) / "alliance", 4, 1)
        try:
            it = play(alliance, records, erase)
        finally:
            alliance.close()
    click.echo(json.dumps({"records": records, "erased": erase, "seconds": it.took}))


if __name__ == "__main__":
    main()
