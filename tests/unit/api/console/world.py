"""The console over the fakes of the API's tests, visited as a browser visits it: with cookies."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx
from msgspec.structs import replace

from api.advice import Adviser
from api.auth import ApiKeys, generate_api_keys
from api.console.gate import Gate
from api.console.pages import create_console
from api.console.render import FOLDER
from api.console.sessions import Limits
from api.console.source import Source
from api.edge import Clock, Edge
from api.metrics import ApiMetrics
from api.settings import ApiSettings
from bulwark.audit.report import Basis, Column, Report
from bulwark.audit.sampling import Sample
from bulwark.ledger.ids import Digest, Height, MemberId, RecordId
from bulwark.ledger.standing import Standing
from bulwark.policies.document import parse_policy
from genesis.policies import shipped_policies
from node.audit.port import Drawing, ReportTitle, ReportWish, SampleWish
from node.disputes.port import DisputePage, DisputeView, FollowUpOutcome, Whose, Wish
from node.governance.policyport import PolicyView, Publication
from node.identity.port import Identities
from node.service import (
    Caller,
    Forbidden,
    Idempotency,
    MemberView,
    NotFound,
    RecordView,
    Role,
    Stage,
)
from tests.unit.api.fake_chain import START_MS, FakeChain
from tests.unit.api.fake_node import MEMBER, FakeNode
from tests.unit.api.fake_openings import FakeOpenings
from tests.unit.api.test_access import Access
from tests.unit.api.test_governance import FakeGovernance
from tests.unit.api.world import Counter

BASE = "http://node:8000"
SESSION = "bulwark_console_8000"
SCRIPT = (FOLDER / "static" / "progress.js").read_text("utf-8")
TICKET = re.compile(r'name="ticket" value="([^"]+)"')
TOKEN = re.compile(r'name="token" value="([^"]+)"')


class ConsoleNode(FakeNode):
    """A fake node that shows its state as a real one does, and whose names can be bent."""

    name = "Bank A"

    def status(self) -> Mapping[str, object]:
        final = self.chain.height("finalized")
        return {
            "member": MEMBER,
            "role": "validator",
            "alliance": "test alliance",
            "chain_id": 1337,
            "genesis_hash": "0x" + "ab" * 32,
            "version": "0.1.0",
            "uptime_ms": 61_000,
            "height": {"executed": self.chain.tip, "finalized": final},
            "halted": None,
            "peers": [{"member": "telco-b", "age_ms": 5_000, "silent_ms": 40}],
            "mempool": {"transactions": 2, "bytes": 1_200},
            "consensus": {
                "view": 3,
                "status": "normal",
                "executed": 2,
                "stable": 1,
                "validators": [
                    {"member": "telco-b", "view": 3, "changing": False, "executed": 2, "age_ms": 9}
                ],
            },
        }

    async def record(self, record_id: RecordId) -> RecordView:
        return replace(await super().record(record_id), standing=Standing())

    def members(self) -> list[MemberView]:
        first, *others = super().members()
        return [replace(first, name=self.name), *others]


BASIS = Basis(Height(7), Digest(b"\x07" * 32), START_MS)
COLUMNS = (
    Column("height", "Block"),
    Column("member", "Member"),
    Column("record", "Record", "record id, hex"),
    Column("time", "Time", "UTC"),
    Column("count", "Count", "records"),
    Column("note", "Note"),
)


@dataclass
class FakeAudit:
    """AuditService with one report of any number of rows."""

    rows: int = 3
    wishes: list[ReportWish] = field(default_factory=list)

    def reports(self) -> list[ReportTitle]:
        return [ReportTitle("sharing", "Sharing register")]

    async def report(self, name: str, wish: ReportWish) -> Report:
        if name != "sharing":
            raise NotFound("there is no such report")
        self.wishes.append(wish)
        last = min(self.rows, wish.after + wish.most)
        rows = tuple(
            (at, "bank-a", "ab" * 32, BASIS.time, 1_234, "=<b>1</b>")
            for at in range(wish.after, last)
        )
        return Report(
            name=name,
            title="Sharing register",
            generated_from=BASIS,
            columns=COLUMNS,
            rows=rows,
            notes=("One note & another.",),
            next=last if last < self.rows else None,
        )

    async def sample(self, wish: SampleWish) -> Sample | Drawing:
        raise NotFound("the console draws no sample")


DISPUTE = DisputeView(
    reference="secret-code-of-a-person",
    dispute_id=RecordId(b"\xd1" * 32),
    record_id=RecordId(b"\xd2" * 32),
    reporter=MemberId("telco-b"),
    member=MEMBER,
    ground=1,
    height=Height(2),
    opened_ms=START_MS,
    due_ms=START_MS + 86_400_000,
    ruling=None,
    status="open",
    refused=None,
    is_for_person=True,
    is_overdue=True,
)


@dataclass
class FakeDisputes:
    """The reading half of DisputesService over two pages."""

    node: FakeNode
    standing: Standing = field(default_factory=Standing)
    asked: list[tuple[Whose, bool, bytes | None]] = field(default_factory=list)

    async def disputes(
        self, whose: Whose, *, open_only: bool, cursor: bytes | None, most: int
    ) -> DisputePage:
        self.asked.append((whose, open_only, cursor))
        return DisputePage((DISPUTE,), b"\x07" * 16 if cursor is None else None)

    async def history(self, record_id: RecordId) -> RecordView:
        return replace(await self.node.record(record_id), standing=self.standing)

    async def dispute(self, reference: str) -> DisputeView:
        raise NotFound("there is no such dispute")

    async def follow(
        self, wish: Wish, *, by: Caller, wait: Stage, idempotency: Idempotency | None
    ) -> FollowUpOutcome:
        raise Forbidden("the console sends no follow-up")


(POLICY,) = (parse_policy(document) for document in shipped_policies())


@dataclass
class FakePolicies:
    """The reading half of PolicyService: the default policy, and a document that is none."""

    found: list[PolicyView] = field(
        default_factory=lambda: [
            PolicyView(b"\xbb" * 32, "published", 0, None, "bank-a", False, None, "is no JSON"),
            PolicyView(POLICY.id, "adopted", 0, None, "", True, POLICY, ""),
        ]
    )

    def policies(self) -> list[PolicyView]:
        return self.found

    def policy(self, name: str) -> PolicyView:
        for view in self.found:
            if view.id.hex() == name:
                return view
        raise NotFound("there is no such policy")

    async def publish(
        self, document: bytes, *, wait: Stage, idempotency: Idempotency | None
    ) -> Publication:
        raise Forbidden("the console publishes nothing")


class ConsoleWorld:
    """The console, what it reads, and the clock of its sessions."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        keys: Identities | None = None,
        clear: Mapping[str, str] | None = None,
        **desks: Any,
    ) -> None:
        """`keys` with their `clear` texts replace the usual ones; `desks` are fields of Source."""
        self.chain = FakeChain()
        self.node = ConsoleNode(self.chain)
        self.governance = FakeGovernance()
        self.openings = FakeOpenings()
        self.access = Access()
        self.audit = FakeAudit()
        self.policies = FakePolicies()
        self.disputes = FakeDisputes(self.node)
        made, hashed = generate_api_keys(Counter())
        self.clear = made if clear is None else dict(clear)
        known = ApiKeys.from_json(json.dumps(hashed).encode()) if keys is None else keys
        self.settings = ApiSettings(bad_attempts=3)
        self.now_ms = 0
        edge = Edge((), known, self.settings, ApiMetrics(), Counter(), Clock())
        source = Source(
            self.node,
            self.chain,
            lambda: START_MS + 60_000,
            self.governance,
            self.openings,
            self.access,
            self.audit,
            self.disputes,
            self.policies,
            adviser=Adviser(self.settings),
        )
        source = dataclasses.replace(source, **desks)
        self.app: Gate = create_console(
            source, edge, self.settings, Counter(), limits, lambda: self.now_ms
        )

    @asynccontextmanager
    async def browser(self, base: str = BASE) -> AsyncIterator[Browser]:
        """A browser that is not logged in."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            yield Browser(client, self)


class Browser:
    """A client with cookies that follows no redirect by itself."""

    def __init__(self, client: httpx.AsyncClient, world: ConsoleWorld) -> None:
        self.client = client
        self._world = world

    async def get(self, path: str, **how: Any) -> httpx.Response:
        """GET a path."""
        return await self.client.get(path, **how)

    async def post(self, path: str, headers: Any = None, **fields: str) -> httpx.Response:
        """POST a form."""
        return await self.client.post(path, data=fields, headers=headers)

    @property
    def identity(self) -> str:
        """The session's id in its cookie, empty without one."""
        return str(self.client.cookies.get(SESSION, ""))

    def plant(self, identity: str) -> None:
        """Put an id into the session's cookie."""
        if self.identity:
            self.client.cookies.delete(SESSION)
        self.client.cookies.set(SESSION, identity, domain="node.local", path="/console")

    async def login(self, role: Role | None, key: str = "", to: str = "/console") -> httpx.Response:
        """Fill the form in with the key of a role, or with any other text."""
        if self.identity:
            self.client.cookies.delete(SESSION)
        form = await self.get("/console/login", params={"next": to})
        shown = self._world.clear[role.value] if role is not None else key
        return await self.post("/console/login", key=shown, token=token_of(form.text), next=to)

    async def send(self, path: str, action: str = "", **fields: str) -> httpx.Response:
        """Fill in the form of a page and send it; `action` if it leads elsewhere than the page."""
        html = (await self.get(path)).text
        action = action or path
        return await self.post(
            action, token=token_of(html), ticket=ticket_of(html, action), **fields
        )

    async def done(self, path: str, action: str = "", **fields: str) -> str:
        """Where a form led that was taken."""
        answer = await self.send(path, action, **fields)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def page(self, path: str, status: int = 200) -> str:
        """HTML of a page with this status, after checking that it is well-formed."""
        answer = await self.get(path)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        check_html(answer.text)
        return answer.text


