"""The web console in a real browser over a real alliance: a regulator's walk, an operator's night.

Screenshots go to the folder that BULWARK_SCREENSHOTS names, else to a temporary one.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Epoch, Height, ValidatorIndex, View
from bulwark.ledger.votes import VoteKind, VoteSubject
from consensus.evidence import DoubleVote
from consensus.messages import Vote
from node.assembly import open_home
from node.evidence import Case
from node.evidence_book import keep_case
from tests.process.browser import WIDTHS, Browser, browsing
from tests.process.support import Alliance, until
from tests.unit.api.console.world import ConsoleWorld
from tests.unit.api.live import serving

pytestmark = pytest.mark.process

PROPOSER, CULPRIT, REGULATOR = "bank-a", "telco-d", "regulator"
FILES = re.compile(r"/(?:csv|json)(?:[?]|$)|#")
KINDS = re.compile(r"/(?:0x)?[0-9a-f]{64}$|/[0-9]+(?=/|$)|(?<=members)/[^/]+|(?<=reports)/[^/?]+")
"""What differs between the addresses of two pages of one kind."""
HEIGHT = 3
"""A block with a certificate that stays where it is."""


@pytest.fixture(scope="module")
def alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alliance]:
    """Four validators and a regulator's node that holds evidence; a proposal about the culprit."""
    made = Alliance.create(tmp_path_factory.mktemp("console") / "alliance", 4, 1)
    try:
        made.start()
        for number, name in enumerate(made.validators):
            made.report(name, kind="email", value=f"console{number}@scam-post.net")
        made.until_final(HEIGHT)
        _catch(made)
        action = {"kind": "remove_member", "id": CULPRIT}
        admin = made.client(PROPOSER, "admin")
        answer = admin.post("/v1/governance/proposals", json={"action": action, "force": True})
        assert answer.status_code in (201, 202), answer.text
        client = made.client(REGULATOR, "auditor")
        until(
            lambda: client.get("/v1/governance/proposals/1").status_code == 200,
            "the regulator's node knows the proposal",
        )
        yield made
    finally:
        made.close()


def _catch(alliance: Alliance) -> None:
    """Two votes that the culprit's own key signed reach the regulator's node while it is down."""
    key = open_home(alliance.node(CULPRIT).home).vote_key
    at = ValidatorIndex(alliance.validators.index(CULPRIT))
    domain = alliance.genesis.domain()
    votes = []
    for word in (b"one", b"other"):
        subject = VoteSubject(VoteKind.PREPARE, View(0), Height(2), sha256(word))
        votes.append(Vote(subject, at, key.sign(subject.signing_digest(domain))))
    pid = alliance.node(REGULATOR).pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    until(lambda: alliance.ended(REGULATOR), "the regulator's node stopped")
    with alliance.store(REGULATOR) as store:
        assert keep_case(store, Case(Epoch(0), DoubleVote(votes[0], votes[1]))) is not None
    alliance.start()


@contextmanager
def visiting(
    alliance: Alliance, tmp_path: Path, name: str, role: str, *, scripts: bool = True
) -> Iterator[Browser]:
    """A browser that is logged in at a node."""
    url = alliance.node(name).rest_url
    with browsing(url, tmp_path / "profile", scripts=scripts) as browser:
        assert browser.runs_scripts() == scripts
        browser.login(alliance.key(name, role))
        yield browser


