"""API keys, who asks, and reload over REST: the real desk over a file, the fake node beside it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.auth import generate_api_keys
from api.server import create_app
from api.settings import ApiSettings
from bulwark.ledger.accesslog import AccessKind
from node.clock import Clock
from node.config import NodeConfig, load_config
from node.guarded.atrest import AtRest
from node.identity.desk import LOCAL, IdentityDesk
from node.identity.keyfile import KeyFile
from node.identity.keyuse import KeyMemory
from node.identity.reload import Reloader, is_at_run_time, settings_of
from node.service import Role
from node.storage.memory import MemoryStore
from tests.unit.api.fake_chain import FakeChain
from tests.unit.api.fake_node import FakeNode
from tests.unit.api.world import PHONE, QUESTION, Counter, ndjson, problem_of


class Place:
    """A home with keys, its desk, its reloader, and the application over them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.clear, hashed = generate_api_keys(Counter())
        (home / "api_keys.json").write_text(json.dumps(hashed), "utf-8")
        self.settings("")
        self.told: list[tuple[str, str, str, int]] = []
        self.kinds: list[AccessKind] = []
        self.store = MemoryStore()
        self.desk = self.make_desk()
        chain = FakeChain()
        self.relistened = 0
        config = load_config(home)
        self.reloader = Reloader(home, config, self.desk, self, self.relisten)
        self.desk.reload_with(self.reloader.reload)
        self.app = create_app(FakeNode(chain), chain, self.desk, ApiSettings(), identity=self.desk)

    def make_desk(self) -> IdentityDesk:
        memory = KeyMemory(self.store, AtRest(bytes(32), b"api-keys", Counter()))
        return IdentityDesk(self.home, load_config(self.home), self, memory, Clock())

    def settings(self, text: str) -> None:
        (self.home / "node.toml").write_text(f'member = "northbank"\n{text}', "utf-8")

    async def relisten(self, context: object) -> None:
        self.relistened += 1

    def administering(
        self, who: str, role: str, action: str, subject: str = "", *,
        kind: AccessKind = AccessKind.ADMINISTRATION, count: int = 1,
    ) -> None:  # fmt: skip
        self.told.append((who, action, subject, count))
        self.kinds.append(kind)

    @asynccontextmanager
    async def client(self, key: str) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(self.app)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://node", headers=headers
        ) as client:
            yield client

    async def ask(
        self, method: str, path: str, role: Role = Role.ADMIN, key: str | None = None, **how: Any
    ) -> httpx.Response:
        async with self.client(self.clear[role] if key is None else key) as client:
            return await client.request(method, path, **how)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_a_key_is_made_shown_rotated_and_revoked(place: Place) -> None:
    wish = {
        "role": "analyst", "id": "desk-7", "label": "case tool",
        "expires": "2999-01-01T00:00:00Z", "networks": ["127.0.0.0/8"], "limit": {"per_second": 9},
    }  # fmt: skip
    made = await place.ask("POST", "/v1/api-keys", json=wish)
    assert made.status_code == 201 and made.headers["location"] == "/v1/api-keys/desk-7"
    entry = made.json()["entry"]
    assert {name: entry[name] for name in ("id", "role", "label", "networks", "limit")} == {
        name: wish[name] for name in ("id", "role", "label", "networks", "limit")
    }
    assert "sha256" not in made.text
    first = made.json()["key"]
    who = (await place.ask("GET", "/v1/whoami", key=first)).json()
    assert (who["id"], who["via"], who["limit"]) == ("desk-7", "api-key", {"per_second": 9})
    shown = (await place.ask("GET", "/v1/api-keys/desk-7")).json()
    assert shown["state"] == "active" and shown["last_used"] is not None
    turned = await place.ask("POST", "/v1/api-keys/desk-7/rotate")
    second = turned.json()["key"]
    assert turned.json()["entry"]["previous_until"] is not None and second != first
    for key in (first, second):
        assert (await place.ask("GET", "/v1/whoami", key=key)).status_code == 200
    ended = await place.ask("DELETE", "/v1/api-keys/desk-7")
    assert ended.json()["state"] == "revoked"
    for key in (first, second):
        problem_of(await place.ask("GET", "/v1/whoami", key=key), 401, "unauthenticated")
    actions = [(who, action, subject) for who, action, subject, _ in place.told]
    assert actions[:3] == [
        ("admin", f"api-key.{what}", "desk-7") for what in ("created", "rotated", "revoked")
    ]
    listed = (await place.ask("GET", "/v1/api-keys")).json()["keys"]
    assert [key["id"] for key in listed][-1] == "desk-7"


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
async def test_only_administrators_see_or_change_keys(place: Place, role: Role) -> None:
    for method, path in (
        ("GET", "/v1/api-keys"), ("POST", "/v1/api-keys"), ("GET", "/v1/api-keys/admin"),
        ("DELETE", "/v1/api-keys/admin"), ("POST", "/v1/api-keys/admin/rotate"),
        ("POST", "/v1/node/reload"),
    ):  # fmt: skip
        problem_of(await place.ask(method, path, role), 403, "forbidden")
    assert (await place.ask("GET", "/v1/whoami", role)).json()["role"] == role.value
    assert place.told == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "role"),
        ({"role": "root"}, "role"),
        ({"role": ["admin"]}, "role"),
        ({"role": "admin", "id": "A b"}, "id"),
        ({"role": "admin", "label": "x" * 101}, "label"),
        ({"role": "admin", "label": 5}, "label"),
        ({"role": "admin", "expires": "2020-01-01T00:00:00Z"}, "expires"),
        ({"role": "admin", "expires": 5}, "expires"),
        ({"role": "admin", "networks": ["10.0.0.1/8"]}, "networks"),
        ({"role": "admin", "networks": {}}, "networks"),
        ({"role": "admin", "limit": {"per_second": -1}}, "limit"),
        ({"role": "admin", "limit": []}, "limit"),
        ({"role": "admin", "more": 1}, "body"),
    ],
)
async def test_a_wish_that_can_not_be_met_names_the_field(
    place: Place, body: dict[str, Any], field: str
) -> None:
    before = (place.home / "api_keys.json").read_bytes()
    problem = problem_of(await place.ask("POST", "/v1/api-keys", json=body), 422, "invalid")
    assert problem["errors"][0]["field"] == field
    assert (place.home / "api_keys.json").read_bytes() == before