def token_of(html: str) -> str:
    """The form token in a page."""
    found = TOKEN.search(html)
    assert found is not None, html
    return found[1]


def ticket_of(html: str, action: str) -> str:
    """The ticket of the form that leads to an action."""
    form = html[html.index(f'method="post" action="{action}"') :]
    found = TICKET.search(form)
    assert found is not None, form
    return found[1]


class _Nesting(HTMLParser):
    """Follows which elements are open."""

    VOID = frozenset({"meta", "link", "input", "br", "hr", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert len(given) == len(attrs), f"an attribute of <{tag}> stands twice"
        assert not any(name.startswith("on") or name == "style" for name in given), given
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag in {"h1", "h2", "h3"}:
            self.headings.append(int(tag[1]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()


def check_html(html: str) -> None:
    """Elements are closed in order, ids stand once, headings skip no level, no script or style.

    The one script that pages with progress have is taken out before.
    """
    html = html.replace(f"<script>{SCRIPT}</script>", "", 1)
    parser = _Nesting()
    parser.feed(html)
    parser.close()
    assert not parser.open
    assert len(set(parser.ids)) == len(parser.ids), "an id stands twice"
    assert parser.headings[0] == 1 and parser.headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(parser.headings, parser.headings[1:], strict=False))
    assert "<script" not in html and "<style" not in html and "javascript:" not in html
    assert html.startswith("<!DOCTYPE html>") and '<html lang="en">' in html
