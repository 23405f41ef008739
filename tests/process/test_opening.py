"""Who asked is told to a regulator by case, vote and shared key, on real nodes through the CLI.

One question of a member stands in its evaluators' anchored logs; every test opens a case about it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bulwark.privacy.group import Element, decode_element, multiply, weighted_sum
from bulwark.privacy.memberkeys import decode_regulator_secret, decode_ring_secret
from bulwark.privacy.sharing import lagrange_at_zero
from contracts.privacy.ceremony import KeyPurpose
from contracts.privacy.ceremony_reads import read_published
from contracts.privacy.openings import read_case
from node.assembly import open_home
from node.chain.store import ChainStore
from node.devnet.devnet import Devnet
from node.execution.executor import Executor
from tests.consent_terms import terms
from tests.process.support import ROOT, Alliance, until

pytestmark = pytest.mark.process

CROOKED = (sys.executable, "-m", "tests.process.wrong_part")
REGULATOR = "regulator"
CONSENT = terms(valid_until="2031-11-20")


@dataclass(frozen=True)
class World:
    """A running alliance in which one question of one member is logged and anchored."""

    alliance: Alliance
    asker: str
    statement: str
    """Its hash."""
    basis: Path

    @property
    def others(self) -> list[str]:
        """Voting members that did not ask it."""
        return [name for name in self.alliance.validators if name != self.asker]

    def type(self, name: str, *words: object) -> subprocess.CompletedProcess[str]:
        """`bulwark opening` as an operator of this node types it."""
        return opening(*words, "--home", self.alliance.node(name).home)

    def ask(self, name: str, *words: object) -> dict[str, object]:
        """The same with --json; it has to succeed."""
        done = self.type(name, *words, "--json")
        assert done.returncode == 0, f"{name}: {words}: {done.stdout}{done.stderr}"
        return dict(json.loads(done.stdout))

    def opened(self) -> str:
        """A case of the regulator; its id."""
        outcome = self.ask(REGULATOR, "request", self.statement, "--basis", self.basis)
        case = outcome["case"]
        assert isinstance(case, dict)
        assert case["state"] == "open"
        return str(case["id"])

    def approved(self, voters: Sequence[str]) -> str:
        """A case that these members approved, each through its own node."""
        case = self.opened()
        for name in voters:
            self.ask(name, "vote", case, "approve")
        assert self.ask(voters[-1], "show", case)["state"] == "approved"
        return case

    def until_posted(self, case: str, names: Sequence[str]) -> None:
        """Wait until these members' parts are on the regulator's ledger."""
        shown = f"/v1/openings/{case}"
        client = self.alliance.client(REGULATOR, "auditor")
        until(
            lambda: set(names) <= set(client.get(shown).raise_for_status().json()["posted"]),
            f"parts of {', '.join(names)}",
        )

    def tick(self) -> None:
        """A block, without asking anything."""
        body = {"subject": "c0ffee-1", **CONSENT}
        answer = self.alliance.client(self.asker, "reporter").post("/v1/consents", json=body)
        assert answer.status_code in (200, 201, 202), answer.text


def opening(*words: object) -> subprocess.CompletedProcess[str]:
    return bulwark("opening", *words)


def bulwark(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "node.cli.main", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def logged(world: World, name: str) -> list[dict[str, object]]:
    """Statements of an evaluator's anchored log, as the regulator's node shows them."""
    found = world.ask(REGULATOR, "statements", name)["statements"]
    assert isinstance(found, list)
    return [dict(entry) for entry in found if entry["interval"] is not None]


def cases(world: World, name: str) -> list[dict[str, object]]:
    """The cases of the ledger, as a node shows them."""
    found = world.ask(name, "list")["cases"]
    assert isinstance(found, list)
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The first member asked; nobody else did; the interval is over and anchored."""
    folder = tmp_path_factory.mktemp("opening")
    alliance = Alliance.create(folder / "alliance", 4, 1)
    basis = folder / "order.pdf"
    basis.write_bytes(b"court order 17")
    try:
        alliance.start()
        made = World(alliance, alliance.validators[0], "", basis)
        alliance.screen(made.asker, kind="email", value="suspect@scam-post.net")

        def anchored() -> set[str]:
            made.tick()
            return {str(e["statement"]) for name in made.others for e in logged(made, name)}

        (statement,) = until(anchored, "the anchored statement", within_s=180)
        yield World(alliance, made.asker, statement, basis)
    finally:
        alliance.close()


