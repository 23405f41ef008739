"""`bulwark verify pack` and `bulwark audit custody`: what they say, refuse and exit with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from node.cli.audit import command as audit
from node.cli.verify import command as verify
from tests.unit.verifier.forged_archives import zip_bomb
from tests.unit.verifier.scene import packed, scene


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A pack and the genesis document."""
    pack, genesis = tmp_path / "case.pack", tmp_path / "genesis.json"
    pack.write_bytes(packed())
    genesis.write_bytes(scene().node.genesis.to_json())
    return pack, genesis


def run(command: object, *words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)  # type: ignore[arg-type]


def test_verify_pack_says_valid_with_what_it_shows_and_does_not(files: tuple[Path, Path]) -> None:
    pack, genesis = files
    done = run(verify, "pack", pack, "--genesis", genesis)
    assert done.exit_code == 0, done.output
    assert done.output.startswith("VALID\n")
    assert "note: the signature of delta" in done.output
    facts = json.loads(run(verify, "pack", pack, "--genesis", genesis, "--json").stdout)
    assert (facts["valid"], facts["made_by"]) == (True, "delta")


def test_verify_pack_names_what_is_wrong_and_exits_with_1(files: tuple[Path, Path]) -> None:
    pack, genesis = files
    pack.write_bytes(zip_bomb())
    done = run(verify, "pack", pack, "--genesis", genesis)
    assert (done.exit_code, done.stdout.split(":")[0]) == (1, "INVALID  archive.compressed")
    found = json.loads(run(verify, "pack", pack, "--genesis", genesis, "--json").stdout)
    assert (found["valid"], found["code"]) == (False, "archive.compressed")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--expect-signer", "0x12"), 2, "40 hexadecimal digits"),
        (("--expect-custody", "zz"), 2, "64 hexadecimal digits"),
        (("--expect-signer", "0x" + "12" * 20), 1, "signer.unexpected"),
    ],
)
def test_what_is_expected_is_read_and_held_against_the_pack(
    files: tuple[Path, Path], words: tuple[str, ...], code: int, said: str
) -> None:
    pack, genesis = files
    done = run(verify, "pack", pack, "--genesis", genesis, *words)
    assert (done.exit_code, said in done.output) == (code, True), done.output


def test_a_file_that_is_not_there_is_no_invalid_pack(files: tuple[Path, Path]) -> None:
    pack, genesis = files
    assert run(verify, "pack", pack.with_name("none"), "--genesis", genesis).exit_code == 2
    assert run(verify, "pack", pack, "--genesis", genesis.with_name("none")).exit_code == 2


def test_custody_show_lists_who_made_the_pack(files: tuple[Path, Path]) -> None:
    pack, _ = files
    assert "delta" in run(audit, "custody", "show", pack).output
    shown = json.loads(run(audit, "custody", "show", pack, "--json").output)
    assert [entry["kind"] for entry in shown["entries"]] == ["made"]
    pack.write_bytes(b"no pack")
    assert run(audit, "custody", "show", pack).exit_code == 1


def test_a_custody_entry_for_a_pack_of_another_alliance_is_refused(
    files: tuple[Path, Path], bulwark: Callable[..., Result], alliance: Path
) -> None:
    pack, _ = files
    (home, *_) = sorted(path.parent for path in alliance.glob("*/node.toml"))
    done = bulwark("audit", "custody", "add", pack, "--note", "mine now", "--home", home)
    assert (done.exit_code, "genesis.other-alliance" in done.output) == (1, True), done.output
    assert pack.read_bytes() == packed()
    assert sorted(path.name for path in pack.parent.iterdir()) == ["case.pack", "genesis.json"]
    done = bulwark("audit", "custody", "add", pack, "--note", "", "--home", home)
    assert done.exit_code == 2
