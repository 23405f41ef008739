"""A wiped validator and a new observer reach the tip under load without executing history."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest

from node.storage.blocks import read_applied, read_state_from
from tests.process.conftest import MakeAlliance
from tests.process.support import Alliance, Load, until

pytestmark = pytest.mark.process

FAR = 300
"""Blocks of the ledger when they return: more than a node executes to catch up."""
RECORDS = 3_000


def upload(alliance: Alliance, name: str, values: list[str]) -> None:
    """Many records in one request; every one has to be taken."""
    rows = (json.dumps({"kind": "email", "value": v, "fraud_type": "phishing"}) for v in values)
    answer = alliance.client(name, "reporter").post(
        "/v1/indicators/batches",
        params={"wait": "executed"},
        content="\n".join(rows),
        headers={"content-type": "application/x-ndjson"},
    )
    assert answer.status_code in (200, 201, 202, 207), answer.text[:300]


def wipe(alliance: Alliance, name: str, *, is_new: bool) -> None:
    """Take the database away; a new node has never voted either."""
    home = alliance.node(name).home
    shutil.rmtree(home / "data")
    if is_new:
        (home / "node.voted").unlink(missing_ok=True)


def metric(alliance: Alliance, name: str, wanted: str) -> float:
    """The value of one metric without labels."""
    text = alliance.client(name, "operator").get("/metrics").raise_for_status().text
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(wanted)))


def phases(alliance: Alliance, name: str) -> Iterator[str]:
    """The phases that a node's log tells of, in order."""
    for line in alliance.log(name).splitlines():
        entry = json.loads(line) if '"event": "syncing"' in line else {}
        yield from (str(value) for name, value in entry.items() if name == "phase")


def test_a_wiped_validator_and_a_new_observer_reach_the_tip_under_load(
    make_alliance: MakeAlliance,
) -> None:
    alliance = make_alliance()
    alliance.start()
    wiped, witness = alliance.validators[2], alliance.validators[0]
    observer = next(name for name in alliance.names if name not in alliance.validators)
    for name in (wiped, observer):
        alliance.devnet.kill(name)
    values = [f"ring{number}@scam-post.net" for number in range(RECORDS)]
    others = [name for name in alliance.validators if name != wiped]
    with Load(alliance, others, clients=1) as load:
        upload(alliance, witness, values)
        until(lambda: alliance.height(witness, "finalized") > FAR, f"{FAR} blocks")
        wipe(alliance, wiped, is_new=False)
        wipe(alliance, observer, is_new=True)
        for name in (wiped, observer):
            alliance.devnet.start_node(name)
        tip = alliance.height(witness, "finalized")
        for name in (wiped, observer):
            alliance.until_final(tip, [name])
            assert "state sync done" in alliance.log(name), alliance.tail(name)
            assert {"blocks", "state", "installing"} <= set(phases(alliance, name))
            assert metric(alliance, name, "bulwark_blocks_total") < tip - FAR // 2
            until(lambda name=name: alliance.status(name)["sync"]["progress"] is None, "sync ends")
            assert alliance.status(name)["sync"]["blamed"] == {}
        assert load.answers_since(0) > 0
    answers = []
    for name in (witness, wiped, observer):
        until(lambda name=name: alliance.height(name) >= alliance.height(witness), "in step")
        hits = [alliance.screen(name, kind="email", value=values[i]) for i in (0, 1234, -1)]
        assert all(hit["hit"] and hit["complete"] for hit in hits), name
        for record in (record for hit in hits for record in hit["records"]):
            del record["age_ms"]
        answers.append([(hit["band"], hit["score"], hit["records"]) for hit in hits])
    assert answers[0] == answers[1] == answers[2]
    assert alliance.stop() == []
    for name in (wiped, observer):
        with alliance.store(name) as store:
            assert 0 < read_state_from(store) <= read_applied(store)
        report = alliance.fsck(name)
        assert report.is_clean, report.problems[:5]
        assert report.records >= RECORDS
