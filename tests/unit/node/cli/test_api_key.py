"""`api-key new` adds a key that the node accepts, and keeps only its hash."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from api.auth import ApiKeys


@pytest.fixture
def home(alliance: Path, tmp_path: Path) -> Path:
    shutil.copytree(alliance / "northbank", tmp_path / "home")
    return tmp_path / "home"


def test_the_new_key_works_and_the_old_ones_stay(bulwark, home: Path) -> None:
    result = bulwark("api-key", "new", "--home", home, "--role", "reporter", "--json")
    assert result.exit_code == 0, result.output
    made = json.loads(result.stdout)
    keys = ApiKeys.load(home / "api_keys.json")
    principal = keys.identify(made["key"].encode())
    assert principal is not None
    assert (principal.key_id, principal.role) == ("reporter-2", "reporter")
    clear = json.loads((home / "api_keys.clear.json").read_bytes())
    assert keys.identify(clear["reporter"].encode()) is not None


def test_the_file_keeps_the_hash_only_and_stays_private(bulwark, home: Path) -> None:
    key = bulwark("api-key", "new", "--home", home, "--role", "auditor").stdout.strip()
    path = home / "api_keys.json"
    assert len(key) == 43
    assert key not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_home_without_keys_gets_its_first(bulwark, home: Path) -> None:
    (home / "api_keys.json").unlink()
    result = bulwark("api-key", "new", "--home", home, "--role", "analyst", "--id", "desk.1")
    assert result.exit_code == 0, result.output
    assert "added as desk.1" in result.stderr


@pytest.mark.parametrize("name", ["reporter", "Desk", "a" * 64])
def test_a_name_in_use_or_out_of_form_is_refused(bulwark, home: Path, name: str) -> None:
    before = (home / "api_keys.json").read_bytes()
    result = bulwark("api-key", "new", "--home", home, "--role", "analyst", "--id", name)
    assert result.exit_code == 2
    assert "--id" in result.stderr
    assert (home / "api_keys.json").read_bytes() == before


def test_a_damaged_file_is_left_alone(bulwark, home: Path) -> None:
    (home / "api_keys.json").write_text("{}")
    result = bulwark("api-key", "new", "--home", home, "--role", "analyst")
    assert result.exit_code == 2
    assert (home / "api_keys.json").read_text() == "{}"
