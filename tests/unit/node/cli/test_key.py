"""`key show` prints the public side of a keystore and notices keys of somebody else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import MemberId
from node.keys import NodeSecrets


def test_public_keys_are_those_of_the_genesis_document(bulwark, alliance: Path) -> None:
    result = bulwark("key", "show", "--home", alliance / "hilltel", "--json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    genesis = Genesis.from_json((alliance / "genesis.json").read_bytes())
    member = genesis.member(MemberId("hilltel"))
    assert member is not None
    assert member.ring_key is not None
    assert shown["node"] == f"0x{member.node.hex()}"
    assert shown["ring_key"] == member.ring_key.hex()
    assert shown["certificate_is_of_this_key"] is True
    assert shown["differs_from_genesis"] == []


def test_no_secret_is_shown(bulwark, alliance: Path) -> None:
    home = alliance / "hilltel"
    passphrase = (home / "keys/passphrase").read_bytes().strip()
    secrets = NodeSecrets.load(home / "keys/keystore.json", passphrase)
    hidden = [secrets.vote_key, secrets.account_key, secrets.vault_key, secrets.index_key]
    hidden += [secrets.ring_key, secrets.sealing_key]
    calls = [("key", "show", "--home", home), ("key", "show", "--home", home, "--json")]
    for output in (bulwark(*words) for words in calls):
        for secret in hidden:
            assert secret.hex() not in output.output
        assert "PRIVATE" not in output.output


def test_only_the_regulator_has_a_part_of_the_opener(bulwark, alliance: Path) -> None:
    for name, has_one in (("regulator", True), ("hilltel", False)):
        result = bulwark("key", "show", "--home", alliance / name, "--json")
        assert (json.loads(result.stdout)["regulator_key"] is not None) == has_one


def test_keys_of_another_member_are_named_and_code_1(
    bulwark, alliance: Path, tmp_path: Path
) -> None:
    home = tmp_path / "hilltel"
    shutil.copytree(alliance / "hilltel", home)
    shutil.copytree(alliance / "rivertel/keys", home / "keys", dirs_exist_ok=True)
    result = bulwark("key", "show", "--home", home)
    assert result.exit_code == 1
    assert "node, account, tls_pin, ring_key, sealing_key" in result.stderr


def test_a_missing_passphrase_is_one_line_and_code_2(
    bulwark, alliance: Path, tmp_path: Path
) -> None:
    home = tmp_path / "hilltel"
    shutil.copytree(alliance / "hilltel", home)
    (home / "keys/passphrase").unlink()
    result = bulwark("key", "show", "--home", home)
    assert result.exit_code == 2
    assert "keys/passphrase: no such file" in result.stderr


def test_the_environments_passphrase_goes_before_the_file(bulwark, alliance: Path) -> None:
    result = bulwark(
        "key",
        "show",
        "--home",
        alliance / "hilltel",
        env={"BULWARK_KEYSTORE_PASSPHRASE": "wrong"},
    )
    assert result.exit_code == 2
    assert "passphrase is wrong" in result.stderr
