"""Which node a command talks to, and that a key is read and never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from node.cli.connection import Target, find_target, read_key
from node.cli.faults import BadSetup

KEYS = {"reporter": "key-of-the-reporter", "auditor": "key-of-the-auditor"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "node.toml").write_text(
        'member = "bank-a"\n[http]\nhost = "0.0.0.0"\nport = 8123\n'
    )
    (tmp_path / "api_keys.clear.json").write_text(json.dumps(KEYS))
    return tmp_path


def test_a_home_gives_address_and_key(home: Path) -> None:
    target = find_target(("analyst", "reporter"), home=home)
    assert target == Target("http://127.0.0.1:8123", KEYS["reporter"])
    assert KEYS["reporter"] not in repr(target)


def test_the_first_role_that_has_a_key_is_taken(home: Path) -> None:
    path = home / "api_keys.clear.json"
    assert read_key(path, ("auditor", "reporter")) == KEYS["auditor"]
    with pytest.raises(BadSetup, match="no key of the role operator"):
        read_key(path, ("operator",))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "one API key"),
        ("two words", "one API key"),
        ("{", "not JSON"),
        ('{"keys": []}', "only hashes"),
    ],
)
def test_a_file_without_a_usable_key_is_told(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "keys"
    path.write_text(content)
    with pytest.raises(BadSetup, match=why):
        read_key(path, ("reporter",))


def test_a_key_file_goes_over_the_keys_of_a_home(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("another-key\n")
    target = find_target(("reporter",), home=home, key_file=other)
    assert target.key == "another-key"


def test_a_ca_that_can_not_be_read_is_told(tmp_path: Path) -> None:
    target = Target("https://127.0.0.1:1", "k", tmp_path / "none.pem")
    with pytest.raises(BadSetup):
        target.client()
