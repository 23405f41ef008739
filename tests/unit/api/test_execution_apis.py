"""The published cases of Ethereum's execution APIs, replayed on their own chain.

Every case is in `cases.json`: `exact` (the whole answer), `fields` (all but the named ones, which
must differ), `form` (the cases that only fix a form) or `not`, each of the last three with why. A
case that is in no list fails, and so does one that is listed as not applying and passes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft201909Validator

from api.auth import ApiKeys, generate_api_keys
from api.server import create_app
from api.settings import ApiSettings
from node.service import Role
from tests.unit.api.fake_node import FakeNode
from tests.unit.api.foreignchain import ForeignReader, foreign, placed
from tests.unit.api.realchain import Pool, RealWorld
from tests.unit.api.world import Counter
from tests.unit.node.execution.alliance import Node

SHARED = Path(__file__).parents[4] / "shared" / "vectors" / "ethereum" / "rpc"
LISTED: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "ethereum" / "rpc" / "cases.json").read_text()
)
WAYS = ("exact", "fields", "form", "not")
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the shared vectors are not beside this tree"),
]


class ForeignWorld(RealWorld):
    """The application over the other chain."""

    def __init__(self) -> None:
        chain = foreign(SHARED / "chain")
        store, kept, executor, genesis, hashes = placed(chain)
        node = Node.__new__(Node)
        node.store, node.chain, node.executor, node.genesis = store, kept, executor, genesis
        self.node, self.pool = node, Pool(node)
        self.reader = ForeignReader(
            store=store, chain=kept, executor=executor, genesis=genesis, waiting=self.pool
        )
        self.reader.hashes = hashes
        self.clear, hashed = generate_api_keys(Counter())
        keys = ApiKeys.from_json(json.dumps(hashed).encode())
        self.app = create_app(FakeNode(), self.reader, keys, ApiSettings(), clock=lambda: 1)


@pytest.fixture(scope="module")
def world() -> Iterator[ForeignWorld]:
    made = ForeignWorld()
    yield made
    made.reader.close()


def cases() -> list[str]:
    if not SHARED.is_dir():
        return []
    folder = SHARED / "tests"
    return sorted(str(path.relative_to(folder))[:-3] for path in folder.glob("*/*.io"))


def read(case: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Request and expected answer of a case."""
    lines = (SHARED / "tests" / f"{case}.io").read_text().splitlines()
    (asked,) = (line[3:] for line in lines if line.startswith(">> "))
    (answer,) = (line[3:] for line in lines if line.startswith("<< "))
    return json.loads(asked), json.loads(answer)


def without(value: Any, names: list[str]) -> Any:
    """A JSON value without the fields of these names, however deep."""
    if isinstance(value, dict):
        return {k: without(v, names) for k, v in value.items() if k not in names}
    return [without(item, names) for item in value] if isinstance(value, list) else value


def check_form(method: str, result: Any) -> None:
    document = json.loads((SHARED / "jsonschema_eth_net_txpool.json").read_text())
    schema = {"$schema": document["$schema"], "$defs": document["$defs"]}
    Draft201909Validator(schema | {"allOf": [document["methods"][method]["result"]]}).validate(
        result
    )


def core(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: answer[name] for name in ("result", "error") if name in answer}


@pytest.mark.parametrize("case", cases())
async def test_a_published_case_is_answered_as_it_is_listed(world: ForeignWorld, case: str) -> None:
    listed = LISTED[case]
    asked, expected = read(case)
    answer = await world.ask(asked["method"], *asked.get("params", []), role=Role.OPERATOR)
    got, wanted = core(answer), core(expected)
    match listed["how"]:
        case "exact":
            assert got == wanted
        case "fields":
            names = listed["but"]
            assert without(got, names) == without(wanted, names)
            for name in names:
                others = [other for other in names if other != name]
                assert without(got, others) != without(wanted, others), f"{name} agrees"
        case "form":
            assert "result" in got
            check_form(asked["method"], got["result"])
        case _:
            assert got != wanted, "it applies after all"
    if "result" in got and listed["how"] != "not":
        check_form(asked["method"], got["result"])


def test_every_case_is_listed_once_and_with_a_reason() -> None:
    assert set(LISTED) == set(cases())
    for case, listed in LISTED.items():
        assert listed["how"] in WAYS, case
        assert listed["how"] == "exact" or len(listed["why"]) > 20, case
        assert (listed["how"] == "fields") == ("but" in listed), case
