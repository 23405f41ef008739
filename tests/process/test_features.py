"""Rolling upgrade: nodes of an older build are told, upgraded under load, and a level is voted.

"Older build" is the same code that acts as one that knows no level (BULWARK_KNOWN_LEVEL), chosen
by a file in the home, so that a node keeps its kind over restarts until it is upgraded.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bulwark.client.verify import verify_record_proof
from bulwark.ledger.features import MAX_TRANSACTION_GAS
from bulwark.ledger.ids import Address
from bulwark.ledger.signing import SigningKey
from bulwark.ledger.transaction import sign_transaction
from node.devnet.devnet import Devnet
from node.devnet.ports import free_ports
from node.storage.blocks import read_applied
from node.version import KNOWN_LEVEL_VARIABLE
from tests.process.support import ROOT, Alliance, Load, rpc, until, until_shows
from tests.process.test_doctor import diagnosis, doctor, found
from tests.process.test_governance import govern, governed, until_approvals, until_known, value
from tests.process.test_tutorials import Reader

pytestmark = pytest.mark.process
OLD_MARK = "acts-as-an-older-build"
LAUNCHER = """
import os, sys
home = sys.argv[-1]
if os.path.exists(os.path.join(home, {mark!r})):
    os.environ[{variable!r}] = "0"
os.chdir({root!r})
words = [sys.executable, "-m", "node.cli.main", "node", "run", "--home", home]
os.execv(sys.executable, words)
"""
LEVEL = ("set-parameter", "protocol_level", "1")
EMAIL = "before@scam-post.net"


def protocol(alliance: Alliance, name: str) -> dict[str, Any]:
    """What a node says of protocol levels."""
    return dict(alliance.status(name)["protocol"])


def greedy(alliance: Alliance, name: str) -> str:
    """What a node answers to a transaction of a stranger that asks for more than the cap."""
    genesis = alliance.genesis
    raw = sign_transaction(
        SigningKey(b"\x07" * 32),
        chain_id=genesis.chain_id,
        nonce=0,
        to=Address(b"\x55" * 20),
        data=b"",
        gas=MAX_TRANSACTION_GAS + 1,
    ).raw
    answer = rpc(alliance.client(name, "operator"), "eth_sendRawTransaction", "0x" + raw.hex())
    return str(answer["error"]["message"]) if "error" in answer else f"taken: {answer['result']}"


@dataclass
class Story:
    """What happened, for the tests to look at."""

    alliance: Alliance
    seen: dict[str, Any] = field(default_factory=dict)
    boundary: int = 0
    acknowledged: dict[str, str] = field(default_factory=dict)
    record_id: str = ""

    def end(self, name: str) -> None:
        pid = self.alliance.node(name).pid
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        until(lambda: self.alliance.ended(name), f"{name} ends")

    def upgrade(self, name: str) -> None:
        """Stop a node, give it the new build, start it, wait until it is in step."""
        if not self.alliance.ended(name):
            self.end(name)
        (self.alliance.node(name).home / OLD_MARK).unlink()
        self.alliance.devnet.start_node(name)
        self.alliance.until_final(self.alliance.height(self.alliance.validators[0]) + 1)


def blocks_have_room(story: Story) -> None:
    """A block of a devnet has less gas than the cap; by vote it has more, at old builds too."""
    alliance = story.alliance
    a, b, c, _ = alliance.validators
    govern(alliance, a, "propose", "set-parameter", "gas_limit", "30000000")
    for number, name in enumerate((b, c), 1):
        until_approvals(alliance, name, 1, number)
        govern(alliance, name, "approve", "1")
    story.seen["gas before"] = until_shows(
        lambda: greedy(alliance, a),
        lambda said: "block gas" not in said,
        "blocks have 30 million gas",
    )


def refused_while_old(story: Story) -> None:
    alliance = story.alliance
    a, b, c, d = alliance.validators
    until(lambda: len(alliance.status(a)["peers"]) == 3, "all are connected")
    story.seen["known"] = {name: protocol(alliance, name)["known_level"] for name in (a, b, c, d)}
    shown = govern(alliance, a, "propose", *LEVEL, "--dry-run", "--json", fails=1)
    story.seen["dry"] = json.JSONDecoder().raw_decode(shown)[0]
    story.seen["refused"] = govern(alliance, a, "propose", *LEVEL, fails=1)


def carried(story: Story) -> None:
    """Forced while one old build is left, so that it meets the boundary; it was told in time."""
    alliance = story.alliance
    a, b, c, d = alliance.validators
    story.seen["still refused"] = govern(alliance, a, "propose", *LEVEL, fails=1)
    govern(alliance, a, "propose", *LEVEL, "--force")
    until_known(alliance, d, 2)
    until(lambda: found(diagnosis(alliance, d), "level.proposed"), f"{d} is told of the proposal")
    until(lambda: found(diagnosis(alliance, a), "level.member-too-old"), f"{a} is told of {d}")
    # What is asked for is judged at once; the log has it from the node's next look at itself.
    until(lambda: "level.proposed" in alliance.log(d), f"{d} writes it into its log")
    story.seen["log of the old"] = alliance.log(d)
    until_known(alliance, b, 2)
    govern(alliance, b, "approve", "2", "--force")
    until_approvals(alliance, c, 2, 2)
    govern(alliance, c, "approve", "2", "--force")
    until(lambda: protocol(alliance, a)["level"] == 1, "the level is in force")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Two old builds beside two new ones, upgraded under load; the last one late."""
    place = tmp_path_factory.mktemp("features")
    launcher = place / "launcher.py"
    launcher.write_text(
        LAUNCHER.format(mark=OLD_MARK, variable=KNOWN_LEVEL_VARIABLE, root=str(ROOT))
    )
    command = (sys.executable, str(launcher))
    alliance = Alliance(Devnet.create(place / "alliance", 4, 0, command=command))
    told = Story(alliance)
    a, b, c, d = alliance.validators
    for name in (c, d):
        (alliance.node(name).home / OLD_MARK).touch()
    try:
        alliance.start()
        report = alliance.report(a, kind="email", value=EMAIL, wait="finalized")
        told.record_id = str(report["record_id"])
        with Load(alliance, (a, b), clients=1) as load:
            blocks_have_room(told)
            refused_while_old(told)
            told.upgrade(c)
            carried(told)
            until(lambda: alliance.ended(d), f"{d} stops at the boundary")
            alliance.until_final(alliance.height(a) + 3, (a, b, c))
            told.seen["doctor"] = doctor("--home", str(alliance.node(d).home))
            told.seen["again"] = start_again(alliance, d)
            told.seen["height of the old"] = stored_height(alliance, d)
            told.upgrade(d)
        told.acknowledged = dict(load.acknowledged)
        yield told
    finally:
        alliance.close()