async def test_wishes_against_what_is_there_are_refused(place: Place) -> None:
    taken = {"role": "analyst", "id": "admin"}
    problem_of(await place.ask("POST", "/v1/api-keys", json=taken), 409, "conflict")
    problem_of(await place.ask("DELETE", "/v1/api-keys/nobody"), 404, "not-found")
    problem_of(await place.ask("POST", "/v1/api-keys/nobody/rotate"), 404, "not-found")
    problem_of(await place.ask("GET", "/v1/api-keys/A%20b"), 400, "invalid")
    last = problem_of(await place.ask("DELETE", "/v1/api-keys/admin"), 409, "conflict")
    assert "last key of an administrator" in last["detail"]
    overlap = {"overlap_seconds": 10**9}
    path = "/v1/api-keys/admin/rotate"
    problem_of(await place.ask("POST", path, json=overlap), 422, "invalid")
    (place.home / "api_keys.json").write_text("{", "utf-8")
    problem_of(await place.ask("DELETE", "/v1/api-keys/analyst"), 503, "unavailable")


async def test_the_file_is_taken_over_when_it_changes_and_a_broken_one_is_not(
    place: Place,
) -> None:
    file = KeyFile(place.home / "api_keys.json")
    place.desk._tell_keys(LOCAL)
    file.revoke("analyst", 1_800_000_000_000)
    place.desk.look()
    answer = await place.ask("GET", "/v1/whoami", Role.ANALYST)
    assert problem_of(answer, 401, "unauthenticated")["detail"] == "this key was revoked"
    assert place.told == [
        ("local", "api-key.revoked", "analyst", 1),
        ("", "api-key", "127.0.0.1", 1),
    ]
    file.path.write_text("{", "utf-8")
    place.desk.look()
    assert (await place.ask("GET", "/v1/whoami")).status_code == 200


