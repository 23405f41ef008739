"""Progress of a file: the console's one script, what may run where, and files that are bounded."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.console import multipart
from api.console.sessions import Limits
from node.service import Role
from tests.unit.api.console.test_desks import JOBS, upload
from tests.unit.api.console.world import SCRIPT, Browser, ConsoleWorld, check_html, token_of
from tests.unit.node.jobs.office import PHONES, Office, csv_of, ledger

BOUNDARY = {"content-type": "multipart/form-data; boundary=b"}


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    made = Office(tmp_path / "jobs", ledger().node)
    yield made
    await made.close()


async def test_the_script_runs_on_the_pages_of_batches_alone_and_is_named_by_its_hash(
    office: Office,
) -> None:
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    async with ConsoleWorld(jobs=office.desk).browser() as browser:
        await browser.login(Role.ANALYST)
        job = (await upload(browser, csv_of(*PHONES))).headers["location"]
        for path in (JOBS, job):
            answer = await browser.get(path)
            policy = answer.headers["content-security-policy"].split("; ")
            assert f"script-src 'sha256-{digest}'" in policy and "connect-src 'self'" in policy
            assert (
                answer.text.count("<script>") == 1 and f"<script>{SCRIPT}</script>" in answer.text
            )
        for path in ("/console/screening", "/console", "/console/login", f"{job}/result/csv"):
            answer = await browser.get(path)
            assert "script" not in answer.headers["content-security-policy"]
            assert "<script" not in answer.text, path
    assert not {"innerHTML", "eval(", "document.write", "localStorage"} & set(SCRIPT.split())
    assert "</" not in SCRIPT, "it stands in the page as it is"


async def test_a_page_that_a_script_reads_holds_no_session(office: Office) -> None:
    world = ConsoleWorld(Limits(idle_ms=1_000), jobs=office.desk)
    by_script = {"sec-fetch-dest": "empty"}
    async with world.browser() as browser:
        await browser.login(Role.ANALYST)
        job = (await upload(browser, csv_of(*PHONES))).headers["location"]
        world.now_ms += 900
        assert (await browser.get(job, headers=by_script)).status_code == 200
        world.now_ms += 200
        assert (await browser.get(job, headers=by_script)).status_code == 303
        await browser.login(Role.ANALYST)
        world.now_ms += 900
        await browser.page(job)
        world.now_ms += 900
        await browser.page(job)


class Sending:
    """A body that counts how many of its pieces were asked for."""

    def __init__(self, head: bytes, piece: bytes, most: int) -> None:
        self.head, self.piece, self.most = head, piece, most
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.head
        while self.taken < self.most:
            self.taken += 1
            yield self.piece


def _head(token: str) -> bytes:
    field = b'--b\r\ncontent-disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    file = b'--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n'
    return field % (b"token", token.encode()) + field % (b"ticket", b"A" * 32) + file


async def test_a_file_is_not_read_before_the_sessions_token_is_known(office: Office) -> None:
    async with ConsoleWorld(jobs=office.desk).browser() as browser:
        await browser.login(Role.ANALYST)
        body = Sending(_head("of another session"), b"x" * 65_536, 1_000)
        answer = await browser.client.post(JOBS, content=body, headers=BOUNDARY)
        assert answer.status_code == 403 and body.taken <= 2
        assert "No file was sent yet" in await browser.page(JOBS)


async def test_a_file_over_the_bound_is_refused_as_it_arrives(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart, "MAX_UPLOAD_BYTES", 1 << 20)
    async with ConsoleWorld(jobs=office.desk).browser() as browser:
        await browser.login(Role.ANALYST)
        token = await _token(browser)
        row = b"+4420794609" * 5_957 + b"\n"
        body = Sending(_head(token) + b"value\n", row, 1_000)
        answer = await browser.client.post(JOBS, content=body, headers=BOUNDARY)
        assert answer.status_code == 413 and body.taken < 40
        check_html(answer.text)
        assert "No file was sent yet" in await browser.page(JOBS)


async def test_names_of_columns_may_be_in_any_script(office: Office) -> None:
    async with ConsoleWorld(jobs=office.desk).browser() as browser:
        await browser.login(Role.ANALYST)
        name = "受害人电话号码" * 20
        rows = f"{name}\n{PHONES[0]}\n".encode()
        answer = await upload(
            browser, rows, value_column=name[:128], references="", name="批" * 128
        )
        assert answer.status_code == 422 and "批" in answer.text, "140 characters are no column"
        answer = await upload(
            browser, f"{name[:128]}\n{PHONES[0]}\n".encode(), value_column=name[:128],
            references=name[:128], name="批" * 128,
        )  # fmt: skip
        assert answer.status_code == 303, answer.text


async def _token(browser: Browser) -> str:
    return token_of((await browser.get(JOBS)).text)
