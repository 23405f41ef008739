"""Customers and victims in a real alliance: a report, a pause, an objection, its status, feedback.

Screenshots go to the folder that BULWARK_SCREENSHOTS names, else to a temporary one.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium.webdriver.common.by import By

from bulwark.advice.holdtoken import TokenRefused, read_token
from bulwark.client.verify_cooling_off import ReleaseCheck, UsedInMemory
from tests.process.browser import WIDTHS, Browser, browsing
from tests.process.support import ROOT, WHY, Alliance, until

pytestmark = pytest.mark.process

CALLER = "+44 20 7946 0991"
SETTINGS = """
[interaction]
status_page = true
language = "de"
contact = "0800 555 111"
cooling_off_seconds = 2
status_attempts = 6
"""
WORDS = "Ein Mann rief im Namen meiner Bank an und wollte mein Geld in Sicherheit bringen."


@pytest.fixture(scope="module")
def alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alliance]:
    """Four members and a regulator; two of the members serve the status page."""
    made = Alliance.create(tmp_path_factory.mktemp("interaction") / "alliance")
    try:
        for name in made.validators[:2]:
            with (made.node(name).home / "node.toml").open("a") as settings:
                settings.write(SETTINGS)
        made.start()
        yield made
    finally:
        made.close()


class Desk:
    """One member's fraud desk."""

    def __init__(self, alliance: Alliance, name: str) -> None:
        self.alliance = alliance
        self.name = name

    def post(self, path: str, body: dict[str, Any], role: str = "reporter") -> httpx.Response:
        return self.alliance.client(self.name, role).post(f"/v1/{path}", json=body)

    def done(
        self, path: str, body: dict[str, Any], role: str = "reporter", status: int | None = None
    ) -> dict[str, Any]:
        answer = self.post(path, body, role)
        wanted = (200, 201) if status is None else (status,)
        assert answer.status_code in wanted, f"{path}: {answer.status_code} {answer.text}"
        return dict(answer.json())

    def seen(self, path: str, role: str = "analyst") -> dict[str, Any]:
        return dict(
            self.alliance.client(self.name, role).get(f"/v1/{path}").raise_for_status().json()
        )

    def rule(self, path: str, body: dict[str, Any]) -> str:
        answer = self.post(path, body)
        assert answer.status_code == 409, answer.text
        return str(answer.json()["errors"][0]["rule"])

    def report(self, customer: str, text: str = WORDS) -> dict[str, Any]:
        """What a customer says about the caller."""
        body = {
            "customer": customer,
            "channel": "voice_call",
            "language": "de",
            "text": text,
            "identifiers": [{"kind": "phone", "value": CALLER}],
            "loss_band": "under_1k",
            "fraud_types": ["imp_bank"],
        }
        return self.done("customer-reports", body, "analyst")

    def screened(self, value: str = CALLER, **more: str) -> dict[str, Any]:
        return self.alliance.screen(self.name, kind="phone", value=value, **more)


def status(desk: Desk, code: str, **more: str) -> httpx.Response:
    """POST /v1/status as a person's app does, without a key."""
    url = f"{desk.alliance.node(desk.name).rest_url}/v1/status"
    return httpx.post(url, json={"code": code, **more}, timeout=20.0)


def triaged(desk: Desk, report: dict[str, Any]) -> None:
    choice = {
        "number": 0,
        "fraud_type": "imp_bank",
        "object_role": "offender_controlled",
        "confidence": 80,
    }
    found = desk.done(
        f"customer-reports/{report['id']}/triage", {"identifiers": [choice]}, "analyst"
    )
    assert found["state"] == "triaged"