def test_regulator_and_council_name_the_asker_and_a_court_needs_genesis_alone(
    world: World, tmp_path: Path
) -> None:
    case = world.approved(world.others)
    world.until_posted(case, world.alliance.validators)
    # A power cut at the regulator's costs nothing.
    world.alliance.devnet.kill(REGULATOR)
    world.alliance.devnet.start_node(REGULATOR)
    finished = world.ask(REGULATOR, "finish", case, "--out", tmp_path / "opened.json")
    assert (finished["member"], finished["bad"]) == (world.asker, [])
    world.alliance.devnet.kill(REGULATOR)
    world.alliance.devnet.start_node(REGULATOR)
    again = world.ask(REGULATOR, "finish", case, "--out", tmp_path / "again.json")
    assert (again["member"], again["result"]) == (world.asker, finished["result"])

    genesis = world.alliance.devnet.home / "genesis.json"
    court = ("verify", tmp_path / "opened.json", "--genesis", genesis)
    shown = opening(*court, "--basis", world.basis)
    assert (shown.returncode, shown.stdout.splitlines()[0]) == (0, "VALID"), shown.stdout
    verdict = json.loads(opening(*court, "--json").stdout)
    assert (verdict["member"], verdict["asked_by"]) == (world.asker, REGULATOR)
    assert verdict["statement"] == world.statement
    text = (tmp_path / "opened.json").read_text()
    bent = tmp_path / "bent.json"
    bent.write_text(text.replace(finished_digit(text), "0" * 8, 1))
    refused = opening("verify", bent, "--genesis", genesis)
    assert (refused.returncode, refused.stdout[:7]) == (1, "INVALID")
    other = tmp_path / "other.pdf"
    other.write_bytes(b"court order 18")
    refused = opening(*court, "--basis", other)
    assert (refused.returncode, "another document" in refused.stdout) == (1, True)


def finished_digit(text: str) -> str:
    """Eight digits out of the middle of the result's hex."""
    result = str(json.loads(text)["result"])
    middle = len(result) // 2
    return result[middle : middle + 8]


def test_every_opening_is_on_the_ledger_at_every_node_and_votes_count_once(world: World) -> None:
    case = world.opened()
    first, second = world.others[:2]
    world.ask(first, "vote", case, "approve")
    repeated = world.type(first, "vote", case, "approve")
    assert (repeated.returncode, "voted already" in repeated.stderr) == (1, True), repeated.stderr
    assert world.ask(first, "show", case)["approvals"] == 1
    foreign = world.type(REGULATOR, "vote", case, "approve")
    assert (foreign.returncode, "not a voter" in foreign.stderr) == (1, True), foreign.stderr
    asked = world.type(first, "request", world.statement, "--basis", world.basis)
    assert (asked.returncode, asked.stdout) == (1, ""), asked.stderr
    unknown = world.type(REGULATOR, "request", "ab" * 32, "--basis", world.basis)
    assert (unknown.returncode, "no evaluator" in unknown.stderr) == (1, True), unknown.stderr
    log = world.type(first, "statements", second)
    assert (log.returncode, "only a regulator's node" in log.stderr) == (1, True), log.stderr

    height = max(world.alliance.height(name) for name in world.alliance.names)
    world.alliance.until_final(height)
    lists = [cases(world, name) for name in world.alliance.names]
    assert all(found == lists[0] for found in lists)
    assert case in [entry["id"] for entry in lists[0]]


