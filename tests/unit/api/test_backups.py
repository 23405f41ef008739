"""The stream of a node's database over REST: for the admin alone, one at a time, whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api.server import create_app
from node.backup.desk import BackupDesk
from node.backup.settings import BackupConfig
from node.backup.source import decoded, messages_of
from node.clock import Clock
from node.service import Caller, Role
from tests.unit.api.world import World, problem_of
from tests.unit.node.execution.alliance import ACCOUNTS, NOWHERE, Node, call

PATH = "/v1/node/database"


@pytest.fixture
def desk() -> Iterator[BackupDesk]:
    node = Node()
    node.block(call(ACCOUNTS[0], 0, NOWHERE))
    made = BackupDesk(node.store, lambda: None, BackupConfig(), Clock().now_ms)
    yield made
    made.close()


@pytest.fixture
def world(desk: BackupDesk) -> World:
    made = World()
    made.app = create_app(
        made.node, made.chain, made.keys, made.settings, backups=desk, random_bytes=made.random
    )
    return made


async def test_an_admin_gets_the_whole_database(world: World, desk: BackupDesk) -> None:
    answer = await world.ask("GET", PATH, Role.ADMIN)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    wanted = list(messages_of(desk._store.snapshot(), None))
    assert list(decoded([answer.content])) == wanted
    assert (await world.ask("GET", PATH, Role.ADMIN)).status_code == 200, "it let go of the first"


@pytest.mark.parametrize("role", [None, *(role for role in Role if role is not Role.ADMIN)])
async def test_nobody_else_gets_a_byte(world: World, role: Role | None) -> None:
    answer = await world.ask("GET", PATH, role)
    problem_of(answer, 401, "unauthenticated") if role is None else problem_of(
        answer, 403, "forbidden"
    )


async def test_a_second_one_is_told_to_come_back(world: World, desk: BackupDesk) -> None:
    first = await desk.database(by=Caller("key", Role.ADMIN))
    answer = await world.ask("GET", PATH, Role.ADMIN)
    problem_of(answer, 429, "busy")
    assert "retry-after" in answer.headers
    await first.aclose()


async def test_a_query_is_refused(world: World) -> None:
    answer = await world.ask("GET", f"{PATH}?part=all", Role.ADMIN)
    problem_of(answer, 400, "malformed")
