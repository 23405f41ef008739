"""What of a home goes into a backup: keys where asked for, never what opens them."""

from __future__ import annotations

from pathlib import Path

from node.backup.homefiles import gather
from node.config import NodeConfig

WORDS = {
    "member": "bank-a",
    "genesis": "genesis.json",
    "keystore": {
        "path": "keys/keystore.json",
        "passphrase_file": "keys/passphrase",
        "pkcs11": {
            "module": "/usr/lib/softhsm/libsofthsm2.so",
            "token_label": "member",
            "vote_key": "vote",
            "pin_file": "keys/token.pin",
        },
    },
}


def test_no_passphrase_and_no_pin_goes_into_a_backup_with_keys(tmp_path: Path) -> None:
    config = NodeConfig.model_validate(WORDS)
    (tmp_path / "keys").mkdir()
    names = ("keystore.json", "passphrase", "passphrase.next", "token.pin", "rekeyed.json")
    for name in names:
        path = tmp_path / "keys" / name
        path.write_bytes(b"x")
        path.chmod(0o600)
    taken, left = gather(tmp_path, config, with_keys=True, with_shares=True)
    assert {file.name for file in taken} == {"keys/keystore.json", "keys/rekeyed.json"}
    assert {each.name for each in left} == {
        "keys/passphrase",
        "keys/passphrase.next",
        "keys/token.pin",
    }
