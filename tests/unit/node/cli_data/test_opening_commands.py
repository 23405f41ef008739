"""`bulwark opening` as a regulator and a member type it, against the API in memory."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import uvicorn
from click.testing import Result

from node.service import Conflict, Stage
from tests.unit.api.fake_openings import CASE, OpeningsApp
from tests.unit.node.openings.opening_scene import (
    BASIS,
    REGULATOR,
    Scene,
    asked,
    genesis,
)

Ask = Callable[..., Result]
ID = CASE.hex()


@pytest.fixture
def scene() -> OpeningsApp:
    return OpeningsApp()


@pytest.fixture
def ask(scene: OpeningsApp, bulwark: Ask, tmp_path: Path) -> Iterator[Ask]:
    """Run `bulwark opening` against the scene."""
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(scene.app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(dict(scene.clear)))
    yield lambda *words: bulwark("opening", *words, "--url", url, "--key-file", keys)
    server.should_exit = True
    thread.join(20)


def test_a_request_sends_the_hash_of_the_basis_and_never_the_document(
    scene, ask, tmp_path: Path
) -> None:
    basis = tmp_path / "order.pdf"
    basis.write_bytes(b"court order 17")
    result = ask("request", "0x" + "AB" * 32, "--basis", basis)
    assert result.exit_code == 0, result.output
    ((_, statement, sent, wait, _),) = scene.openings.asked
    assert (statement, wait) == (b"\xab" * 32, Stage.EXECUTED)
    assert sent == hashlib.sha256(b"court order 17").digest()
    assert "executed in block 5" in result.output


def test_cases_are_listed_and_shown(ask) -> None:
    listed = ask("list").output
    assert "1/3" in listed
    assert ID in listed
    shown = ask("show", ID).output
    for text in ("bank-a approves", "logged by", "1 of 3"):
        assert text in shown
    assert json.loads(ask("list", "--open", "--json").output)["cases"][0]["id"] == ID
    assert json.loads(ask("show", ID, "--json").output)["state"] == "open"


def test_a_log_is_read_in_pages(scene, ask) -> None:
    one = ask("statements", "bank-b")
    assert one.exit_code == 0, one.output
    assert "the ring proof is bad" in one.output
    assert f"more: --cursor {'07' * 44}" in one.output
    every = json.loads(ask("statements", "bank-b", "--pages", "9", "--json").output)
    assert (len(every["statements"]), every["next"]) == (4, None)
    assert ask("statements", "bank-b", "--cursor", "xyz").exit_code == 1


def test_a_vote_is_passed_on(scene, ask) -> None:
    assert ask("vote", ID, "approve").exit_code == 0
    assert json.loads(ask("vote", ID, "reject", "--json").output)["stage"] == "executed"
    assert [call[2] for call in scene.openings.asked] == [True, False]


def test_a_finish_writes_the_file_for_its_owner_alone(scene, ask, tmp_path: Path) -> None:
    out = tmp_path / "opened.json"
    result = ask("finish", ID, "--out", out)
    assert result.exit_code == 0, result.output
    assert "asked by  bank-a" in result.output
    assert "bank-d: its proof does not hold" in result.output
    assert json.loads(out.read_text())["format"] == "bulwark-opening/1"
    assert out.stat().st_mode & 0o077 == 0
    again = ask("finish", ID, "--out", out)
    assert (again.exit_code, "is there already" in again.output) == (2, True)
    assert len(scene.openings.asked) == 1


def test_an_exculpation_is_written_for_its_owner_alone(scene, ask, tmp_path: Path) -> None:
    out = tmp_path / "cleared.json"
    result = ask("exculpate", ID, "--out", out)
    assert (result.exit_code, "ring key" in result.output) == (0, True), result.output
    assert json.loads(out.read_text())["format"] == "bulwark-exculpation/1"
    assert out.stat().st_mode & 0o077 == 0
    assert ask("exculpate", ID, "--out", out).exit_code == 2
    scene.openings.failure = Conflict("there is no exculpation")
    other = tmp_path / "other.json"
    assert (ask("exculpate", ID, "--out", other).exit_code, other.exists()) == (1, False)


async def test_an_exculpation_is_verified_offline(bulwark: Ask, tmp_path: Path) -> None:
    with closing(Scene()) as made:
        await made.anchored(asked(1, 1))
        case_id = await made.approved(asked(1, 1))
        made.finalize()
        document = dict(await made.nodes["m2"].desk.exculpation(case_id))
    file, trusted = tmp_path / "cleared.json", tmp_path / "genesis.json"
    file.write_text(json.dumps(document))
    trusted.write_bytes(genesis().to_json())
    result = bulwark("opening", "verify", file, "--genesis", trusted)
    assert (result.exit_code, result.output.splitlines()[0]) == (0, "VALID"), result.output
    shown = json.loads(bulwark("opening", "verify", file, "--genesis", trusted, "--json").output)
    assert (shown["valid"], shown["did_not_ask"]) == (True, "m2")
    asked_for = bulwark("opening", "verify", file, "--genesis", trusted, "--basis", file)
    assert asked_for.exit_code == 2
    file.write_text(json.dumps({**document, "exculpation": "00" * 96}))
    refused = bulwark("opening", "verify", file, "--genesis", trusted)
    assert (refused.exit_code, refused.output[:7]) == (1, "INVALID")


def test_a_refusal_is_one_line_and_code_1(scene, ask, tmp_path: Path) -> None:
    scene.openings.failure = Conflict("2 good parts, 3 needed")
    out = tmp_path / "opened.json"
    result = ask("finish", ID, "--out", out)
    assert (result.exit_code, "3 needed" in result.output, out.exists()) == (1, True, False)
    assert ask("vote", ID, "approve").exit_code == 1
    assert ask("show", "0" * 64).exit_code == 1


@pytest.mark.parametrize(
    "words",
    [
        ("show", "12"),
        ("vote", ID, "perhaps"),
        ("vote", "xyz", "approve"),
        ("request", "12", "--basis", "/dev/null"),
        ("request", ID, "--basis", "/nowhere/order.pdf"),
        ("request", ID, "--basis", "/dev/null"),
    ],
)
def test_a_wrong_word_is_refused_before_the_node_is_asked(scene, ask, words) -> None:
    assert ask(*words).exit_code == 2
    assert scene.openings.asked == []


@pytest.fixture
async def files(tmp_path: Path) -> tuple[Path, Path]:
    """A real court's file and the genesis document."""
    alliance = Scene()
    await alliance.anchored(asked(2, 1))
    case_id = await alliance.approved(asked(2, 1))
    await alliance.act()
    desk = alliance.nodes[REGULATOR].desk
    await desk.finish(case_id, wait=Stage.EXECUTED)
    alliance.finalize()
    alliance.close()
    file, trusted = tmp_path / "opened.json", tmp_path / "genesis.json"
    file.write_text(json.dumps(desk.record(case_id)))
    trusted.write_bytes(genesis().to_json())
    return file, trusted


