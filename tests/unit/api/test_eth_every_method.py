"""Every method of the dispatch table, called on a real chain of ours, answers in its form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.eth import ChainMethods
from api.settings import ApiSettings
from node.service import Role
from tests.fuzz import smallchain
from tests.fuzz.targets.rpc import methods
from tests.unit.api.fake_node import FakeNode
from tests.unit.api.realchain import RealWorld, real_world
from tests.unit.api.test_eth_forms import SCHEMA, check_form
from tests.unit.api.test_execution_apis import SHARED
from tests.unit.api.test_execution_apis import check_form as check_shared_form
from tests.unit.api.world import Counter

NO_ANSWER = {"eth_getFilterChanges", "eth_getFilterLogs", "eth_uninstallFilter"}
"""Called with the id of a filter below."""


@pytest.fixture(scope="module")
def world() -> Iterator[RealWorld]:
    with real_world(smallchain.build()) as made:
        yield made


def table(world: RealWorld) -> set[str]:
    service: Any = FakeNode()
    return set(ChainMethods(world.reader, service, ApiSettings(), Counter(), lambda: 1).table())


def test_the_list_of_calls_has_every_method_that_is_served(world: RealWorld) -> None:
    assert table(world) <= set(methods())


@pytest.mark.parametrize("name", sorted(set(methods()) - NO_ANSWER))
async def test_a_method_answers_in_its_published_form(world: RealWorld, name: str) -> None:
    if name not in table(world):
        assert (await world.error(name))["code"] == -32601
        return
    for params in methods()[name]:
        if params == ["0x02f8"]:
            continue  # no transaction
        answer = await world.ask(name, *params, role=Role.OPERATOR)
        if name in ("eth_call", "eth_estimateGas", "eth_fillTransaction") and "error" in answer:
            assert answer["error"]["code"] in (3, -32000, -32602), answer
            continue
        assert "result" in answer, answer
        if name in SCHEMA["results"]:
            check_form(name, answer["result"])


async def test_filters_of_each_kind_answer_in_their_form(world: RealWorld) -> None:
    for name in ("eth_newFilter", "eth_newBlockFilter", "eth_newPendingTransactionFilter"):
        identifier = await world.result(name, *methods()[name][0])
        assert await world.result("eth_getFilterChanges", identifier) == []
        if name == "eth_newFilter":
            check_form("eth_getFilterLogs", await world.result("eth_getFilterLogs", identifier))
        check_form("eth_uninstallFilter", await world.result("eth_uninstallFilter", identifier))


@pytest.mark.data
@pytest.mark.skipif(not Path(SHARED).is_dir(), reason="the shared vectors are not beside this tree")
async def test_the_published_forms_are_those_of_the_shared_document(world: RealWorld) -> None:
    for name in sorted(set(SCHEMA["results"]) - NO_ANSWER):
        answer = await world.ask(name, *methods()[name][0])
        if "result" in answer:
            check_shared_form(name, answer["result"])