@pytest.mark.parametrize(("scripts", "keys"), [(True, False), (False, False), (False, True)])
def test_a_regulator_walks_from_a_block_to_a_report_by_links(
    alliance: Alliance, tmp_path: Path, scripts: bool, keys: bool
) -> None:
    with visiting(alliance, tmp_path, REGULATOR, "auditor", scripts=scripts) as browser:
        follow = browser.follow_with_keys if keys else browser.follow
        assert follow("Blocks", "header nav") == "/console/blocks"
        browser.open(f"/console/blocks?from={HEIGHT}")
        assert follow(str(HEIGHT)) == f"/console/blocks/{HEIGHT}"
        assert "of 4 validators signed its certificate, 3 are needed" in browser.text
        assert follow("certificate") == f"/console/blocks/{HEIGHT}/certificate"
        assert "Holds: this node checked" in browser.text
        signers = alliance.signers(REGULATOR, HEIGHT)
        assert browser.text.count("did not sign") == 4 - len(signers)
        assert follow(PROPOSER) == f"/console/members/{PROPOSER}"
        assert "since block 1" in browser.text
        assert follow("Proposal 1") == "/console/proposals/1"
        assert f"Remove {CULPRIT}" in browser.text and "1 of 3 needed approvals" in browser.text
        assert "Validators before and after" in browser.text
        client = alliance.client(REGULATOR, "auditor")
        (case,) = client.get("/v1/evidence").json()["evidence"]
        assert follow(case["id"]) == f"/console/evidence/{case['id']}"
        assert "Verified by this node" in browser.text
        assert "signed two different values" in browser.text
        report = client.get("/v1/audit/reports").json()["reports"][0]
        assert follow(report["title"]) == f"/console/reports/{report['name']}?member={CULPRIT}"
        assert "Rests on block" in browser.text and browser.heading == report["title"]


def test_search_leads_to_pages_and_tells_nobody_what_was_typed(
    alliance: Alliance, tmp_path: Path
) -> None:
    record = alliance.report("bank-a", kind="email", value="sought@scam-post.net")["record_id"]
    client = alliance.client(REGULATOR, "auditor")
    until(lambda: alliance.has_record(REGULATOR, record), "the record is at the regulator's")
    block = client.get(f"/v1/blocks/{HEIGHT}").json()
    full = next(
        found
        for height in range(1, alliance.height(REGULATOR) + 1)
        if (found := client.get(f"/v1/blocks/{height}").json())["transactions"]
    )
    wanted = {
        str(HEIGHT): f"/console/blocks/{HEIGHT}",
        block["hash"]: f"/console/blocks/{HEIGHT}",
        full["transactions"][0]: f"/console/transactions/{full['transactions'][0]}",
        record: f"/console/records/{record}",
        CULPRIT: f"/console/members/{CULPRIT}",
    }
    with visiting(alliance, tmp_path, REGULATOR, "auditor", scripts=False) as browser:
        for text, path in wanted.items():
            browser.search(text)
            until(lambda path=path: browser.path == path, f"{path} is shown")
        browser.search("sought@scam-post.net")
        until(lambda: browser.heading == "Nothing found", "nothing is found")
        assert "sought" not in browser.driver.current_url + browser.driver.page_source
    assert "sought@" not in alliance.log(REGULATOR)


def test_no_page_has_a_barrier_and_none_is_wider_than_the_window(
    alliance: Alliance, tmp_path: Path
) -> None:
    record = alliance.report(PROPOSER, kind="email", value="console0@scam-post.net")["record_id"]
    folder = _folder(tmp_path)
    with browsing(alliance.node(REGULATOR).rest_url, tmp_path / "profile") as browser:
        _look(browser, "/console/login", folder)
        browser.login(alliance.key(REGULATOR, "auditor"))
        for path in (*_reached(browser), f"/console/records/{record}"):
            _look(browser, path, folder / "auditor")


def test_an_operators_own_pages_have_no_barrier_either(alliance: Alliance, tmp_path: Path) -> None:
    with visiting(alliance, tmp_path, PROPOSER, "operator") as browser:
        for path in ("/console", "/console/node", "/console/access-log"):
            _look(browser, path, _folder(tmp_path) / "operator")


def test_pages_of_what_this_alliance_does_not_have_are_without_barriers(tmp_path: Path) -> None:
    """Openings, disputes and paged reports come from fakes behind the ports."""
    world = ConsoleWorld()
    world.audit.rows = 101
    with serving(world) as base, browsing(base, tmp_path / "profile") as browser:
        browser.login(world.clear["auditor"])
        reached = _reached(browser)
        assert any(path.startswith("/console/openings/") for path in reached)
        assert "/console/disputes" in reached
        own = ("/console/openings", "/console/disputes", "/console/reports", "/console/policies")
        for path in (path for path in reached if path.startswith(own)):
            _look(browser, path, _folder(tmp_path) / "fakes")


