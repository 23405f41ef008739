"""`genesis new` makes an alliance that its printed facts and passphrases fit."""

from __future__ import annotations

import json
from pathlib import Path

from bulwark.ledger.genesis import Genesis
from node.keys import NodeSecrets
from node.pki import CertificateAuthority


def test_the_result_names_homes_and_the_file_of_passphrases(bulwark, tmp_path: Path) -> None:
    out = tmp_path / "alliance"
    result = bulwark("genesis", "new", "--out", out, "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    genesis = Genesis.from_json((out / "genesis.json").read_bytes())
    assert document["genesis_hash"] == genesis.hash.hex()
    assert [member["role"] for member in document["members"]] == ["validator"] * 4 + ["observer"]
    kept = Path(document["passphrases"])
    assert kept.stat().st_mode & 0o777 == 0o600
    passphrases = json.loads(kept.read_bytes())
    for member in document["members"]:
        keystore = Path(member["home"]) / "keys/keystore.json"
        assert NodeSecrets.load(keystore, passphrases[member["id"]].encode()) is not None
    authority = Path(document["authority"])
    assert CertificateAuthority.load(authority, passphrases["authority"].encode()) is not None
    assert len(set(passphrases.values())) == 6
    for passphrase in passphrases.values():
        assert passphrase not in result.output


def test_a_description_of_its_own_is_taken(bulwark, tmp_path: Path) -> None:
    config = tmp_path / "one.toml"
    config.write_text(
        'name = "One"\nchain_id = 9\n[[members]]\nid = "solo"\nname = "Solo"\n'
        'roles = ["validator"]\nhost = "127.0.0.1"\np2p_port = 7000\nhttp_port = 7001\n'
    )
    result = bulwark("genesis", "new", "--config", config, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out/solo/node.toml").is_file()


def test_a_mistake_in_the_description_is_one_line_and_code_2(bulwark, tmp_path: Path) -> None:
    config = tmp_path / "bad.toml"
    config.write_text('name = "One"\nchain_id = 0\nmembers = []\n')
    result = bulwark("genesis", "new", "--config", config, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"bulwark: {config}: members: at least one member")
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_refused_with_code_2(bulwark, alliance: Path) -> None:
    result = bulwark("genesis", "new", "--out", alliance)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "is not empty" in result.stderr
