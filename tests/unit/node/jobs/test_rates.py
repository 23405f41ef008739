"""Rows of jobs are paid from their sender's rate of rows, whoever else works beside them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from node.identity.apikey import ApiKeys
from node.identity.limits import RateLimiter
from node.identity.port import StaticIdentities
from node.identity.principal import Principal, RateLimit
from node.identity.rowrates import RowRates
from node.service import Caller, Role
from tests.unit.node.jobs.office import BY, PHONES, Office, csv_of, ledger


def rates(limit: RateLimit) -> RowRates:
    limiter = RateLimiter(time.monotonic)
    limiter.configure({BY.role: limit}, RateLimit())
    return RowRates(StaticIdentities(ApiKeys(()), limiter))


async def test_a_job_in_debt_waits_says_so_and_comes_to_its_end(tmp_path: Path) -> None:
    bounded = rates(RateLimit(rows_per_second=40, row_burst=1))
    office = Office(tmp_path / "jobs", ledger().node, rates=bounded)
    rows = [PHONES[number % len(PHONES)] for number in range(20)]
    sent = await office.send(csv_of(*rows))
    reasons: list[str] = []
    running = asyncio.create_task(office.desk.run())
    async with asyncio.timeout(30):
        async for view in office.desk.changes(sent.id, by=BY):
            reasons.append(view.reason or "")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert any(f"the rate of rows of {BY.key_id} is used up" in reason for reason in reasons)
    done = office.desk.job(sent.id, by=BY)
    assert (done.state.value, done.rows, done.reason) == ("done", 20, None)
    assert bounded.owed_s(BY) > 0, "the next upload waits for the rows of the last part"
    await office.close()


async def test_a_caller_that_nothing_bounds_owes_nothing(tmp_path: Path) -> None:
    bounded = rates(RateLimit(rows_per_second=1, row_burst=1))
    other = Caller("other", Role.AUDITOR)
    bounded.charge(other, 1_000_000)
    assert bounded.owed_s(other) == 0.0


def test_a_job_and_an_upload_of_one_key_share_a_bucket() -> None:
    limiter = RateLimiter(lambda: 0.0)
    limiter.configure({Role.ANALYST: RateLimit(rows_per_second=10)}, RateLimit())
    made = RowRates(StaticIdentities(ApiKeys(()), limiter))
    made.charge(Caller("desk", Role.ANALYST), 300)
    desk = Principal("desk", Role.ANALYST)
    assert made.owed_s(Caller("desk", Role.ANALYST)) == limiter.rows_wait_s(desk, None) > 0
    assert limiter.refused == {("analyst", "rows"): 1}, "a job that waits is no refusal"