def test_axe_finds_the_barriers_that_are_there(alliance: Alliance, tmp_path: Path) -> None:
    with browsing(alliance.node(REGULATOR).rest_url, tmp_path / "profile") as browser:
        browser.open("/console/login")
        assert not browser.faults()
        browser.driver.execute_script(
            "document.querySelector('label').remove();"
            "document.querySelector('.help').className = '';"
            "document.querySelector('main p').style.setProperty('color', '#eee');"
        )
        found = {fault.partition(" ")[0] for fault in browser.faults()}
        assert {"label", "color-contrast"} <= found


def _folder(tmp_path: Path) -> Path:
    return Path(os.environ.get("BULWARK_SCREENSHOTS", tmp_path / "shots"))


def _reached(browser: Browser) -> list[str]:
    """Every kind of page that links lead to from the overview, and two refusals."""
    found, waiting = {"/console": "/console"}, ["/console"]
    while waiting:
        browser.open(waiting.pop(0))
        for path in browser.links():
            kind = re.sub(r"[?].*", "?", KINDS.sub("/-", path))
            if kind not in found and FILES.search(path) is None:
                found[kind] = path
                waiting.append(path)
    return [*found.values(), "/console/nothing", "/console/records/none"]


def _look(browser: Browser, path: str, folder: Path) -> None:
    """Hold one page against axe, wide, dark and narrow, and keep screenshots."""
    browser.open(path)
    for width, dark in ((1280, False), (1280, True), (400, False)):
        browser.show_at(width, dark=dark)
        assert browser.width() <= width, f"{path} is wider than {width} px"
        assert not browser.faults(), f"{path} at {width} px, dark: {dark}"
    kind = re.sub(r"[^a-z0-9-]+", "_", path.removeprefix("/console").lower())[:40]
    _keep(browser, folder, kind.strip("_") or "overview")


def _keep(browser: Browser, folder: Path, name: str) -> None:
    """Screenshots in both widths."""
    folder.mkdir(parents=True, exist_ok=True)
    for width in WIDTHS:
        browser.show_at(width)
        browser.save(folder / f"{name}-{width}.png")


def test_what_the_keyboard_reaches_can_be_seen(alliance: Alliance, tmp_path: Path) -> None:
    with visiting(alliance, tmp_path, REGULATOR, "auditor") as browser:
        browser.open(f"/console/blocks/{HEIGHT}/certificate")
        stops = list(browser.tab_stops(60))
        assert stops[0][0].startswith("a Skip to the content")
        assert len(stops) > 15
        hidden = [what for what, outline in stops if "solid" not in outline or "3px" not in outline]
        assert not hidden


def test_an_operator_reads_why_there_is_no_block_while_two_of_four_are_away(
    alliance: Alliance, tmp_path: Path
) -> None:
    away = ("bank-c", "telco-d")
    pids = [alliance.node(name).pid for name in away]
    with visiting(alliance, tmp_path, PROPOSER, "operator", scripts=False) as browser:
        browser.open("/console/node")
        assert "critical" not in browser.text
        try:
            for pid in pids:
                assert pid is not None
                os.kill(pid, signal.SIGSTOP)
            alliance.report(
                PROPOSER,
                wait="accepted",
                kind="email",
                value="console0@scam-post.net",
                fraud_type="phishing",
            )

            def told() -> bool:
                browser.open("/console/node")
                shown = browser.text
                return "stuck" in shown and "quorum.lost" in shown

            until(told, "the page says that the quorum is lost", 90)
            shown = browser.text
            _keep(browser, _folder(tmp_path), "partition")
            assert "2 of 4 validators vote" in shown and "3 are needed" in shown
            assert "Do: bring back any 1 of bank-c, telco-d" in shown
            browser.open("/console")
            assert "Fewer validators are in reach" in browser.text or "stuck" in browser.text
            browser.open(f"/console/blocks/{HEIGHT}/certificate")
            assert "Holds: this node checked" in browser.text
        finally:
            for pid in pids:
                if pid is not None:
                    os.kill(pid, signal.SIGCONT)

        def healed() -> bool:
            browser.open("/console/node")
            return "Nothing holds the next block up" in browser.text and "stuck" not in browser.text

        until(healed, "it heals by itself", 90)