async def test_a_court_verifies_the_file_offline(files, bulwark, tmp_path: Path) -> None:
    file, trusted = files
    basis = tmp_path / "order"
    basis.write_bytes(b"court order 17")
    assert hashlib.sha256(b"court order 17").digest() == BASIS
    result = bulwark("opening", "verify", file, "--genesis", trusted, "--basis", basis)
    assert result.exit_code == 0, result.output
    assert "VALID" in result.output
    assert "m2" in result.output
    shown = json.loads(bulwark("opening", "verify", file, "--genesis", trusted, "--json").output)
    assert (shown["valid"], shown["member"], shown["asked_by"]) == (True, "m2", REGULATOR)


async def test_a_file_that_does_not_hold_is_code_1_and_an_unreadable_one_2(
    files, bulwark, tmp_path: Path
) -> None:
    file, trusted = files
    basis = tmp_path / "order"
    basis.write_bytes(b"another order")
    result = bulwark("opening", "verify", file, "--genesis", trusted, "--basis", basis)
    assert (result.exit_code, "INVALID  basis" in result.output) == (1, True)
    document = json.loads(file.read_text())
    file.write_text(json.dumps({**document, "state": document["state"][1:]}))
    result = bulwark("opening", "verify", file, "--genesis", trusted, "--json")
    assert (result.exit_code, json.loads(result.output)["where"]) == (1, "state")
    assert bulwark("opening", "verify", tmp_path / "no", "--genesis", trusted).exit_code == 2
    assert bulwark("opening", "verify", file, "--genesis", file).exit_code == 2
