"""`bulwark policy` and /v1/policies as an operator uses them, over a real chain."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from click.testing import Result

from api import policies_schemas as schemas
from api.auth import ApiKeys, generate_api_keys
from api.server import create_app
from api.settings import ApiSettings
from node.service import Role
from tests.unit.api.fake_chain import FakeChain
from tests.unit.api.fake_node import FakeNode
from tests.unit.api.test_governance import FakeGovernance
from tests.unit.api.world import Counter
from tests.unit.node.chain.test_policies import DEFAULT, PSR
from tests.unit.node.governance.test_policydesk import Scene as DeskScene

BASE = "/v1/policies"


class Scene:
    """The application over a policy desk with a chain, and a government in memory."""

    def __init__(self) -> None:
        self.desk = DeskScene(DEFAULT.document)
        self.governance = FakeGovernance()
        self.clear, hashed = generate_api_keys(Counter())
        chain = FakeChain()
        self.app = create_app(
            FakeNode(chain),
            chain,
            ApiKeys.from_json(json.dumps(hashed).encode()),
            ApiSettings(),
            policies=self.desk.desk,
            governance=self.governance,
            random_bytes=Counter(),
        )

    async def ask(self, method: str, path: str, role: Role | None, **how) -> httpx.Response:
        headers = {} if role is None else {"authorization": f"Bearer {self.clear[role]}"}
        headers |= how.pop("headers", {})
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://node") as client:
            return await client.request(method, path, headers=headers, **how)


@pytest.fixture
def scene() -> Iterator[Scene]:
    yield Scene()


@pytest.fixture
def ask(scene: Scene, bulwark: Callable[..., Result], tmp_path: Path) -> Iterator[Callable]:
    """Run `bulwark` against the scene."""
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(scene.app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(dict(scene.clear)))
    yield lambda *words: bulwark(*words, "--url", url, "--key-file", keys)
    server.should_exit = True
    thread.join(20)


def test_a_policy_goes_from_a_file_to_the_ledger_and_to_a_vote(scene, ask, tmp_path) -> None:
    file = tmp_path / "own.json"
    file.write_text(json.dumps(json.loads(PSR.document), indent=2))
    published = ask("policy", "publish", file)
    assert published.exit_code == 0, published.output
    assert PSR.id.hex() in published.output
    listed = ask("policy", "list")
    assert "eu-psr-83" in listed.output and "published" in listed.output
    shown = json.loads(ask("policy", "show", "eu-psr-83", "--json").output)
    assert shown["document"] == json.loads(PSR.document)
    proposed = ask("governance", "propose", "policy", "adopt", "eu-psr-83")
    assert proposed.exit_code == 0, proposed.output
    ((action, *_),) = scene.governance.asked
    assert action.id == PSR.id


def test_a_title_that_the_ledger_has_not_in_that_state_is_not_proposed(scene, ask) -> None:
    result = ask("governance", "propose", "policy", "withdraw", "eu-psr-83")
    assert result.exit_code == 1
    assert "no adopted policy eu-psr-83" in result.output
    assert scene.governance.asked == []


def test_a_file_is_checked_without_a_node_and_a_fault_named_by_its_path(bulwark, tmp_path) -> None:
    good = bulwark("policy", "check", "eu-psr-83", "--json")
    assert json.loads(good.output)["id"] == PSR.id.hex()
    file = tmp_path / "bad.json"
    file.write_text(json.dumps(json.loads(PSR.document) | {"grounds": [{"basis": "greed"}]}))
    bad = bulwark("policy", "check", file)
    assert bad.exit_code == 1
    assert "$.grounds[0].kinds: is missing" in bad.output
    assert bulwark("policy", "check", tmp_path / "none.json").exit_code == 2
    assert bulwark("policy", "show", "../secret", "--url", "http://127.0.0.1:1").exit_code == 2


async def test_every_role_reads_and_an_admin_alone_publishes(scene) -> None:
    for role in Role:
        assert (await scene.ask("GET", BASE, role)).status_code == 200
        answer = await scene.ask("GET", f"{BASE}/alliance-default", role)
        shown = schemas.PolicyOut.model_validate_json(answer.content, strict=True)
        assert shown.default and shown.document == json.loads(DEFAULT.document)
        if role is not Role.ADMIN:
            refused = await scene.ask("POST", BASE, role, json=json.loads(PSR.document))
            assert refused.status_code == 403
    assert (await scene.ask("GET", BASE, None)).status_code == 401
    made = await scene.ask("POST", BASE, Role.ADMIN, json=json.loads(PSR.document))
    assert made.status_code == 201
    assert made.headers["location"] == f"{BASE}/{PSR.id.hex()}"
    again = await scene.ask("POST", BASE, Role.ADMIN, json=json.loads(PSR.document))
    assert again.status_code == 409
    assert "policy known" in again.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "$.consent_receipt"),
        (b"nonsense", "$"),
        (b'{"a":1,"a":2}', "$"),
        (b'{"title":"\xff"}', "$"),
    ],
)
async def test_a_fault_in_the_body_is_named_by_its_json_path(scene, body, field) -> None:
    headers = {"content-type": "application/json"}
    answer = await scene.ask("POST", BASE, Role.ADMIN, content=body, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize(("name", "status"), [("nobody", 404), ("ab" * 32, 404), ("A%20B", 400)])
async def test_a_policy_that_is_not_there_is_404_and_no_name_is_400(scene, name, status) -> None:
    assert (await scene.ask("GET", f"{BASE}/{name}", Role.AUDITOR)).status_code == status


async def test_the_documented_fields_are_those_of_a_document(scene) -> None:
    shipped = schemas.PolicyIn.model_validate_json(PSR.document, strict=True)
    assert shipped.model_dump() == json.loads(PSR.document)
    paths = (await scene.ask("GET", "/v1/openapi.json", Role.AUDITOR)).json()["paths"]
    assert {path for path in paths if path.startswith(BASE)} == {BASE, f"{BASE}/{{policy_id}}"}