def test_a_victim_s_report_warns_other_members_until_the_person_concerned_is_heard(
    alliance: Alliance,
) -> None:
    first, second = (Desk(alliance, name) for name in alliance.validators[:2])

    # Bank A: two customers tell of the same caller; an analyst triages, the desk reports.
    report = first.report("customer 1")
    assert report["state"] == "received" and not report["identifiers"][0]["two_customers"]
    again = first.report("customer 1", "Er rief noch einmal an.")
    assert again["identifiers"][0]["customers"] == 1, "one person counts once"
    other = first.report("customer 2")
    assert other["identifiers"][0]["two_customers"]
    shown = status(first, report["code"]).json()
    assert (shown["sort"], shown["state"], shown["language"]) == ("report", "received", "de")
    assert shown["state_text"] == "Ihre Meldung ist bei uns."
    triaged(first, report)
    sent = first.done(f"customer-reports/{report['id']}/report", {})
    assert sent["state"] == "reported", sent
    record_id = sent["identifiers"][0]["record_id"]
    merged = first.done(f"customer-reports/{other['id']}/merge", {"into": report["id"]})
    assert merged["merged_into"] == report["id"]
    fields = first.seen(f"indicators/{record_id}")
    assert fields["evidence_level"] == "reported_by_customer"
    assert fields["distinct_customers"] == 2
    assert WORDS not in json.dumps(first.seen("customer-reports"))
    assert status(first, report["code"]).json()["state"] == "reported"

    # Bank B: a payment to that number is advised to wait, in the customer's language.
    until(lambda: second.screened()["hit"], "bank B has the record")
    answer = second.screened(language="de")
    advice = answer["advice"]
    assert (answer["band"], advice["level"], advice["language"]) == ("high", "delay", "de")
    assert advice["texts"]["customer"].startswith("Wir halten diese Zahlung kurz an")
    assert "0800 555 111" in advice["texts"]["letter"]
    told = json.dumps(advice)
    assert not any(word in told for word in (alliance.validators[0], "imp_bank", record_id))

    token_is_single_and_survives_a_restart(alliance, second)

    # The person concerned objects through bank B, and follows it by its code alone.
    body = {"record_id": record_id, "ground": "mistaken_identity", "for_person": True}
    disputed = second.done("disputes", body)
    code = disputed["reference"]
    stood = status(second, code.lower(), language="en").json()
    assert (stood["sort"], stood["state"]) == ("dispute", "open") and stood["due"]
    assert stood["next_text"].startswith("The member that made the report")
    assert status(first, code).status_code == 404, "the code is bank B's"
    assert second.screened()["advice"]["level"] == "none", "restricted while disputed"
    ruled = Desk(alliance, "regulator").done(f"records/{record_id}/rulings", {"ruling": "upheld"})
    until(lambda: alliance.height(second.name) >= ruled["height"], "bank B has the ruling")
    assert (
        status(second, code).json()["state_text"]
        == "Sie hatten recht. Die Meldung zählt nicht mehr."
    )

    # Bank A does not say again what was overruled.
    triaged(first, again)
    said = first.done(f"customer-reports/{again['id']}/report", {})
    assert said["identifiers"][0]["rule"] == "restate.overruled" and said["state"] == "triaged"

    # Feedback of bank B, its figures and its metrics.
    given = {"verdict": "disagreed", "finding": "wrong_data", "record_ids": [record_id]}
    given |= {"band": "high", "case_ref": "case 9"}
    assert second.done("feedback", given, "analyst")["reporters"] == [alliance.validators[0]]
    assert second.done("feedback", given, "analyst")["replaced"]
    figures = second.seen("feedback/summary", "auditor")
    assert figures["precision"] == {"threshold": "medium", "judged": 1, "right": 0, "value": 0.0}
    (row,) = figures["reporters"]
    assert (row["reporter"], row["kind"], row["false_positive_rate"]) == (
        alliance.validators[0], "phone", 1.0,
    )  # fmt: skip
    assert figures["disputes"] == {"decided": 1, "upheld": 1, "upheld_share": 1.0, "open": 0}
    assert first.seen("feedback/summary")["time_to_first_share"]["count"] == 1
    metrics = alliance.client(second.name, "operator").get("/metrics").text
    assert 'bulwark_feedback_total{band="high",verdict="disagreed"} 1.0' in metrics
    assert "bulwark_feedback_precision 0.0" in metrics
    assert 'bulwark_cooling_offs_ended_total{state="cancelled"} 1.0' in metrics


