"""`bulwark governance` as an operator types it, against the API with a government in memory."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from click.testing import Result

from contracts.actions import (
    AddMember,
    AdoptPolicy,
    Reinstate,
    RemoveMember,
    SetKeys,
    SetParameter,
    SetRoles,
    SetTlsPins,
    SuspendMember,
    WithdrawPolicy,
)
from contracts.members import Role, member_id_bytes
from node.service import Conflict
from tests.unit.api.test_governance import FakeGovernance, Scene

Ask = Callable[..., Result]
ZERO = bytes(32)
WORD = "ab" * 32
ADDRESS = "0x" + "cd" * 20
MEMBER = {"id": "east", "node": ADDRESS, "account": ADDRESS, "roles": ["validator"]}


@pytest.fixture
def scene() -> Iterator[Scene]:
    yield Scene()


@pytest.fixture
def ask(scene: Scene, bulwark: Ask, tmp_path: Path) -> Iterator[Ask]:
    """Run `bulwark governance` against the scene."""
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(scene.app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(dict(scene.clear)))
    yield lambda *words: bulwark("governance", *words, "--url", url, "--key-file", keys)
    server.should_exit = True
    thread.join(20)


def proposed(governance: FakeGovernance) -> object:
    (call,) = governance.asked
    return call[0] if isinstance(call, tuple) else call


@pytest.mark.parametrize(
    ("words", "action"),
    [
        (("remove-member", "east"), RemoveMember(member_id_bytes("east"))),
        (("set-roles", "east", "none"), SetRoles(member_id_bytes("east"), Role(0))),
        (
            ("set-roles", "east", "validator", "deployer"),
            SetRoles(member_id_bytes("east"), Role.VALIDATOR | Role.DEPLOYER),
        ),
        (("set-parameter", "rotation", "32"), SetParameter("rotation", 32)),
        (("suspend", "east", WORD), SuspendMember(member_id_bytes("east"), bytes.fromhex(WORD))),
        (("reinstate", "east"), Reinstate(member_id_bytes("east"))),
        (("policy", "adopt", WORD), AdoptPolicy(bytes.fromhex(WORD))),
        (("policy", "withdraw", f"0x{WORD}"), WithdrawPolicy(bytes.fromhex(WORD))),
        (
            ("set-tls-pin", "bank-a", "--next", WORD),
            SetTlsPins(member_id_bytes("bank-a"), ZERO, bytes.fromhex(WORD)),
        ),
        (
            ("set-tls-pin", "bank-a", "--pin", WORD, "--next", "none"),
            SetTlsPins(member_id_bytes("bank-a"), bytes.fromhex(WORD), ZERO),
        ),
        (
            ("set-keys", "bank-a", "--vote-key", ADDRESS, "--account", ADDRESS),
            SetKeys(member_id_bytes("bank-a"), b"\xcd" * 20, b"\xcd" * 20, ZERO),
        ),
    ],
)
def test_every_action_is_proposed_as_it_is_typed(scene, ask, words, action) -> None:
    result = ask("propose", *words)
    assert result.exit_code == 0, result.output
    assert proposed(scene.governance) == action
    assert "vote executed in block 5" in result.output


def test_a_join_request_is_proposed_without_its_place(scene, ask, tmp_path) -> None:
    file = tmp_path / "join.json"
    file.write_text(json.dumps({**MEMBER, "tls_pin": WORD, "host": "east.example", "port": 1}))
    assert ask("propose", "add-member", file, "--days", "3").exit_code == 0
    ((action, lifetime_s, force, *_),) = scene.governance.asked
    assert isinstance(action, AddMember)
    assert (action.member.tls_pin.hex(), lifetime_s, force) == (WORD, 3 * 86_400, False)
    for text in ("x", "[]", json.dumps({**MEMBER, "surprise": 1})):
        file.write_text(text)
        result = ask("propose", "add-member", file)
        assert (result.exit_code, "join.json" in result.output) == (2, True)
    assert ask("propose", "add-member", tmp_path / "none.json").exit_code == 2


def test_a_dry_run_shows_quorums_proposes_nothing_and_ends_with_its_verdict(scene, ask) -> None:
    result = ask("propose", "set-parameter", "rotation", "32", "--dry-run")
    assert result.exit_code == 1
    for text in ("before", "QUORUM", "missing:   b", "unsafe: 2 of 4", "it would be refused"):
        assert text in result.output
    assert scene.governance.asked == [SetParameter("rotation", 32)]
    seen = json.loads(ask("approve", "1", "--dry-run", "--json").output)
    assert seen["before"]["quorum"] == 3


def test_votes_are_passed_on_and_shown(scene, ask) -> None:
    assert "approved by  bank-a (1 of 3)" in ask("approve", "1", "--force").output
    assert ask("withdraw", "1", "--wait", "accepted").exit_code == 0
    assert scene.governance.asked[0][:2] == (1, True)
    outcome = json.loads(ask("approve", "1", "--json").output)
    assert outcome["proposal"]["id"] == 1


def test_a_refusal_is_one_line_and_code_1(scene, ask) -> None:
    scene.governance.failure = Conflict("bulwark: already approved")
    result = ask("approve", "1")
    assert (result.exit_code, "already approved" in result.output) == (1, True)
    assert ask("show", "99").exit_code == 1
    assert ask("show", "0").exit_code == 2


def test_lists_are_tables(ask) -> None:
    assert "bank-a" in ask("members").output
    assert "rotation" in ask("parameters").output
    listed = ask("proposals").output
    assert "1/3" in listed
    assert "set-parameter name=rotation value=32" in listed
    assert json.loads(ask("members", "--json").output)["members"][0]["id"] == "bank-a"
    assert "set-parameter" in ask("show", "1").output


@pytest.mark.parametrize(
    "words",
    [
        ("set-keys", "bank-a"),
        ("set-tls-pin", "bank-a"),
        ("set-roles", "bank-a", "none", "validator"),
        ("set-roles", "bank-a", "king"),
        ("set-parameter", "rotation", "x"),
    ],
)
def test_half_a_change_is_refused_before_the_node_is_asked_to_vote(scene, ask, words) -> None:
    assert ask("propose", *words).exit_code == 2
    assert scene.governance.asked == []
    assert ask("propose", "set-keys", "nobody", "--account", ADDRESS).exit_code == 1