def test_no_side_alone_and_not_one_member_too_few_gets_anything(
    world: World, tmp_path: Path
) -> None:
    case = world.opened()
    for name in world.others[:2]:
        world.ask(name, "vote", case, "approve")
    early = world.type(REGULATOR, "finish", case, "--out", tmp_path / "early.json")
    assert (early.returncode, "must be approved" in early.stderr) == (1, True), early.stderr
    assert not (tmp_path / "early.json").exists()
    shown = world.ask(REGULATOR, "show", case)
    assert (shown["state"], shown["approvals"], shown["partials"]) == ("open", 2, 0)

    with secrets(world, case) as held:
        ring = set(held.ring.values())
        assert held.opens(regulator=True, council=3) == held.ring[world.asker]
        assert held.opens(regulator=False, council=4) not in ring, "the whole council"
        assert held.opens(regulator=True, council=0) not in ring, "the regulator"
        assert held.opens(regulator=True, council=2) not in ring, "t - 1"


@dataclass(frozen=True)
class Secrets:
    """A case's ciphertext, and everything secret that the two sides hold."""

    e1: Element
    e2: Element
    parts: list[Element]
    """D of each council member, by index from 1."""
    regulators: Element
    ring: dict[str, Element]

    def opens(self, *, regulator: bool, council: int) -> Element:
        """What decryption gives with these."""
        found = self.e2 - self.regulators if regulator else self.e2
        if not council:
            return found
        indices = tuple(range(1, council + 1))
        return found - weighted_sum(lagrange_at_zero(indices), self.parts[:council])


@contextmanager
def secrets(world: World, case: str) -> Iterator[Secrets]:
    """Read out of all homes, with the regulator's node stopped for its ledger."""
    alliance = world.alliance
    homes = {name: open_home(alliance.node(name).home) for name in alliance.names}
    alliance.devnet.kill(REGULATOR)
    try:
        with alliance.store(REGULATOR) as store:
            ChainStore.open(store, alliance.genesis)
            read_slot = Executor(store, alliance.genesis).slot
            record = read_case(read_slot, bytes.fromhex(case), 0)
            published = read_published(read_slot, KeyPurpose.COUNCIL)
        assert record is not None
        assert published is not None
        e1, e2 = decode_element(record.request.e1), decode_element(record.request.e2)
        shares = [homes[name].shares.share(published.session) for name in alliance.validators]
        held = {share.index: share for share in shares if share is not None}
        regulator = decode_regulator_secret(homes[REGULATOR].secrets.regulator_key or b"")
        yield Secrets(
            e1=e1,
            e2=e2,
            parts=[multiply(held[index].secret_share, e1) for index in sorted(held)],
            regulators=multiply(regulator.secret, e1),
            ring={n: decode_ring_secret(h.secrets.ring_key).public for n, h in homes.items()},
        )
    finally:
        alliance.devnet.start_node(REGULATOR)


@contextmanager
def parts(kind: str, alliance: Alliance, name: str) -> Iterator[None]:
    """This member's node posts `wrong` parts meanwhile, or `none`."""
    alliance.devnet.kill(name)
    command = (*CROOKED, kind, "node", "run", "--home")
    crooked = Devnet.open(alliance.devnet.home, command=command)
    crooked.start_node(name)
    try:
        yield
    finally:
        crooked.kill(name)
        alliance.devnet.start_node(name)


def test_a_wrong_part_is_named_and_a_member_whose_disk_was_lost_completes_the_opening(
    world: World, tmp_path: Path
) -> None:
    alliance, wrong = world.alliance, world.others[-1]
    with parts("wrong", alliance, wrong):
        alliance.devnet.kill(world.asker)
        case = world.approved(world.others)
        world.until_posted(case, world.others)
        short = world.type(REGULATOR, "finish", case, "--out", tmp_path / "short.json")
        assert short.returncode == 1, short.stdout
        assert f"bad parts: {wrong}: " in short.stderr, short.stderr
        assert not (tmp_path / "short.json").exists()

        shutil.rmtree(alliance.node(world.asker).home / "data")
        alliance.devnet.start_node(world.asker)
        world.until_posted(case, [world.asker])
        finished = world.ask(REGULATOR, "finish", case, "--out", tmp_path / "opened.json")
    assert finished["member"] == world.asker
    bad = finished["bad"]
    assert isinstance(bad, list)
    assert [entry["member"] for entry in bad] == [wrong]
    genesis = alliance.devnet.home / "genesis.json"
    verdict = opening("verify", tmp_path / "opened.json", "--genesis", genesis)
    assert verdict.returncode == 0, verdict.stdout


