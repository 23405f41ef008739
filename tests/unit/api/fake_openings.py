"""OpeningsService over a list, and an application that serves it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from msgspec.structs import replace

from api.auth import ApiKeys, generate_api_keys
from api.server import create_app
from api.settings import ApiSettings
from bulwark.ledger.ids import Digest, Height
from node.openings.port import (
    CaseOutcome,
    CaseView,
    CaseVote,
    Finished,
    StatementPage,
    StatementView,
)
from node.service import Idempotency, NotFound, Role, Stage
from tests.unit.api.fake_chain import FakeChain
from tests.unit.api.fake_node import FakeNode
from tests.unit.api.world import Counter

CASE = bytes([0xCA]) * 32
VIEW = CaseView(
    case_id=CASE,
    state="open",
    regulator="regulator",
    evaluator="bank-b",
    statement_hash=b"\x01" * 32,
    basis_hash=b"\x02" * 32,
    needed=3,
    voters=4,
    approvals=1,
    rejections=0,
    partials=0,
    height=Height(4),
    deadline_ms=1_800_000_000_000,
    result_hash=None,
    votes=(CaseVote("bank-a", True),),
    posted=("bank-b",),
    stale=("bank-c",),
)
STATEMENT = StatementView(
    statement_hash=b"\x01" * 32,
    nullifier=b"\x03" * 32,
    epoch=20,
    scope=1,
    slot=7,
    ring_size=4,
    interval=(20, 3),
    obstacle=None,
)
RECORD = {"format": "bulwark-opening/1", "result": "00", "served": "00", "sealed": {}, "state": []}

EXCULPATION = {
    "format": "bulwark-exculpation/1",
    "exculpation": "00",
    "member_key": "05" * 32,
    "served": "00",
    "sealed": {},
    "state": [],
}


@dataclass
class FakeOpenings:
    """Notes what it is asked."""

    found: list[CaseView] = field(default_factory=lambda: [VIEW])
    asked: list[object] = field(default_factory=list)
    failure: Exception | None = None
    stage: Stage = Stage.EXECUTED
    shown: Mapping[str, object] = field(default_factory=lambda: RECORD)
    bad: tuple[tuple[str, str], ...] = (("bank-d", "its proof does not hold"),)

    def cases(self, *, open_only: bool) -> Sequence[CaseView]:
        return [view for view in self.found if view.state == "open" or not open_only]

    def case(self, case_id: bytes) -> CaseView:
        for view in self.found:
            if view.case_id == case_id:
                return view
        raise NotFound("there is no such case on the ledger")

    async def statements(self, evaluator: str, cursor: bytes | None, most: int) -> StatementPage:
        self.asked.append(("statements", evaluator, cursor, most))
        if self.failure is not None:
            raise self.failure
        following = b"\x07" * 44 if cursor is None else None
        views = (STATEMENT, replace(STATEMENT, interval=None, obstacle="the ring proof is bad"))
        return StatementPage(views, following)

    async def request(
        self,
        statement_hash: bytes,
        basis_hash: bytes,
        *,
        wait: Stage,
        idempotency: Idempotency | None,
    ) -> CaseOutcome:
        self.asked.append(("request", statement_hash, basis_hash, wait, idempotency))
        return self._outcome(CASE)

    async def vote(
        self, case_id: bytes, *, approve: bool, wait: Stage, idempotency: Idempotency | None
    ) -> CaseOutcome:
        self.asked.append(("vote", case_id, approve, wait))
        return self._outcome(case_id)

    async def finish(self, case_id: bytes, *, wait: Stage) -> Finished:
        self.asked.append(("finish", case_id, wait))
        return Finished(self._outcome(case_id), b"\x05" * 32, "bank-a", b"\x06" * 32, self.bad)

    def record(self, case_id: bytes) -> Mapping[str, object]:
        self.case(case_id)
        if self.failure is not None:
            raise self.failure
        return self.shown

    async def exculpation(self, case_id: bytes) -> Mapping[str, object]:
        self.asked.append(("exculpation", case_id))
        self.case(case_id)
        if self.failure is not None:
            raise self.failure
        return EXCULPATION

    def _outcome(self, case_id: bytes) -> CaseOutcome:
        if self.failure is not None:
            raise self.failure
        if self.stage < Stage.EXECUTED:
            return CaseOutcome(Digest(b"\1" * 32), self.stage, None, None)
        return CaseOutcome(Digest(b"\1" * 32), self.stage, Height(5), self.case(case_id))


class OpeningsApp:
    """The application with fake openings."""

    def __init__(self) -> None:
        self.openings = FakeOpenings()
        self.clear, hashed = generate_api_keys(Counter())
        chain = FakeChain()
        self.app = create_app(
            FakeNode(chain),
            chain,
            ApiKeys.from_json(json.dumps(hashed).encode()),
            ApiSettings(),
            openings=self.openings,
            random_bytes=Counter(),
        )

    async def ask(
        self, method: str, path: str, role: Role | None = Role.ADMIN, **how: Any
    ) -> httpx.Response:
        headers = {} if role is None else {"authorization": f"Bearer {self.clear[role]}"}
        headers |= how.pop("headers", {})
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://node") as client:
            return await client.request(method, path, headers=headers, **how)
