"""Batches and what follows a record, in the console, over the real desks."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bulwark.ledger.record import Record
from node.disputes.port import DisputePage, DisputeView, FollowUpOutcome, Whose, Wish
from node.service import Caller, Idempotency, RecordView, Role, Stage
from tests.unit.api.console.world import Browser, ConsoleWorld, check_html, ticket_of, token_of
from tests.unit.node.disputes.test_desk import ALPHA, BRAVO
from tests.unit.node.disputes.test_desk import Office as DisputeOffice
from tests.unit.node.jobs.office import PHONES, Office, csv_of, ledger

JOBS = "/console/jobs"
WISH = {
    "name": "night run", "format": "csv", "kind": "phone", "references": "id",
    "purpose": "fraud_prevention", "lawful_basis": "legitimate_interests", "case_ref": "CASE-9",
}  # fmt: skip


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    made = Office(tmp_path / "jobs", ledger().node)
    yield made
    await made.close()


async def upload(browser: Browser, body: bytes, **fields: str) -> httpx.Response:
    """Send a file as a browser does: the fields of the form in its order, then the file."""
    html = (await browser.get(JOBS)).text
    token = {"token": token_of(html), "ticket": ticket_of(html, JOBS)}
    data = {**token, **WISH, **fields}
    return await browser.client.post(JOBS, data=data, files={"file": ("x.csv", body)})


async def test_a_file_becomes_a_batch_with_progress_failed_rows_and_a_result(
    office: Office,
) -> None:
    world = ConsoleWorld(jobs=office.desk)
    async with world.browser() as browser:
        await browser.login(Role.ANALYST)
        sent = await upload(browser, csv_of(*PHONES, "no number"))
        assert sent.status_code == 303, sent.text
        place = sent.headers["location"]
        page = await browser.page(place)
        assert 'max="100" value="0"' in page and "queued" in page and "http-equiv" not in page
        await office.work_as(place.rpartition("/")[2], "analyst")
        page = await browser.page(place)
        assert 'value="100"' in page and "hit: 5" in page and "error: 1" in page
        assert "Rows that could not be asked" in page and "(phone." in page
        assert "CASE-9" not in page and "no number" not in page
        result = await browser.get(f"{place}/result/csv")
        assert result.headers["cache-control"] == "no-store"
        assert "attachment" in result.headers["content-disposition"]
        rows = list(csv.DictReader(io.StringIO(result.text)))
        assert len(rows) == 41 and rows[0]["ref.id"] == "K1" and "+44" not in result.text
        assert (await browser.get(f"{place}/manifest")).json()["rows"] == 41
        await browser.page(f"{place}/result/xml", 404)
        assert "night run" in await browser.page(JOBS)
        await browser.done(place, f"{place}/delete")
        await browser.page(place, 404)


async def test_a_batch_is_paused_resumed_and_stopped_by_who_watches_and_read_by_who_screens(
    office: Office,
) -> None:
    world = ConsoleWorld(jobs=office.desk)
    async with world.browser() as desk, world.browser() as operator:
        await desk.login(Role.ANALYST)
        place = (await upload(desk, csv_of(*PHONES))).headers["location"]
        await operator.login(Role.OPERATOR)
        page = await operator.page(JOBS)
        assert "night run" in page and 'type="file"' not in page
        for step, state in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
            await operator.done(place, f"{place}/{step}")
            assert state in await operator.page(place)
        await operator.page(f"{place}/result/csv", 403)
        html = await operator.page(place)
        answer = await operator.post(
            f"{place}/pause", token=token_of(html), ticket=ticket_of(html, f"{place}/delete")
        )
        assert answer.status_code == 409 and "This was not done" in answer.text
        denied = await operator.client.post(
            JOBS, data={"token": token_of(html)}, files={"file": ("x", b"")}
        )
        assert denied.status_code == 403


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"format": "xls"}, 'id="format-error"'),
        ({"references": ",".join(f"c{n}" for n in range(20))}, 'id="references-error"'),
        ({"value_column": "nowhere"}, "nowhere"),
        ({"colour": "red"}, "the form has no such field"),
    ],
)
async def test_a_file_that_can_not_be_worked_is_refused_with_its_reason(
    office: Office, fields: dict[str, str], said: str
) -> None:
    async with ConsoleWorld(jobs=office.desk).browser() as browser:
        await browser.login(Role.ANALYST)
        answer = await upload(browser, csv_of(*PHONES), **fields)
        assert answer.status_code in (400, 422) and said in answer.text
        check_html(answer.text)
        assert "night run" in answer.text, "what was typed is there still"
        assert "No file was sent yet" in await browser.page(JOBS)


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"", "multipart/form-data", 400),
        (b"--b\r\nno name\r\n\r\nx\r\n--b--", "multipart/form-data; boundary=b", 400),
        (b"--b--", "multipart/form-data; boundary=b", 400),
        (b"garbage" * 9, "multipart/form-data; boundary=b", 413),
        (
            b'--b\r\ncontent-disposition: form-data; name="token"\r\n\r\n' + b"x" * 20_000,
            "multipart/form-data; boundary=b", 413,
        ),
        (
            b'--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\nabc',
            "multipart/form-data; boundary=b", 403,
        ),
        (b"token=1", "application/x-www-form-urlencoded", 415),
    ],
)  # fmt: skip
async def test_an_upload_that_is_no_form_is_refused_before_anything_is_kept(
    office: Office, body: bytes, media: str, status: int
) -> None:
    async with ConsoleWorld(jobs=office.desk).browser() as browser:
        await browser.login(Role.ANALYST)
        answer = await browser.client.post(JOBS, content=body, headers={"content-type": media})
        assert answer.status_code == status, answer.text
        check_html(answer.text)
        assert "No file was sent yet" in await browser.page(JOBS)


class Hasty:
    """A real dispute desk that waits for no block."""

    def __init__(self, office: DisputeOffice) -> None:
        self.desk = office.desk

    async def follow(
        self, wish: Wish, *, by: Caller, wait: Stage, idempotency: Idempotency | None
    ) -> FollowUpOutcome:
        return await self.desk.follow(wish, by=by, wait=Stage.ACCEPTED, idempotency=idempotency)

    async def disputes(
        self, whose: Whose, *, open_only: bool, cursor: bytes | None, most: int
    ) -> DisputePage:
        return await self.desk.disputes(whose, open_only=open_only, cursor=cursor, most=most)

    async def dispute(self, reference: str) -> DisputeView:
        return await self.desk.dispute(reference)

    async def history(self, record_id: bytes) -> RecordView:
        return await self.desk.history(record_id)  # type: ignore[arg-type]


class Bench:
    """The console of one member over its dispute desk, and a record of another."""

    def __init__(self, member: int = BRAVO) -> None:
        self.office = DisputeOffice(member)
        self.record: Record = self.office.reported(ALPHA)
        self.world = ConsoleWorld(disputes=Hasty(self.office))
        self.page = f"/console/records/{self.record.record_id.hex()}"
        record, desk = self.world.node.record, self.office.desk
        assert record is not None
        self.world.node.record = desk.history  # type: ignore[method-assign]


async def test_a_reporter_disputes_a_record_and_the_person_gets_a_code() -> None:
    bench = Bench()
    async with bench.world.browser() as browser:
        await browser.login(Role.REPORTER)
        shown = await browser.page(bench.page)
        assert f'href="{bench.page}/dispute"' in shown
        one = f"{bench.page}/dispute"
        answer = await browser.send(one, ground="", case_ref="CASE-1")
        assert answer.status_code == 422 and 'id="ground-error"' in answer.text
        check_html(answer.text)
        place = await browser.done(one, ground="reassigned", for_person="yes", case_ref="CASE-1")
        done = await browser.page(place)
        assert "Code for the person" in done and "CASE-1" not in done
        assert len(bench.office.sent) == 1
        again = await browser.get(one)
        assert again.status_code in (200, 409)
        answer = await browser.send(one, ground="reassigned") if again.status_code == 200 else again
        assert answer.status_code == 409 and "This was not done" in answer.text
        assert "lifecycle.dispute.open_already" in answer.text


async def test_only_reporters_follow_up_and_only_what_the_state_allows_is_offered() -> None:
    bench = Bench()
    async with bench.world.browser() as browser:
        await browser.login(Role.ANALYST)
        shown = await browser.page(bench.page)
        assert f"{bench.page}/dispute" not in shown
        await browser.page(f"{bench.page}/dispute", 403)
        assert "Disputes of this member" in await browser.page("/console/disputes")
        await browser.login(Role.REPORTER)
        assert "may not rule it now" in await browser.page(f"{bench.page}/rule", 409)
        await browser.page(f"{bench.page}/burn", 404)
        assert not bench.office.sent
