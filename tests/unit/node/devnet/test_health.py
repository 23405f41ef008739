"""A node that answers strangely is not taken for healthy, and questions never raise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from node.devnet.devnet import Devnet
from node.devnet.health import Health, ask, ask_heights


def test_a_node_that_does_not_run_is_neither_healthy_nor_ready(devnet: Devnet) -> None:
    node = devnet.nodes[0]
    assert ask(node) == Health(False, False)
    assert ask_heights(node) == (None, None)


def test_what_a_node_waits_for_is_named(devnet: Devnet) -> None:
    (devnet.nodes[0].home / "unready").touch()
    devnet.start_node("bank-a", wait=False)
    while not (health := ask(devnet.nodes[0])).healthy:
        assert devnet.nodes[0].pid is not None
    assert health == Health(True, False, ("quorum",))


def test_heights_need_the_operators_key(devnet: Devnet) -> None:
    devnet.start()
    node = devnet.nodes[0]
    assert ask_heights(node) == (7, 6)
    (node.home / "api_keys.clear.json").write_text('{"operator": "wrong"}')
    assert ask_heights(node) == (None, None)
    (node.home / "api_keys.clear.json").unlink()
    assert ask_heights(node) == (None, None)


@pytest.mark.parametrize(
    "answer", ["", "[]", "{}", '{"height": 3}', '{"height": {"executed": []}}']
)
def test_an_answer_of_another_form_tells_no_heights(
    devnet: Devnet, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr("node.devnet.health._get", lambda *_: (200, answer.encode()))
    assert ask_heights(replace(devnet.nodes[0], pid=1)) == (None, None)