def test_a_refresh_of_the_key_between_the_parts_has_them_made_anew(
    world: World, tmp_path: Path
) -> None:
    alliance = world.alliance
    first, second, *late = alliance.validators
    with parts("none", alliance, late[0]), parts("none", alliance, late[1]):
        case = world.approved(alliance.validators[:3])
        world.until_posted(case, [first, second])
        before = share_epoch(alliance, REGULATOR)
        order_refresh(alliance)
        until(lambda: share_epoch(alliance, REGULATOR) > before, "the refreshed key", within_s=180)
        short = world.type(REGULATOR, "finish", case, "--out", tmp_path / "short.json")
        assert short.returncode == 1, short.stdout
        world.until_posted(case, [first, second])
        assert world.ask(REGULATOR, "show", case)["partials"] == 2
    world.until_posted(case, alliance.validators)
    assert world.ask(REGULATOR, "show", case)["stale"] == []
    finished = world.ask(REGULATOR, "finish", case, "--out", tmp_path / "opened.json")
    assert (finished["member"], finished["bad"]) == (world.asker, [])


def order_refresh(alliance: Alliance) -> None:
    """A vote for new shares of the same keys, now."""
    name, *others = alliance.validators
    propose = ("governance", "propose", "set-parameter", "refresh_order", 1, "--json")
    made = bulwark(*propose, "--home", alliance.node(name).home)
    assert made.returncode == 0, made.stdout + made.stderr
    number = json.loads(made.stdout)["proposal"]["id"]
    for other in others[:2]:
        done = bulwark("governance", "approve", number, "--home", alliance.node(other).home)
        assert done.returncode == 0, done.stdout + done.stderr


def share_epoch(alliance: Alliance, name: str) -> int:
    """Of the council's key that is in force at a node, as it logged it."""
    lines = [json.loads(line) for line in alliance.log(name).splitlines() if line.startswith("{")]
    epochs = [
        line["share_epoch"]
        for line in lines
        if line.get("purpose") == "council" and "share_epoch" in line
    ]
    return int(max(epochs))


def test_a_member_that_did_not_ask_clears_itself_and_the_asker_can_not(
    world: World, tmp_path: Path
) -> None:
    bystander = world.others[0]
    case = world.opened()
    early = world.type(bystander, "exculpate", case, "--out", tmp_path / "early.json")
    assert (early.returncode, "once it is approved" in early.stderr) == (1, True), early.stderr
    for name in world.others:
        world.ask(name, "vote", case, "approve")
    genesis = world.alliance.devnet.home / "genesis.json"
    for name in (bystander, REGULATOR):
        out = tmp_path / f"{name}.json"
        world.ask(name, "exculpate", case, "--out", out)
        assert out.stat().st_mode & 0o077 == 0
        verdict = json.loads(opening("verify", out, "--genesis", genesis, "--json").stdout)
        assert (verdict["valid"], verdict["did_not_ask"]) == (True, name)
        assert verdict["statement"] == world.statement
    guilty = world.type(world.asker, "exculpate", case, "--out", tmp_path / "guilty.json")
    assert (guilty.returncode, "no exculpation" in guilty.stderr) == (1, True), guilty.stderr
    assert not (tmp_path / "guilty.json").exists()
    # The asker hands in a bystander's proof as its own.
    borrowed = json.loads((tmp_path / f"{bystander}.json").read_text())
    home = open_home(world.alliance.node(world.asker).home)
    borrowed["member_key"] = decode_ring_secret(home.secrets.ring_key).public.encoding.hex()
    (tmp_path / "borrowed.json").write_text(json.dumps(borrowed))
    refused = opening("verify", tmp_path / "borrowed.json", "--genesis", genesis)
    assert (refused.returncode, refused.stdout[:7]) == (1, "INVALID")
