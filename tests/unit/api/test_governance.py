"""Governance over REST: who may vote, what is read, and how a refusal looks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from api import governance_schemas as schemas
from api.auth import ApiKeys, generate_api_keys
from api.server import create_app
from api.settings import ApiSettings
from bulwark.ledger.ids import Digest, Height
from contracts.actions import Action, SetParameter
from node.governance.documents import FIELDS, action_of, document_of
from node.governance.port import (
    DryRun,
    Finding,
    GovernedMember,
    ParameterView,
    ProposalView,
    Quorum,
    VoteOutcome,
    Weight,
)
from node.service import Conflict, Forbidden, Idempotency, NotFound, Role, Stage
from tests.unit.api.fake_chain import FakeChain
from tests.unit.api.fake_node import FakeNode
from tests.unit.api.world import Counter, problem_of

ACTION = {"kind": "set_parameter", "name": "rotation", "value": 32}
VIEW = ProposalView(1, "open", "bank-a", 1_800_000_000_000, ACTION, ("bank-a",), 3, 4, None)
BASE = "/v1/governance"
READERS = {Role.ADMIN, Role.OPERATOR, Role.AUDITOR}


@dataclass
class FakeGovernance:
    """GovernanceService over a list."""

    found: list[ProposalView] = field(default_factory=lambda: [VIEW])
    asked: list[object] = field(default_factory=list)
    failure: Exception | None = None
    stage: Stage = Stage.EXECUTED

    def members(self) -> Sequence[GovernedMember]:
        word = "00" * 32
        roles = ("validator",)
        return [GovernedMember("bank-a", "0x01", "0x02", roles, word, word, word, True, None)]

    def parameters(self) -> Sequence[ParameterView]:
        return [ParameterView("rotation", 16, True, 1, 1 << 20)]

    def proposals(self, *, open_only: bool) -> Sequence[ProposalView]:
        return [view for view in self.found if view.state == "open" or not open_only]

    def proposal(self, proposal_id: int) -> ProposalView:
        for view in self.found:
            if view.id == proposal_id:
                return view
        raise NotFound(f"there is no proposal {proposal_id} on the ledger")

    def dry_run(self, action: Action) -> DryRun:
        self.asked.append(action)
        finding = Finding(Weight.UNSAFE, "below-quorum", "2 of 4")
        return DryRun(Quorum(4, 3, 1, 3), Quorum(4, 3, 1, 3), ("bank-a",), ("b",), (finding,))

    async def propose(
        self,
        action: Action,
        *,
        lifetime_s: int,
        force: bool,
        wait: Stage,
        idempotency: Idempotency | None,
    ) -> VoteOutcome:
        self.asked.append((action, lifetime_s, force, wait, idempotency))
        return self._outcome(1)

    async def approve(
        self, proposal_id: int, *, force: bool, wait: Stage, idempotency: Idempotency | None
    ) -> VoteOutcome:
        self.asked.append((proposal_id, force, wait, idempotency))
        return self._outcome(proposal_id)

    async def withdraw(
        self, proposal_id: int, *, wait: Stage, idempotency: Idempotency | None
    ) -> VoteOutcome:
        self.asked.append((proposal_id, wait, idempotency))
        return self._outcome(proposal_id)

    def _outcome(self, proposal_id: int) -> VoteOutcome:
        if self.failure is not None:
            raise self.failure
        if self.stage < Stage.EXECUTED:
            return VoteOutcome(Digest(b"\1" * 32), self.stage, None, None)
        return VoteOutcome(Digest(b"\1" * 32), self.stage, Height(5), self.proposal(proposal_id))


class Scene:
    """The application with a fake government."""

    def __init__(self) -> None:
        self.governance = FakeGovernance()
        self.clear, hashed = generate_api_keys(Counter())
        chain = FakeChain()
        self.app = create_app(
            FakeNode(chain),
            chain,
            ApiKeys.from_json(json.dumps(hashed).encode()),
            ApiSettings(),
            governance=self.governance,
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


@pytest.fixture
def scene() -> Scene:
    return Scene()


ROUTES = [
    ("GET", f"{BASE}/members", READERS),
    ("GET", f"{BASE}/parameters", READERS),
    ("GET", f"{BASE}/proposals", READERS),
    ("GET", f"{BASE}/proposals/1", READERS),
    ("POST", f"{BASE}/dry-run", READERS),
    ("POST", f"{BASE}/proposals", {Role.ADMIN}),
    ("POST", f"{BASE}/proposals/1/approve", {Role.ADMIN}),
    ("POST", f"{BASE}/proposals/1/withdraw", {Role.ADMIN}),
]


@pytest.mark.parametrize(("method", "path", "allowed"), ROUTES)
async def test_admins_vote_and_auditors_and_operators_read(scene, method, path, allowed) -> None:
    for role in Role:
        answer = await scene.ask(method, path, role)
        assert (answer.status_code != 403) == (role in allowed), role
    problem_of(await scene.ask(method, path, None), 401, "unauthenticated")


async def test_a_node_without_governance_has_no_such_routes() -> None:
    scene = Scene()
    chain = FakeChain()
    _, hashed = generate_api_keys(Counter())
    keys = ApiKeys.from_json(json.dumps(hashed).encode())
    scene.app = create_app(FakeNode(chain), chain, keys, ApiSettings(), random_bytes=Counter())
    assert (await scene.ask("GET", f"{BASE}/members")).status_code == 404


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("members", schemas.GovernedMembersOut),
        ("parameters", schemas.ParametersOut),
        ("proposals", schemas.ProposalsOut),
        ("proposals?state=open", schemas.ProposalsOut),
        ("proposals/1", schemas.ProposalOut),
    ],
)
async def test_what_is_read_fits_its_model(scene, path, model) -> None:
    answer = await scene.ask("GET", f"{BASE}/{path}", Role.AUDITOR)
    assert answer.status_code == 200
    model.model_validate_json(answer.content, strict=True)


async def test_open_proposals_are_listed_alone(scene) -> None:
    scene.governance.found.append(replace(VIEW, id=2, state="lapsed"))
    every = (await scene.ask("GET", f"{BASE}/proposals")).json()["proposals"]
    still = (await scene.ask("GET", f"{BASE}/proposals?state=open")).json()["proposals"]
    assert ([p["id"] for p in every], [p["id"] for p in still]) == ([1, 2], [1])
    problem_of(await scene.ask("GET", f"{BASE}/proposals?state=x"), 400, "invalid")
    problem_of(await scene.ask("GET", f"{BASE}/proposals?x=1"), 400, "malformed")


async def test_a_proposal_is_passed_on_and_answered_with_its_place(scene) -> None:
    body = {"action": ACTION, "lifetime_s": 60, "force": True}
    answer = await scene.ask(
        "POST",
        f"{BASE}/proposals?wait=finalized",
        json=body,
        headers={"idempotency-key": "k"},
    )
    assert answer.status_code == 201
    schemas.VoteOut.model_validate_json(answer.content, strict=True)
    assert answer.headers["location"] == f"{BASE}/proposals/1"
    ((action, lifetime_s, force, wait, idempotency),) = scene.governance.asked
    assert action == SetParameter("rotation", 32)
    assert (lifetime_s, force, wait) == (60, True, Stage.FINALIZED)
    assert idempotency.key == "k"


async def test_a_vote_that_is_on_its_way_is_202_without_a_proposal(scene) -> None:
    scene.governance.stage = Stage.ACCEPTED
    answer = await scene.ask("POST", f"{BASE}/proposals?wait=accepted", json={"action": ACTION})
    assert (answer.status_code, answer.json()["proposal"]) == (202, None)
    assert "location" not in answer.headers


async def test_votes_go_with_and_without_a_body(scene) -> None:
    assert (await scene.ask("POST", f"{BASE}/proposals/1/approve")).status_code == 201
    forced = await scene.ask("POST", f"{BASE}/proposals/1/approve", json={"force": True})
    assert forced.status_code == 201
    assert (await scene.ask("POST", f"{BASE}/proposals/1/withdraw")).status_code == 201
    assert [call[1] for call in scene.governance.asked] == [False, True, Stage.EXECUTED]


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (Conflict("bulwark: already approved"), 409, "conflict"),
        (Forbidden("member bank-a has no role validator on the ledger"), 403, "forbidden"),
        (NotFound("there is no proposal 1"), 404, "not-found"),
    ],
)
async def test_what_the_node_refuses_is_told_with_its_reason(scene, failure, status, code) -> None:
    scene.governance.failure = failure
    for path in ("proposals", "proposals/1/approve", "proposals/1/withdraw"):
        body = {"json": {"action": ACTION}} if path == "proposals" else {}
        answer = await scene.ask("POST", f"{BASE}/{path}", **body)
        assert problem_of(answer, status, code)["detail"] == failure.detail


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "action"),
        ({"action": 1}, "action"),
        ({"action": {"kind": "x"}}, "action.kind"),
        ({"action": {"kind": "remove_member"}}, "action.id"),
        ({"action": {"kind": "remove_member", "id": "A"}}, "action.id"),
        ({"action": {"kind": "remove_member", "id": "a", "x": 1}}, "action.x"),
        ({"action": {"kind": "set_roles", "id": "a", "roles": ["x"]}}, "action.roles"),
        ({"action": {"kind": "set_roles", "id": "a", "roles": "x"}}, "action.roles"),
        ({"action": {"kind": "set_tls_pins", "id": "a", "tls_pin": "0x"}}, "action.tls_pin"),
        (
            {"action": {"kind": "set_keys", "id": "a", "node": "1", "account": "1"}},
            "action.node",
        ),
        ({"action": ACTION | {"name": "speed"}}, "action.name"),
        ({"action": ACTION | {"value": 0}}, "action.value"),
        ({"action": ACTION | {"value": True}}, "action.value"),
        ({"action": ACTION, "x": 1}, "x"),
        ({"action": ACTION, "force": 1}, "force"),
        ({"action": ACTION, "lifetime_s": 0}, "lifetime_s"),
        ({"action": ACTION, "lifetime_s": 90 * 86_400}, "lifetime_s"),
        ({"action": ACTION, "lifetime_s": "1"}, "lifetime_s"),
    ],
)
async def test_a_faulty_body_is_refused_field_by_field(scene, body, field) -> None:
    document = problem_of(await scene.ask("POST", f"{BASE}/proposals", json=body), 422, "invalid")
    assert document["errors"][0]["field"] == field
    assert not scene.governance.asked


@pytest.mark.parametrize("number", ["0", "-1", "x", "1" * 19, "01"])
async def test_a_proposal_is_named_by_a_number(scene, number) -> None:
    answer = await scene.ask("GET", f"{BASE}/proposals/{number}")
    problem_of(answer, 400, "invalid")
    problem_of(await scene.ask("POST", f"{BASE}/proposals/{number}/approve"), 400, "invalid")


async def test_a_dry_run_shows_quorums_and_findings(scene) -> None:
    answer = await scene.ask("POST", f"{BASE}/dry-run", Role.AUDITOR, json={"action": ACTION})
    assert answer.status_code == 200
    shown = schemas.DryRunOut.model_validate_json(answer.content, strict=True)
    assert (shown.allowed, shown.before.quorum, shown.missing) == (False, 3, ["b"])
    assert shown.findings[0].weight == "unsafe"


async def test_the_documented_actions_are_those_that_are_read(scene) -> None:
    documented = {
        model.model_fields["kind"].annotation.__args__[0]: set(model.model_fields) - {"kind"}
        for model in (
            schemas.AddMemberIn,
            schemas.RemoveMemberIn,
            schemas.SetKeysIn,
            schemas.SetTlsPinsIn,
            schemas.SetRolesIn,
            schemas.SetParameterIn,
            schemas.AdoptPolicyIn,
            schemas.WithdrawPolicyIn,
            schemas.SuspendMemberIn,
            schemas.ReinstateIn,
        )
    }
    assert documented == {kind: {*need, *may} for kind, (need, may) in FIELDS.items()}
    document = (await scene.ask("GET", "/v1/openapi.json")).json()
    paths = {path for path in document["paths"] if path.startswith(BASE)}
    assert paths == {path.replace("/1", "/{proposal_id}") for _, path, _ in ROUTES}


def test_documents_of_actions_are_read_back() -> None:
    word, address = "ab" * 32, "0x" + "cd" * 20
    for document in (
        {"kind": "remove_member", "id": "a"},
        {"kind": "set_roles", "id": "a", "roles": ["validator", "deployer"]},
        {"kind": "set_tls_pins", "id": "a", "tls_pin": word, "next_tls_pin": word},
        {"kind": "set_keys", "id": "a", "node": address, "account": address, "oprf_key": word},
        ACTION,
        {"kind": "adopt_policy", "policy": word},
        {"kind": "withdraw_policy", "policy": word},
        {"kind": "suspend_member", "id": "a", "evidence": word},
        {"kind": "reinstate", "id": "a"},
        {
            "kind": "add_member",
            "id": "a",
            "node": address,
            "account": address,
            "roles": [],
            "oprf_key": word,
            "tls_pin": word,
            "next_tls_pin": word,
        },
    ):
        assert document_of(action_of(document)) == document
