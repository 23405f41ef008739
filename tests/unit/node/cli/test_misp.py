"""`bulwark misp report`: a report of files without a node, complete and without a value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from node.cli.exchange_out import write_whole
from node.cli.faults import BadSetup
from node.cli.misp import command

SECRET = "quokka-shop.com"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    attributes = [
        {"type": "domain", "value": SECRET},
        {"type": "md5", "value": "0" * 32},
        {"type": "domain", "value": f"red.{SECRET}", "Tag": [{"name": "tlp:red"}]},
    ]
    (tmp_path / "a.json").write_text(json.dumps({"Event": {"info": "x", "Attribute": attributes}}))
    (tmp_path / "b.json").write_text(json.dumps(attributes[0]))
    return tmp_path


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(command, ["report", *map(str, words)])


def test_a_table_names_files_fates_and_reasons_and_no_value(folder: Path) -> None:
    done = run(folder, "--fraud-type", "phishing", "--items")
    assert done.exit_code == 0, done.output
    assert SECRET not in done.output
    rows = [line.split() for line in done.output.splitlines() if line]
    assert ["all", "2", "2", "0", "0", "0", "4", "1", "1"] in rows
    assert ["refused", "marked_red", "1"] in rows and ["left", "no_kind", "1"] in rows
    assert any("/Event/Attribute/2" in row for row in rows)


def test_json_has_every_item(folder: Path) -> None:
    done = run(folder / "a.json", "--fraud-type", "phishing", "--red-as", "amber_strict", "--json")
    (shown,) = json.loads(done.output)["files"]
    assert shown["file"] == "a.json" and shown["new"] == 2
    assert len(shown["items"]) == 5 and shown["counts"]["refused"] == {}


def test_without_a_fraud_type_nothing_is_guessed(folder: Path) -> None:
    done = run(folder / "b.json", "--json")
    (shown,) = json.loads(done.output)["files"]
    assert shown["counts"]["refused"] == {"no_fraud_type": 1}


def test_broken_files_are_named_and_the_others_go_on(folder: Path) -> None:
    (folder / "c.json").write_text('{"value": "secret.com')
    done = run(folder, "--fraud-type", "phishing")
    assert done.exit_code == 1 and "c.json: no JSON" in done.output
    assert "b.json" in done.output and "secret" not in done.output
    empty = folder / "empty"
    empty.mkdir()
    assert run(empty).exit_code == 2
    assert run(folder, "--region", "XX").exit_code == 2


def test_an_address_or_key_that_can_not_be_used_ends_a_pull_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    key = tmp_path / "key"
    key.write_text("quokka")
    key.chmod(0o644)
    node = ["--url", "http://127.0.0.1:9", "--key-file", str(key), "--misp-key-file", str(key)]
    for url, told in (("https://misp.example", "0600"), ("https://[::1", "wants http(s)://")):
        ended = CliRunner().invoke(command, ["pull", "--misp-url", url, *node])
        assert ended.exit_code == 2 and told in ended.output, ended.output
        assert "quokka" not in ended.output
        key.chmod(0o600)


def test_an_export_into_a_folder_that_is_not_there_ends_with_a_word(tmp_path: Path) -> None:
    with pytest.raises(BadSetup, match="No such file"):
        write_whole(tmp_path / "none" / "events.json", b"{}")
    write_whole(tmp_path / "events.json", b"{}")
    assert (tmp_path / "events.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["events.json"]


def test_a_ca_that_is_not_there_is_named(tmp_path: Path) -> None:
    key, none = tmp_path / "key", tmp_path / "none.pem"
    key.write_text("quokka")
    key.chmod(0o600)
    misp = ["--misp-url", "https://misp.example", "--misp-key-file", str(key)]
    node = ["--url", "http://127.0.0.1:9", "--key-file", str(key)]
    ended = CliRunner().invoke(command, ["pull", *misp, "--misp-ca", str(none), *node])
    assert ended.exit_code == 2 and "none.pem" in ended.output, ended.output