def token_is_single_and_survives_a_restart(alliance: Alliance, desk: Desk) -> None:
    """Hold, early yes, restart, yes, release once, offline; a second payment is cancelled."""
    body = {
        "question": {"kind": "phone", "value": CALLER, **WHY},
        "customer": "customer 77",
        "payment": "payment 1",
    }
    held = desk.done("cooling-offs", body)
    assert (held["state"], held["level"]) == ("held", "delay")
    assert desk.rule("cooling-offs", body) == "cooling_off.held_already"
    path = f"cooling-offs/{held['id']}"
    assert desk.rule(f"{path}/confirmation", {}) == "cooling_off.early"
    longer = desk.done(f"{path}/extension", {"seconds": 1})
    assert longer["not_before"] > held["not_before"]

    pid = alliance.node(desk.name).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: alliance.ended(desk.name), "bank B is down")
    alliance.start()
    until(lambda: desk.screened()["complete"], "bank B answers in full again")

    key = desk.seen("cooling-offs/key")
    now_ms = [time.time_ns() // 1_000_000]
    check = ReleaseCheck(
        key["member"],
        bytes.fromhex(key["public_key"]),
        UsedInMemory(lambda: now_ms[0]),
        lambda: now_ms[0],
    )
    about = {"customer": "customer 77", "payment": "payment 1"}
    opening = bytes.fromhex(held["opening"])
    with pytest.raises(TokenRefused, match="use"):
        check.release(longer["token"], opening=opening, **about)

    def confirmed() -> dict[str, Any] | None:
        answer = desk.post(f"{path}/confirmation", {})
        return dict(answer.json()) if answer.status_code == 200 else None

    released = until(confirmed, "the pause is over and the customer says yes")
    assert released["state"] == "confirmed"
    assert desk.rule(f"{path}/confirmation", {}) == "cooling_off.ended"
    now_ms[0] = time.time_ns() // 1_000_000
    with pytest.raises(TokenRefused, match="payment"):
        check.release(
            released["token"], opening=opening, customer="customer 77", payment="payment 2"
        )
    found = check.release(released["token"], opening=opening, **about)
    assert found.token_id.hex() == held["id"]
    with pytest.raises(TokenRefused, match="used"):
        check.release(released["token"], opening=opening, **about)
    line = (sys.executable, "-m", "node.cli.main", "cooling-off", "check", released["token"])
    options = ("--key", key["public_key"], "--member", key["member"], "--customer", "customer 77")
    more = ("--payment", "payment 1", "--opening", held["opening"])
    ran = subprocess.run(
        [*line, *options, *more], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert held["id"] in ran.stdout
    with pytest.raises(TokenRefused, match="signature"):
        read_token(released["token"][:-4] + "AAAA", check._key)

    second = desk.done("cooling-offs", body | {"payment": "payment 2"})
    assert desk.done(f"cooling-offs/{second['id']}/cancellation", {})["token"] is None


def test_a_protected_number_is_shielded_and_never_scores(alliance: Alliance) -> None:
    first, second = (Desk(alliance, name) for name in alliance.validators[:2])
    value = "+44 20 7946 0992"
    body = {"person": "customer 5", "kind": "phone", "value": value, "role": "compromised_victim"}
    body |= {"lawful_basis": "legitimate_interests", "days": 20}
    made = first.done("protections", body)
    assert made["renewal_due"] and made["value"] == value
    assert first.rule("protections", body) == "protection.registered_already"

    def seen() -> dict[str, Any] | None:
        answer = second.screened(value)
        return answer if answer["protected"] else None

    answer = until(seen, "bank B shields the number")
    assert (answer["score"], answer["band"]) == (0, "none")
    assert answer["advice"]["level"] == "protect"
    assert "Verdacht" in answer["advice"]["texts"]["customer"]

    longer = first.done(f"protections/{made['id']}/renewal", {"days": 60})
    assert longer["record_id"] != made["record_id"] and not longer["renewal_due"]
    histories = {
        record: first.seen(f"records/{record}/history")["record"]["state"]
        for record in (made["record_id"], longer["record_id"])
    }
    assert list(histories.values()) == ["expired", "active"], "one record after the other"
    ended = first.done(f"protections/{made['id']}/withdrawal", {"erase": True})
    assert (ended["state"], ended["value"]) == ("withdrawn", None)
    until(lambda: not second.screened(value)["protected"], "the withdrawal holds everywhere")
    anew = first.done("protections", body)
    assert anew["record_id"] not in histories, "who withdrew can come back"


def test_what_a_person_said_leaves_the_disk_with_its_erasure(alliance: Alliance) -> None:
    desk = Desk(alliance, alliance.validators[1])
    report = desk.report("customer 9")
    assert desk.seen(f"customer-reports/{report['id']}")["text"] == WORDS
    alert = desk.seen(f"customer-reports/{report['id']}/export")
    assert alert["observables"][0]["data"] == CALLER and alert["description"] == WORDS
    gone = desk.done(f"customer-reports/{report['id']}/erasure", {}, "analyst")
    assert (gone["state"], gone["text"], gone["identifiers"]) == ("erased", None, [])
    assert status(desk, report["code"]).json()["state"] == "erased"
    log = alliance.log(desk.name)
    for secret in (report["code"], report["code"].replace("-", ""), CALLER, WORDS, "customer 9"):
        assert secret not in log


def test_the_status_page_is_there_where_it_is_turned_on(alliance: Alliance) -> None:
    off = alliance.node(alliance.validators[2]).rest_url
    assert httpx.get(f"{off}/status").status_code == 401
    assert httpx.post(f"{off}/v1/status", json={"code": "X"}).status_code == 401
    on = alliance.node(alliance.validators[0]).rest_url
    page = httpx.get(f"{on}/status")
    assert page.status_code == 200 and "no-store" in page.headers["cache-control"]
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("scripts", [True, False])
def test_the_status_page_in_a_browser(alliance: Alliance, tmp_path: Path, *, scripts: bool) -> None:
    desk = Desk(alliance, alliance.validators[0])
    code = desk.report("customer 30")["code"]
    url = alliance.node(desk.name).rest_url
    shots = Path(os.environ.get("BULWARK_SCREENSHOTS", str(tmp_path)))
    with browsing(url, tmp_path / "profile", scripts=scripts) as browser:
        browser.open("/status?language=de")
        assert browser.heading == "Wie steht mein Fall?"
        looked_at(browser, shots, "status-form", scripts=scripts)
        wrong = code[:-1] + ("0" if code[-1] != "0" else "1")
        typed(browser, wrong)
        until(lambda: "Tippfehler" in browser.text, "the typing mistake is named")
        assert browser.path == "/status", "the code is in no address"
        looked_at(browser, shots, "status-mistyped", scripts=scripts)
        typed(browser, code.lower())
        until(lambda: "Ihre Meldung ist bei uns." in browser.text, "the state in German")
        assert re.search(r"Antwort bis\s+20\d\d-", browser.text)
        looked_at(browser, shots, "status-shown", scripts=scripts)
        browser.follow("Anderen Code eingeben")
        assert browser.follow("中文", "nav") == "/status?language=zh"
        assert browser.heading == "我的事项办到哪一步了？"
    log = alliance.log(desk.name)
    assert code not in log and code.lower() not in log


def typed(browser: Browser, code: str) -> None:
    box = browser.driver.find_element(By.ID, "code")
    box.clear()
    box.send_keys(code)
    browser.driver.find_element(By.CSS_SELECTOR, "button[type=submit]").click()


def looked_at(browser: Browser, shots: Path, name: str, *, scripts: bool) -> None:
    """No serious fault of accessibility, no sideways scrolling, light and dark."""
    if not scripts:
        return
    for width in WIDTHS:
        for dark in (False, True):
            browser.show_at(width, dark=dark)
            assert browser.faults() == []
            assert browser.width() <= width
        browser.save(shots / f"{name}-{width}.png")


def test_guessing_codes_is_slowed_down_and_stopped(alliance: Alliance) -> None:
    desk = Desk(alliance, alliance.validators[0])
    code = desk.report("customer 40")["code"]
    unknown = "0000-0000-0000-0000"
    answers = [status(desk, unknown) for _ in range(7)]
    assert answers[0].elapsed.total_seconds() >= 0.24, "slow whatever was found"
    assert [answer.status_code for answer in answers][-1] == 429
    held = status(desk, code)
    assert held.status_code == 429 and int(held.headers["retry-after"]) > 60
