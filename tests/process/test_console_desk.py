"""The console at the desks, in a real browser over a real alliance: an analyst's morning and an
administrator's.

Screenshots go to the folder that BULWARK_SCREENSHOTS names, else to a temporary one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By

from tests.consent_terms import TERMS, terms
from tests.process.browser import WIDTHS, Browser, browsing
from tests.process.hooks import PATIENT, Receiver
from tests.process.support import Alliance, until

pytestmark = pytest.mark.process

REPORTER, DESK = "bank-a", "telco-b"
VALUE, OTHER = "morning-clear@scam-post.net", "second-clear@scam-post.net"
HELD = "held-clear@scam-post.net"
TOKEN = re.compile(r'name="token" value="([^"]+)"')
CLEAR = re.compile(r"-clear(?:@|%40)")
ANALYST_PAGES = (
    "/console/screening", "/console/disputes", "/console/disputes?whose=all&state=all",
    "/console/jobs", "/console/customer-reports", "/console/protections", "/console/recalls",
    "/console/retro-hits", "/console/blocks", "/console/members", "/console/cooling-offs",
    "/console/consents", "/console/feedback",
)  # fmt: skip
ADMIN_PAGES = (
    "/console/keys", "/console/keys/admin", "/console/webhooks", "/console/roles",
    "/console/quotas", "/console/access-log",
)  # fmt: skip


@pytest.fixture(scope="module")
def alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alliance]:
    """Four validators; one of them may post to receivers on this machine."""
    made = Alliance.create(tmp_path_factory.mktemp("desk") / "alliance", 4, 0)
    try:
        with (made.node(DESK).home / "node.toml").open("a") as settings:
            settings.write(PATIENT)
        made.start()
        made.report(REPORTER, kind="email", value=VALUE)
        yield made
    finally:
        made.close()


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    return Path(os.environ.get("BULWARK_SCREENSHOTS", tmp_path / "shots")) / "desk"


def keep(browser: Browser, folder: Path, name: str, *, look: bool) -> None:
    """Screenshots in both widths; with `look`, axe in both and in the dark, none too wide."""
    folder.mkdir(parents=True, exist_ok=True)
    for width in WIDTHS:
        browser.show_at(width)
        browser.save(folder / f"{name}-{width}.png")
        if look:
            assert browser.width() <= width, f"{name} is wider than {width} px"
            assert not browser.faults(), f"{name} at {width} px"
    if look:
        browser.show_at(1280, dark=True)
        assert not browser.faults(), f"{name} in the dark"
    browser.show_at(1280)


def check(browser: Browser) -> None:
    """No address of this page and no title has a clear value."""
    assert CLEAR.search(browser.driver.current_url + browser.driver.title) is None
    assert all(CLEAR.search(path) is None for path in browser.links())


@pytest.mark.parametrize("scripts", [True, False])
def test_an_analysts_morning(
    alliance: Alliance, tmp_path: Path, shots: Path, scripts: bool
) -> None:
    url, look = alliance.node(DESK).rest_url, scripts
    with browsing(url, tmp_path / "profile", scripts=scripts) as browser:
        browser.login(alliance.key(DESK, "reporter"))
        assert browser.path == "/console/screening", "the question comes first"
        if scripts:
            assert browser.driver.switch_to.active_element.get_attribute("id") == "value"
        keep(browser, shots, "ask", look=look)
        browser.fill(kind="email", value=VALUE, case_ref="CASE-1")
        browser.driver.find_element(By.ID, "value").send_keys(Keys.ENTER)
        until(lambda: browser.path.startswith("/console/answers/"), "the answer")
        told = browser.text
        assert VALUE in told and "Why" in told and "Timeline" in told and REPORTER in told
        assert "What is advised" in told and "Complete" in told
        check(browser)
        keep(browser, shots, "answer", look=look)
        answer = browser.path
        browser.fill("feedback", verdict="agreed", finding="confirmed_fraud")
        assert browser.send("feedback").startswith(answer)
        assert "Taken" in browser.text
        browser.driver.refresh()
        assert "Taken" in browser.text, "reloading sends nothing again"

        browser.open("/console/report")
        browser.fill(kind="email", value=f"{scripts}-{OTHER}", fraud_type="phishing",
                     confidence="900")  # fmt: skip
        assert browser.send() == "/console/report"
        assert "This was not done" in browser.text and "Confidence" in browser.text
        check(browser)
        keep(browser, shots, "report-refused", look=look)
        browser.fill(confidence="90")
        assert browser.send().startswith("/console/reported/"), browser.text
        assert browser.heading == "Reported"

        batch = tmp_path / "batch.csv"
        batch.write_text(f"id,value\n1,{VALUE}\n2,not a mailbox\n3,nobody@harbour.example\n")
        browser.open("/console/jobs")
        browser.fill(name="morning", kind="email", references="nowhere", file=str(batch))
        browser.driver.find_element(By.CSS_SELECTOR, "form#form > button").click()
        until(lambda: "This was not done" in browser.text, "the file's fault is told")
        assert browser.path == "/console/jobs"
        keep(browser, shots, "batch-refused", look=look)
        browser.fill(references="id", file=str(batch))
        job = browser.send()
        assert job.startswith("/console/jobs/"), browser.text

        def done() -> bool:
            if not scripts:  # with them the page goes on by itself
                browser.open(job)
            return "Worked: 100 %, 3 rows" in browser.text

        until(done, "the batch is done")
        until(lambda: "Delete it" in browser.text, "the whole page is of a batch that is over")
        assert "hit: 1" in browser.text and "Rows that could not be asked" in browser.text
        keep(browser, shots, "batch", look=look)

        record = alliance.report(REPORTER, kind="email", value=f"{scripts}-own-clear@a.example")
        name = record["record_id"]
        until(lambda: alliance.has_record(DESK, name), "the record is here")
        browser.open(f"/console/records/{name}")
        assert browser.follow("Dispute it") == f"/console/records/{name}/dispute"
        keep(browser, shots, "dispute", look=look)
        browser.fill(ground="reassigned", for_person="yes")
        assert browser.send().startswith("/console/followed/"), browser.text
        assert "Code for the person" in browser.text
        browser.open(f"/console/records/{name}")
        assert "disputed" in browser.text
        if look:
            for path in ANALYST_PAGES:
                browser.open(path)
                check(browser)
                keep(browser, shots, path.partition("?")[0].rpartition("/")[2], look=True)
    with browsing(alliance.node(REPORTER).rest_url, tmp_path / "other", scripts=scripts) as browser:
        browser.login(alliance.key(REPORTER, "reporter"))
        browser.open(f"/console/records/{name}/rule")
        browser.fill(ruling="upheld")
        browser.send()
        assert "Taken" in browser.text, browser.text
    for member in (DESK, REPORTER):
        assert CLEAR.search(alliance.log(member)) is None


def test_pages_of_one_payment_consent_customer_and_protection_have_no_barrier(
    alliance: Alliance, tmp_path: Path, shots: Path
) -> None:
    client = alliance.client(DESK, "reporter")

    def made(path: str, body: dict[str, Any], name: str = "id") -> str:
        answer = client.post(f"/v1/{path}", json=body)
        assert answer.status_code in (200, 201), f"{path}: {answer.text}"
        return str(answer.json()[name])

    shield = {"person": "customer 5", "kind": "phone", "value": "+44 20 7946 0992", "days": 20}
    shield |= {"role": "compromised_victim", "lawful_basis": "legitimate_interests"}
    said = {"customer": "customer 6", "channel": "email", "language": "en", "text": "They wrote."}
    said |= {"identifiers": [{"kind": "email", "value": VALUE}], "fraud_types": ["phishing"]}
    pages = [
        f"/console/protections/{made('protections', shield)}",
        f"/console/customer-reports/{made('customer-reports', said)}",
        f"/console/consents/{made('consents', terms(), 'consent_id')}",
    ]
    with browsing(alliance.node(DESK).rest_url, tmp_path / "profile") as browser:
        browser.login(alliance.key(DESK, "reporter"))
        for path in pages:
            browser.open(path)
            keep(browser, shots, path.split("/")[2] + "-one", look=True)
        browser.open("/console/consents")
        browser.fill("find", person_subject=TERMS["subject"])
        assert browser.send("find").startswith("/console/consents/found/"), browser.text
        keep(browser, shots, "consents-found", look=True)

        for member in (REPORTER, "bank-c"):  # of one voice alone no payment waits
            alliance.report(member, kind="email", value=HELD, confidence=90)
        browser.open("/console/screening")
        browser.fill(kind="email", value=HELD, case_ref="CASE-2")
        browser.send()
        browser.follow("Hold the payment")
        keep(browser, shots, "hold", look=True)
        browser.fill(customer="customer 7", payment="payment 1")
        assert browser.send().startswith("/console/cooling-offs/"), browser.text
        assert "held: the payment waits" in browser.text
        keep(browser, shots, "held-one", look=True)
        browser.open("/console/blocks")
        browser.search("nothing of this name")
        until(lambda: browser.heading == "Nothing found", "nothing is found")
        keep(browser, shots, "search", look=True)


def test_an_administrators_morning(alliance: Alliance, tmp_path: Path, shots: Path) -> None:
    url = alliance.node(DESK).rest_url
    receiver = Receiver(tmp_path, "desk")
    with browsing(url, tmp_path / "profile") as browser:
        browser.login(alliance.key(DESK, "admin"))
        browser.open("/console/keys")
        browser.fill(role="analyst", id="case-tool", label="case tool")
        browser.send()
        first = browser.driver.find_element(By.CSS_SELECTOR, ".secret").text
        keep(browser, shots, "key-once", look=True)
        browser.driver.refresh()
        assert first not in browser.driver.page_source, "it is shown once"
        assert _who(url, first).json()["id"] == "case-tool"
        browser.open("/console/keys/case-tool")
        browser.fill("rotate", overlap_seconds="0")
        browser.send("rotate")
        second = browser.driver.find_element(By.CSS_SELECTOR, ".secret").text
        assert _who(url, second).status_code == 200 and _who(url, first).status_code == 401
        browser.open("/console/keys/case-tool")
        browser.send("revoke")
        assert "revoked" in browser.text and _who(url, second).status_code == 401

        browser.open("/console/webhooks")
        browser.fill(url=receiver.url, description="desk", type_recall="yes")
        browser.send()
        receiver.secret.write_text(browser.driver.find_element(By.CSS_SELECTOR, ".secret").text)
        try:
            receiver.start()
            hook = browser.follow("I have copied it")
            assert browser.send("test").startswith(hook)
            assert "taken" in browser.text and "test" in browser.text, browser.text
            keep(browser, shots, "webhook", look=True)
            browser.send("state")
            assert "paused" in browser.text
        finally:
            receiver.kill()
        browser.open("/console/quotas")
        assert "Left" in browser.text
        for path in ADMIN_PAGES:
            browser.open(path)
            keep(browser, shots, path.rpartition("/")[2], look=True)
        browser.open("/console/access-log")
        for what in ("api-key.created", "api-key.rotated", "api-key.revoked"):
            assert f"{what} case-tool" in browser.text
    log = alliance.log(DESK)
    assert first not in log and second not in log


def test_forms_of_others_and_pages_of_other_roles_are_refused(alliance: Alliance) -> None:
    url = alliance.node(DESK).rest_url
    with httpx.Client(base_url=url, timeout=30) as client:
        found = TOKEN.search(client.get("/console/login").text)
        assert found is not None
        fields = {"token": found[1], "key": alliance.key(DESK, "analyst"), "next": "/console"}
        assert client.post("/console/login", data=fields).status_code == 303
        question = {"kind": "email", "value": VALUE, "ticket": "A" * 32}
        assert client.post("/console/screening", data=question).status_code == 403
        wrong = {**question, "token": "x" * 43}
        assert client.post("/console/screening", data=wrong).status_code == 403
        found = TOKEN.search(client.get("/console/screening").text)
        assert found is not None
        right = {**question, "token": found[1]}
        evil = {"origin": "http://evil.example"}
        assert client.post("/console/screening", data=right, headers=evil).status_code == 403
        for path in ("/console/keys", "/console/quotas", "/console/report", "/console/webhooks"):
            assert client.get(path).status_code == 403, path
            assert client.post(path, data={"token": found[1]}).status_code in (403, 405), path
    assert CLEAR.search(alliance.log(DESK)) is None


def _who(url: str, key: str) -> httpx.Response:
    return httpx.get(f"{url}/v1/whoami", headers={"authorization": f"Bearer {key}"}, timeout=30)