def start_again(alliance: Alliance, name: str) -> str:
    """The log of an old build that is started behind the boundary; it must end by itself."""
    before = len(alliance.log(name))
    alliance.devnet.start_node(name, wait=False)
    until(
        lambda: "can not start" in alliance.log(name)[before:] and alliance.ended(name),
        f"{name} refuses to start",
    )
    return alliance.log(name)[before:]


def stored_height(alliance: Alliance, name: str) -> int:
    with alliance.store(name) as store:
        return int(read_applied(store))


def test_a_vote_is_refused_while_connected_members_run_builds_that_do_not_know_the_level(
    story: Story,
) -> None:
    a, b, c, d = story.alliance.validators
    assert story.seen["known"] == {a: 1, b: 1, c: 0, d: 0}
    assert not story.seen["dry"]["allowed"]
    codes = {finding["code"] for finding in story.seen["dry"]["findings"]}
    assert {"members-too-old", "turns-on"} <= codes
    for name in (c, d):
        assert f"{name} (up to 0)" in story.seen["refused"]
    assert f"{c} (up to 0)" not in story.seen["still refused"]
    assert f"{d} (up to 0)" in story.seen["still refused"]


def test_an_old_build_is_told_in_time_and_stops_with_one_line_instead_of_forking(
    story: Story,
) -> None:
    alliance = story.alliance
    d = alliance.validators[3]
    assert "level.proposed" in story.seen["log of the old"]
    line = "bulwark: halted: protocol level 1 is in force above block "
    (halted,) = [row for row in alliance.log(d).splitlines() if row.startswith(line)]
    boundary = int(halted.removeprefix(line).split()[0])
    assert story.seen["height of the old"] == boundary
    assert "install a version that knows level 1" in halted
    code, out, _ = story.seen["doctor"]
    assert code == 1 and "protocol level 1" in out and "install a version" in out
    assert "can not start: protocol level 1" in story.seen["again"]
    assert "Traceback" not in alliance.log(d)


def test_all_go_on_behind_the_boundary_and_the_rule_holds_at_every_node(story: Story) -> None:
    alliance = story.alliance
    height = alliance.height(alliance.validators[0])
    alliance.until_final(height)
    blocks = [alliance.block(name, height) for name in alliance.validators]
    assert len({block["hash"] for block in blocks if block}) == 1
    assert story.seen["gas before"].startswith("taken: 0x")
    for name in alliance.validators:
        assert protocol(alliance, name)["features"] == ["transaction-gas-cap"]
        assert value(alliance, name, "protocol_level") == 1
        assert str(MAX_TRANSACTION_GAS) in greedy(alliance, name)
    assert governed(alliance, alliance.validators[3], "proposals/2")["state"] == "executed"


def test_no_acknowledged_report_is_lost_and_proofs_from_before_hold_offline(story: Story) -> None:
    alliance = story.alliance
    assert len(story.acknowledged) > 10
    for name in alliance.validators:
        missing = [each for each in story.acknowledged if not alliance.has_record(name, each)]
        assert not missing, f"{name} lacks {missing[:3]}"
        client = alliance.client(name, "auditor")
        proof = client.get(f"/v1/records/{story.record_id}/proof")
        assert proof.status_code == 200, proof.text
        verify_record_proof(proof.content, alliance.genesis.to_json())


def test_the_disk_of_the_node_that_stopped_is_clean(story: Story) -> None:
    name = story.alliance.validators[3]
    story.end(name)
    report = story.alliance.fsck(name)
    assert report.is_clean, report.problems[:5]


def test_the_page_on_upgrades_runs_as_it_stands(tmp_path: Path) -> None:
    reader = Reader(tmp_path, free_ports(10)[0])
    try:
        said = reader.follow("upgrades", "", timeout_s=1500.0)
    finally:
        reader.follow("upgrades", "last")
    for sign in ("build knows levels up to 0", "transaction-gas-cap", "HIT"):
        assert sign in said, said