async def test_what_changed_while_the_node_was_stopped_is_told_at_its_next_start(
    place: Place,
) -> None:
    place.desk._tell_keys(LOCAL)
    assert (await place.ask("GET", "/v1/whoami")).status_code == 200
    place.desk._memory.write()
    file = KeyFile(place.home / "api_keys.json")
    file.rotate("reporter", 0, 1)
    document = json.loads(file.path.read_bytes())
    document["keys"] = [entry for entry in document["keys"] if entry["id"] != "operator"]
    document["keys"][0]["label"] = "changed by hand"
    file.path.write_text(json.dumps(document), "utf-8")
    again = place.make_desk()
    again._tell_keys(LOCAL)
    assert sorted(action + " " + subject for _, action, subject, _ in place.told) == [
        "api-key.removed operator", "api-key.rotated reporter",
    ]  # fmt: skip
    again._tell_keys(LOCAL)
    assert len(place.told) == 2
    assert again.key_view("admin").last_used_ms is not None
    held = b"".join(value for _, value in place.store.iterate(b""))
    assert b"reporter" not in held


async def test_refused_log_ins_are_told_at_once_and_then_together(place: Place) -> None:
    for _ in range(8):
        assert (await place.ask("GET", "/v1/whoami", key="x" * 43)).status_code == 401
    assert place.told == [("", "api-key", "127.0.0.1", 1)]
    assert place.kinds == [AccessKind.REFUSED_LOG_IN]
    refusals = place.desk._refusals
    refusals.tell_due(place.desk._now_s() + 61)
    refusals.tell_due(place.desk._now_s() + 62)
    assert place.told[1:] == [("", "api-key", "127.0.0.1", 7)]


async def test_rates_come_with_headers_and_rows_are_owed(place: Place) -> None:
    place.settings(
        "[limits.reporter]\nper_second = 100\nburst = 4\nrows_per_second = 1\nrow_burst = 2\n"
    )
    assert (await place.ask("POST", "/v1/node/reload")).json()["taken"] == [
        f"limits.reporter.{name}"
        for name in ("burst", "per_second", "row_burst", "rows_per_second")
    ]
    headers = {"content-type": "application/x-ndjson"}
    rows = ndjson([PHONE] * 10)
    first = await place.ask(
        "POST", "/v1/indicators/batches", Role.REPORTER, content=rows, headers=headers
    )
    assert first.status_code == 200 and first.headers["ratelimit-policy"] == '"reporter";q=4;w=1'
    second = await place.ask(
        "POST", "/v1/indicators/batches", Role.REPORTER, content=rows, headers=headers
    )
    assert "rows" in problem_of(second, 429, "busy")["detail"]
    assert 5 <= int(second.headers["retry-after"]) <= 10
    one = await place.ask("POST", "/v1/screenings", Role.REPORTER, json=QUESTION)
    assert one.status_code == 200  # what is no upload owes nothing


async def test_a_reload_is_all_or_nothing_and_names_what_wants_a_restart(place: Place) -> None:
    place.settings('[log]\nlevel = "warning"\n[storage]\npath = "elsewhere"\n')
    done = (await place.ask("POST", "/v1/node/reload")).json()
    assert done == {"taken": ["log.level"], "restart": ["storage.path"]}
    again = (await place.ask("POST", "/v1/node/reload")).json()
    assert again == {"taken": [], "restart": ["storage.path"]}  # until it has had one
    place.settings('[http]\ncertificate = "none.pem"\n[log]\nlevel = "info"\n')
    problem = problem_of(await place.ask("POST", "/v1/node/reload"), 422, "invalid")
    assert "nothing was changed" in problem["detail"] and "none.pem" in problem["detail"]
    place.settings("[log]\nlevel = 5\n")
    problem_of(await place.ask("POST", "/v1/node/reload"), 422, "invalid")
    assert place.relistened == 0
    assert [action for _, action, _, _ in place.told] == [
        "config.reload", "config.reload", "config.reload.refused", "config.reload.refused",
    ]  # fmt: skip


def test_every_setting_is_either_reloaded_or_wants_a_restart() -> None:
    names = settings_of(NodeConfig(member="northbank"))
    taken = {name for name in names if is_at_run_time(name)}
    assert {"log.level", "http.users", "limits.admin.burst", "oidc.roles"} <= taken
    assert not taken & {"member", "http.port", "log.file", "storage.path", "network.listen_port"}
