"""An access that no log shows is found, whether its entry was cut out or never written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bulwark.privacy.slotclaim import SlotClaim
from node.assembly import open_home
from node.guarded.accesslog import ENTRIES
from node.guarded.atrest import AtRest
from node.guarded.claims import CLAIMS
from node.storage.level import LevelStore
from node.storage.schema import number8
from tests.nets.rogue import Rogue
from tests.process.conftest import MakeAlliance
from tests.process.support import ROOT, Alliance, until
from tests.process.test_access_log import anchors_of, often_anchored

pytestmark = pytest.mark.process

Served = dict[str, tuple[int, str]]
REGULATOR = "regulator"
UNUSED_SLOT = 1_311


def bulwark(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "node.cli.main", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def audited(alliance: Alliance, folder: Path) -> tuple[int, dict[str, Any]]:
    """All members hand over log and claims; what the regulator's node makes of them."""
    folder.mkdir()
    for name in alliance.validators:
        log, claims = folder / f"{name}.log", folder / f"{name}.claims"
        home = alliance.node(name).home
        made = bulwark("access-log", "export", "--out", log, "--claims", claims, "--home", home)
        assert made.returncode == 0, made.stderr
        assert claims.stat().st_mode & 0o777 == 0o600
    genesis = alliance.devnet.home / "genesis.json"
    found = bulwark(
        "audit", "completeness", "--logs", folder, "--genesis", genesis, "--json",
        "--home", alliance.node(REGULATOR).home,
    )  # fmt: skip
    assert found.stdout, found.stderr
    return found.returncode, dict(json.loads(found.stdout))


def served(alliance: Alliance) -> Served:
    """Slot and statement of every anchored question by nullifier, over all evaluators."""
    found: Served = {}
    client = alliance.client(REGULATOR, "auditor")
    for name in alliance.validators:
        cursor: dict[str, str] = {}
        while True:
            page = client.get(f"/v1/query-logs/{name}", params=cursor).raise_for_status().json()
            for view in page["statements"]:
                assert view["obstacle"] is None, view
                if view["interval"] is not None:
                    found[view["nullifier"]] = (view["slot"], view["statement"])
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
    return found


class Ticker:
    """Blocks, at most one a second: a block time that stands still closes no interval."""

    def __init__(self, alliance: Alliance, member: str) -> None:
        self._alliance = alliance
        self._member = member
        self._last = 0.0

    def tick(self) -> None:
        if time.monotonic() - self._last >= 1.0:
            value = f"tick-{os.urandom(4).hex()}.example"
            self._alliance.report(self._member, kind="domain", value=value)
            self._last = time.monotonic()

    def until(self, ready: Callable[[Served], bool], what: str) -> Served:
        """Tick until the anchored questions are as wanted."""

        def anchored() -> Served | None:
            self.tick()
            found = served(self._alliance)
            return found if ready(found) else None

        found = until(anchored, what, within_s=240)
        assert found is not None
        return found


def cut_newest(alliance: Alliance, name: str, *, with_claim: bool) -> bytes:
    """Take the newest entry out of a member's log, as somebody with its own key would.

    Gives the nullifier of the question that it asked; `with_claim`: the claim goes too.
    """
    alliance.devnet.kill(name)
    home = open_home(alliance.node(name).home)
    store = LevelStore(home.path / "data")
    at_rest = AtRest(home.secrets.vault_key, b"slot-claims", os.urandom)
    newest, _ = next(iter(store.iterate(ENTRIES, reverse=True)))
    number = int.from_bytes(newest[len(ENTRIES) :], "big")
    claims = [(key, SlotClaim.decode(at_rest.decrypt(key, value))) for key, value in
              store.iterate(CLAIMS)]  # fmt: skip
    ((place, claim),) = [(key, claim) for key, claim in claims if claim.last == number]
    puts: dict[bytes, bytes | None] = {ENTRIES + number8(number): None}
    if with_claim:
        puts[place] = None
    store.write(puts, sync=True)
    store.close()
    alliance.devnet.start_node(name)
    return claim.nullifier


def test_honest_members_pass_and_an_access_that_was_cut_or_never_written_is_found(
    make_alliance: MakeAlliance, tmp_path: Path
) -> None:
    alliance = make_alliance(4, 1)
    cutter, shrinker, honest, rogue = alliance.validators
    often_anchored(alliance, shrinker)
    alliance.start()
    for name in (cutter, shrinker, rogue):
        for value in ("first", "first", "second"):  # the second time out of its own memory
            alliance.screen(name, kind="domain", value=f"{name}-{value}.example")
    ticker = Ticker(alliance, honest)
    ticker.until(lambda found: len(found) >= 7, "six questions and a tick's are anchored")
    code, found = audited(alliance, tmp_path / "honest")
    assert (code, found["findings"]) == (0, []), found
    assert found["complete"] and found["claimed"] == found["questions"] >= 7
    assert {found["claims"][name] for name in (cutter, shrinker, rogue)} == {2}

    # Its newest entry is younger than its last anchor: the chain that is left is whole.
    alliance.screen(cutter, kind="domain", value=f"{cutter}-late.example")
    cut = cut_newest(alliance, cutter, with_claim=True)
    # What an anchor covers can not be cut, with or without its claim.
    until(
        lambda: max(a["count"] for a in anchors_of(alliance, REGULATOR, shrinker)) == 3,
        "the shrinker's log is anchored",
    )
    cut_newest(alliance, shrinker, with_claim=False)
    # A node that asks past its log.
    alliance.devnet.kill(rogue)
    with Rogue(alliance.node(rogue).home) as node:
        question = node.prove(node.request(UNUSED_SLOT))
        node.answers(question, [cutter, shrinker])
    alliance.devnet.start_node(rogue)

    now = ticker.until(
        lambda found: cut.hex() in found and any(slot == UNUSED_SLOT for slot, _ in found.values()),
        "the questions of the cutter and of the rogue are anchored",
    )
    code, found = audited(alliance, tmp_path / "dishonest")
    assert code == 1 and not found["complete"]
    kinds = sorted((finding["kind"], finding["member"]) for finding in found["findings"])
    assert kinds == [
        ("log-gap", shrinker),
        ("missing-entry", shrinker),
        ("unclaimed", ""),
        ("unclaimed", ""),
    ], found
    hidden = next(statement for slot, statement in now.values() if slot == UNUSED_SLOT)
    unclaimed = {f["statement"]: f for f in found["findings"] if f["kind"] == "unclaimed"}
    assert set(unclaimed) == {hidden, now[cut.hex()][1]}
    assert set(unclaimed[hidden]["evaluators"]) == {cutter, shrinker}
