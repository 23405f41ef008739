"""`key rotate` does one step a call and nothing with --dry-run; `key status` shows where it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from node.assembly import network_identity, open_home
from node.pki import load_certificate, spki_pin
from node.rotation.following import follow_keys
from node.rotation.keyfile import NEW_ENVIRONMENT_NAME, changing
from node.rotation.keyline import generations, mark_of
from node.sections import KeystoreConfig
from node.storage.memory import MemoryStore

KINDS = ("vote", "account", "tls", "ring", "sealing")


@pytest.fixture
def home(alliance: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "hilltel"
    shutil.copytree(alliance / "hilltel", copy)
    return copy


def status(bulwark, home: Path) -> dict[str, Any]:
    result = bulwark("key", "status", "--home", home, "--offline", "--json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_says_what_follows_and_writes_nothing(bulwark, home: Path, kind: str) -> None:
    before = (home / "keys/keystore.json").read_bytes()
    result = bulwark("key", "rotate", kind, "--home", home, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "nothing was written" in result.stdout
    assert "bulwark" in result.stdout
    assert (home / "keys/keystore.json").read_bytes() == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_key_lies_beside_the_old_one_and_can_be_given_up(
    bulwark, home: Path, kind: str
) -> None:
    before = status(bulwark, home)["keys"]
    made = bulwark("key", "rotate", kind, "--home", home, "--json")
    assert made.exit_code == 0, made.output
    key = json.loads(made.stdout)["key"]
    rows = [row for row in status(bulwark, home)["keys"] if row["key"] == kind]
    assert [row["state"] for row in rows] == ["in use", "to come"]
    assert rows[1]["public"] == key
    assert rows[0] in before
    # The keystore still opens the home, and the node shows what it showed before.
    network_identity(open_home(home))
    gone = bulwark("key", "rotate", kind, "--home", home, "--give-up", "--offline")
    assert gone.exit_code == 0, gone.output
    assert status(bulwark, home)["keys"] == before


def test_a_tls_key_takes_over_with_its_certificate_and_not_before(
    bulwark, alliance: Path, home: Path, tmp_path: Path
) -> None:
    made = json.loads(bulwark("key", "rotate", "tls", "--home", home, "--json").stdout)
    authority = alliance / "authority"
    words = ("member", "certificate", "--authority", authority, "--id", "hilltel")
    file = tmp_path / "new.pem"
    file.write_text(bulwark(*words, made["public_key"]).stdout)
    install = ("key", "rotate", "tls", "--home", home, "--certificate", file, "--offline")
    before = network_identity(open_home(home)).pin()
    assert bulwark(*install, "--dry-run").exit_code == 0
    assert network_identity(open_home(home)).pin() == before
    result = bulwark(*install)
    assert result.exit_code == 0, result.output
    local = network_identity(open_home(home))
    assert local.pin().hex() == made["key"] == spki_pin(load_certificate(file.read_bytes())).hex()
    again = bulwark(*install)
    assert again.exit_code == 0, "said twice it is a renewal"
    dropped = bulwark("key", "rotate", "tls", "--home", home, "--drop-former", "--offline")
    assert dropped.exit_code == 0, dropped.output
    assert network_identity(open_home(home)).pin().hex() == made["key"]


def test_a_certificate_of_somebody_else_or_another_key_is_refused(
    bulwark, alliance: Path, home: Path, tmp_path: Path
) -> None:
    made = json.loads(bulwark("key", "rotate", "tls", "--home", home, "--json").stdout)
    authority = alliance / "authority"
    words = ("member", "certificate", "--authority", authority, "--id")
    file = tmp_path / "wrong.pem"
    install = ("key", "rotate", "tls", "--home", home, "--certificate", file, "--offline")
    file.write_text(bulwark(*words, "rivertel", made["public_key"]).stdout)
    assert "is not of hilltel" in bulwark(*install).stderr
    other = tmp_path / "rivertel"
    shutil.copytree(alliance / "rivertel", other)
    foreign = json.loads(bulwark("key", "rotate", "tls", "--home", other, "--json").stdout)
    file.write_text(bulwark(*words, "hilltel", foreign["public_key"]).stdout)
    assert "neither in use nor to come" in bulwark(*install).stderr
    assert bulwark(*install).exit_code == 2


def test_the_passphrase_changes_and_the_home_opens_again(bulwark, home: Path) -> None:
    before = (home / "keys/passphrase").read_bytes()
    dry = bulwark("key", "rotate", "passphrase", "--home", home, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert (home / "keys/passphrase").read_bytes() == before
    for environment in ({}, {NEW_ENVIRONMENT_NAME: "a passphrase of my own"}):
        result = bulwark("key", "rotate", "passphrase", "--home", home, env=environment)
        assert result.exit_code == 0, result.output
        after = (home / "keys/passphrase").read_bytes()
        assert after != before
        assert after.decode().strip() not in result.output
        before = after
        open_home(home)
    assert before == b"a passphrase of my own\n"


def test_what_can_not_be_is_one_line(bulwark, home: Path) -> None:
    short = {NEW_ENVIRONMENT_NAME: "short"}
    result = bulwark("key", "rotate", "passphrase", "--home", home, env=short)
    assert (result.exit_code, "12 to 1023 are allowed" in result.stderr) == (2, True)
    result = bulwark("key", "rotate", "vote", "--home", home, "--drop-former", "--offline")
    assert (result.exit_code, "no former vote key" in result.stderr) == (1, True)
    assert bulwark("key", "rotate", "vote", "--home", home, "--certificate", "x").exit_code == 2
    with changing(home, KeystoreConfig()):
        result = bulwark("key", "rotate", "vote", "--home", home)
    assert (result.exit_code, "another command" in result.stderr) == (2, True)


def test_without_a_running_node_the_ledgers_part_is_left_open(bulwark, home: Path) -> None:
    bulwark("key", "rotate", "vote", "--home", home)
    result = bulwark("key", "status", "--home", home)
    assert result.exit_code == 0, result.output
    assert "what the ledger knows is open" in result.stdout
    again = bulwark("key", "rotate", "vote", "--home", home)
    assert again.exit_code == 1, again.output


@pytest.mark.parametrize("kind", ["vault", "index"])
def test_a_vault_or_index_key_is_new_at_once_and_the_database_follows_at_the_next_start(
    bulwark, home: Path, kind: str
) -> None:
    dry = bulwark("key", "rotate", kind, "--home", home, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert stored_next(bulwark, home, kind) == ["restart the node: what is stored follows"]
    store = MemoryStore()
    opened = open_home(home)
    follow_keys(opened, store, lambda: 0.0)
    assert stored_next(bulwark, home, kind) == ["nothing"]
    old = getattr(opened.secrets, f"{kind}_key")
    made = bulwark("key", "rotate", kind, "--home", home, "--json")
    assert made.exit_code == 0, made.output
    line = getattr(open_home(home).secrets, f"{kind}_key")
    assert line != old and generations(line) == (bytes(old), bytes(line))
    assert json.loads(made.stdout)["key"] == mark_of(line).hex()
    kept = "kept for ever"
    assert stored_next(bulwark, home, kind) == ["restart the node: what is stored follows", kept]
    for option in ("--drop-former", "--give-up"):
        refused = bulwark("key", "rotate", kind, "--home", home, option, "--offline")
        assert refused.exit_code == 1 and "no vault key" in refused.stderr.replace("index", "vault")
    follow_keys(open_home(home), store, lambda: 0.0)
    assert stored_next(bulwark, home, kind) == ["nothing", kept]


def stored_next(bulwark, home: Path, kind: str) -> list[str]:
    """What is next for each key of a kind, without the reason."""
    rows = [row for row in status(bulwark, home)["keys"] if row["key"] == kind]
    return [row["next"].split(" at its")[0].split(": names")[0] for row in rows]
