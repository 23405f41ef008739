"""Screening jobs over REST, over a real desk: sent, followed, steered, read back, verified."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from api import job_schemas as schemas
from api.auth import ApiKeys, generate_api_keys
from api.server import create_app
from api.settings import ApiSettings
from bulwark.jobs.manifest import read_signed
from node.cli.job import command
from node.service import Role
from tests.unit.api.fake_chain import FakeChain
from tests.unit.api.fake_node import FakeNode
from tests.unit.api.world import Counter, problem_of
from tests.unit.node.jobs.office import KEY, PHONES, WHY, Office, csv_of, ledger

CSV = {"content-type": "text/csv"}
PHONE = {**WHY, "kind": "phone"}
BASE = "/v1/screening-jobs"


class Counterpart:
    """The application of one member over its job desk, which works."""

    def __init__(self, folder: Path) -> None:
        self.office = Office(folder, ledger().node)
        chain = FakeChain()
        self.clear, hashed = generate_api_keys(Counter())
        self.app = create_app(
            FakeNode(chain),
            chain,
            ApiKeys.from_json(json.dumps(hashed).encode()),
            ApiSettings(),
            jobs=self.office.desk,
        )

    async def ask(
        self, method: str, path: str = "", role: Role = Role.ANALYST, **how: Any
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.clear[role]}", **how.pop("headers", {})}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        async with (
            asyncio.timeout(20),
            httpx.AsyncClient(transport=transport, base_url="http://node") as client,
        ):
            return await client.request(method, BASE + path, headers=headers, **how)

    async def send(self, body: bytes, **query: str) -> httpx.Response:
        return await self.ask("POST", content=body, headers=CSV, params={**PHONE, **query})

    async def done(self, body: bytes, **query: str) -> str:
        """Id of a job that is done."""
        sent = await self.send(body, **query)
        assert sent.status_code == 201, sent.text
        job_id = sent.json()["id"]
        assert (await self.office.work_as(job_id, "analyst")).state.value == "done"
        return str(job_id)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Counterpart]:
    made = Counterpart(tmp_path / "jobs")
    yield made
    await made.office.close()


async def test_a_file_becomes_a_job_that_is_shown_listed_and_read(api: Counterpart) -> None:
    sent = await api.send(csv_of(*PHONES), references="id", name="night run")
    assert sent.status_code == 201
    job = schemas.JobOut.model_validate(sent.json())
    assert sent.headers["location"] == f"{BASE}/{job.id}"
    assert job.state == "queued" and job.name == "night run"
    await api.office.work_as(job.id, "analyst")
    shown = schemas.JobOut.model_validate((await api.ask("GET", f"/{job.id}")).json())
    assert shown.state == "done" and shown.rows == 40 and shown.outcomes["hit"] == 5
    assert shown.input.read_bytes == shown.input.bytes and shown.expires is not None
    listed = schemas.JobsOut.model_validate((await api.ask("GET")).json())
    assert [each.id for each in listed.jobs] == [job.id]
    result = await api.ask("GET", f"/{job.id}/result")
    assert result.headers["content-type"] == "text/csv"
    rows = list(csv.DictReader(io.StringIO(result.text)))
    assert [row["ref.id"] for row in rows] == [f"K{n}" for n in range(1, 41)]
    assert "+44" not in result.text
    part = await api.ask("GET", f"/{job.id}/result", params={"format": "ndjson", "first": "39"})
    assert [json.loads(line)["row"] for line in part.text.splitlines()] == [39, 40]
    one = await api.ask("GET", f"/{job.id}/result", params={"first": "2", "rows": "1"})
    assert len(one.text.splitlines()) == 2
    manifest = await api.ask("GET", f"/{job.id}/manifest")
    assert read_signed(manifest.content, api.office.node.genesis, KEY.address).rows == 40


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
async def test_each_format_verifies_offline_with_the_command_line(
    api: Counterpart, tmp_path: Path, form: str
) -> None:
    body = csv_of(*PHONES, "no number", "")
    job_id = await api.done(body, references="id", values="true", result=form)
    result = await api.ask("GET", f"/{job_id}/result")
    out, beside = tmp_path / f"out.{form}", tmp_path / "manifest.json"
    out.write_bytes(result.content)
    beside.write_bytes((await api.ask("GET", f"/{job_id}/manifest")).content)
    genesis = tmp_path / "genesis.json"
    genesis.write_bytes(api.office.node.genesis.to_json())
    words = ["verify", str(out), str(beside), "--genesis", str(genesis)]
    words += ["--key", f"0x{KEY.address.hex()}", "--json"]
    told = await asyncio.to_thread(CliRunner().invoke, command, words)
    assert told.exit_code == 0, told.output
    assert json.loads(told.output) | {"valid": True, "rows": 42} == json.loads(told.output)
    if form == "parquet":
        table = pq.read_table(out)
        assert table.column("score").to_pylist()[0] > 0
        assert table.column("records").to_pylist()[0]
    data = bytearray(out.read_bytes())
    if form != "parquet":
        data[data.rindex(b"K1")] ^= 1
        out.write_bytes(data)
        told = await asyncio.to_thread(CliRunner().invoke, command, words)
        assert told.exit_code == 1 and json.loads(told.output)["valid"] is False


async def test_a_job_is_followed_until_it_is_over(api: Counterpart) -> None:
    sent = await api.send(csv_of(*PHONES))
    job_id = sent.json()["id"]
    follow = asyncio.create_task(api.ask("GET", f"/{job_id}/events"))
    working = asyncio.create_task(api.office.work_as(job_id, "analyst"))
    events = await follow
    await working
    assert events.headers["content-type"] == "text/event-stream"
    data = [line[6:] for line in events.text.splitlines() if line.startswith("data: ")]
    states = [schemas.JobOut.model_validate_json(each).state for each in data]
    assert states[-1] == "done"


async def test_a_job_is_paused_resumed_cancelled_and_destroyed(api: Counterpart) -> None:
    job_id = (await api.send(csv_of(*PHONES))).json()["id"]
    paused = await api.ask("POST", f"/{job_id}/pause", role=Role.OPERATOR)
    assert paused.json()["state"] == "paused"
    problem_of(await api.ask("POST", f"/{job_id}/pause"), 409, "conflict")
    problem_of(await api.ask("GET", f"/{job_id}/manifest"), 409, "conflict")
    assert (await api.ask("POST", f"/{job_id}/resume")).json()["state"] == "queued"
    assert (await api.ask("POST", f"/{job_id}/cancel")).json()["state"] == "cancelled"
    assert (await api.ask("DELETE", f"/{job_id}")).status_code == 204
    problem_of(await api.ask("GET", f"/{job_id}"), 404, "not-found")


async def test_other_keys_see_nothing_of_a_job(api: Counterpart) -> None:
    job_id = await api.done(csv_of(*PHONES))
    for path in ("", "/result", "/manifest", "/events"):
        problem_of(await api.ask("GET", f"/{job_id}{path}", Role.REPORTER), 404, "not-found")
    for path in ("/result", "/manifest"):
        problem_of(await api.ask("GET", f"/{job_id}{path}", Role.OPERATOR), 403, "forbidden")
    problem_of(await api.ask("GET", "", Role.AUDITOR), 403, "forbidden")
    assert (await api.ask("GET", f"/{job_id}", Role.OPERATOR)).status_code == 200
    denied = await api.ask("POST", "", Role.OPERATOR, content=b"x", headers=CSV)
    problem_of(denied, 403, "forbidden")


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ({"values": "yes"}, 400, "true or false"),
        ({"result": "xlsx"}, 400, "csv, ndjson, parquet"),
        ({"at_height": "-1"}, 400, "a block height"),
        ({"at_height": "99999"}, 422, "the last block here"),
        ({"references": "id,id"}, 400, "each once"),
        ({"references": "[1]"}, 400, "a JSON list of texts"),
        ({"references": "branch"}, 422, "no column 'branch'; the file has id, value"),
        ({"value_column": "msisdn"}, 422, "no column 'msisdn'"),
        ({"kind": "telephone-ish"}, 422, "phone"),
        ({"purpose": "because"}, 422, "fraud_prevention"),
        ({"more": "1"}, 400, "unknown"),
        ({"name": "n" * 200}, 400, "128"),
    ],
)
async def test_a_wish_that_can_not_be_is_refused_with_what_is_allowed(
    api: Counterpart, query: dict[str, str], status: int, says: str
) -> None:
    answer = await api.send(csv_of(*PHONES), **query)
    assert answer.status_code == status and says in answer.text, answer.text
    assert (await api.ask("GET")).json() == {"jobs": []}


async def test_another_content_type_and_no_body_are_refused(api: Counterpart) -> None:
    answer = await api.ask("POST", content=b"x", headers={"content-type": "text/plain"})
    assert (
        "application/vnd.apache.parquet"
        in problem_of(answer, 415, "unsupported-media-type")["detail"]
    )
    answer = await api.ask("POST", content=b"", headers=CSV, params=PHONE)
    assert "the file is empty" in problem_of(answer, 422, "invalid")["detail"]


async def test_the_same_idempotency_key_is_the_same_job(api: Counterpart) -> None:
    headers = {**CSV, "idempotency-key": "night-7"}
    first = await api.ask("POST", content=csv_of(*PHONES), headers=headers, params=PHONE)
    again = await api.ask("POST", content=csv_of(*PHONES), headers=headers, params=PHONE)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    other = await api.ask("POST", content=csv_of(PHONES[0]), headers=headers, params=PHONE)
    problem_of(other, 422, "idempotency-key-reused")


async def test_the_case_reference_of_the_header_is_in_the_access_log(api: Counterpart) -> None:
    headers = {**CSV, "x-case-ref": "PORTFOLIO-7"}
    sent = await api.ask("POST", content=csv_of(*PHONES), headers=headers, params=PHONE)
    await api.office.work_as(sent.json()["id"], "analyst")
    assert {case for case, _ in api.office.noted()} == {"PORTFOLIO-7"}


@pytest.mark.parametrize(
    ("path", "query"),
    [("/xyz", {}), ("/" + "0" * 32 + "/result", {"first": "0"}), ("/xyz/result", {})],
)
async def test_a_path_that_can_not_be_is_refused(
    api: Counterpart, path: str, query: dict[str, str]
) -> None:
    problem_of(await api.ask("GET", path, params=query), 400, "invalid")
