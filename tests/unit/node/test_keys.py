"""The keystore gives back what was saved, and says precisely why it does not."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from node.keys import (
    ENVIRONMENT_NAME,
    KeystoreDamaged,
    KeystoreError,
    KeystoreExists,
    KeystoreExposed,
    KeystoreMissing,
    KeystoreUnknown,
    NodeSecrets,
    PassphraseMissing,
    passphrase_from,
)

PASSPHRASE = b"correct horse"


def secrets_of(seed: int = 1) -> NodeSecrets:
    return NodeSecrets.generate(random.Random(seed).randbytes)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "keystore.json"
    secrets_of().save(path, PASSPHRASE)
    return path


def test_saved_secrets_come_back_equal(saved: Path) -> None:
    assert NodeSecrets.load(saved, PASSPHRASE) == secrets_of()


def test_file_is_for_its_owner_and_leaves_no_temporary(saved: Path) -> None:
    assert saved.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in saved.parent.iterdir()] == ["keystore.json"]


def test_file_and_repr_show_no_secret(saved: Path) -> None:
    secrets = secrets_of()
    for text in (saved.read_text(), repr(secrets), str(secrets), f"{secrets}"):
        assert secrets.vote_key.hex() not in text
        assert repr(secrets.vote_key) not in text
        assert "PRIVATE KEY" not in text


def test_same_randomness_makes_the_same_keys_and_other_randomness_others() -> None:
    assert secrets_of(5) == secrets_of(5)
    assert secrets_of(5).vote_key != secrets_of(6).vote_key
    assert secrets_of(5).vote_key != secrets_of(5).account_key


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeystoreMissing, match=r"nothing\.json: no such file"):
        NodeSecrets.load(tmp_path / "nothing.json", PASSPHRASE)


def test_file_that_others_can_read_is_refused(saved: Path) -> None:
    saved.chmod(0o644)
    with pytest.raises(KeystoreExposed, match="mode is 0644, 0600 needed"):
        NodeSecrets.load(saved, PASSPHRASE)


def test_wrong_passphrase_is_refused(saved: Path) -> None:
    with pytest.raises(KeystoreDamaged, match="passphrase is wrong or the file damaged"):
        NodeSecrets.load(saved, b"incorrect")


def change(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_unknown_version_is_named(saved: Path) -> None:
    change(saved, version=1)
    with pytest.raises(KeystoreUnknown, match="version 1, this program reads 2 and 3"):
        NodeSecrets.load(saved, PASSPHRASE)


def test_greedy_key_derivation_is_refused_before_it_runs(saved: Path) -> None:
    kdf = json.loads(saved.read_text())["kdf"]
    change(saved, kdf={**kdf, "n": 2**40})
    with pytest.raises(KeystoreUnknown, match="key derivation"):
        NodeSecrets.load(saved, PASSPHRASE)


@pytest.mark.parametrize(
    "fields",
    [
        {"kdf": None},
        {"cipher": {}},
        {"ciphertext": "***"},
        {"ciphertext": ""},
        {"kdf": {"name": "scrypt", "n": 32768, "r": 8, "p": 1, "salt": "00" * 32}},
    ],
)
def test_changed_header_or_content_is_refused(saved: Path, fields: dict[str, object]) -> None:
    change(saved, **fields)
    with pytest.raises(KeystoreDamaged):
        NodeSecrets.load(saved, PASSPHRASE)


def test_extra_header_parameter_breaks_the_seal(saved: Path) -> None:
    kdf = json.loads(saved.read_text())["kdf"]
    change(saved, kdf={**kdf, "extra": 1})
    with pytest.raises(KeystoreDamaged):
        NodeSecrets.load(saved, PASSPHRASE)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"x"', b"{}", b"\xff", b"x" * 70_000])
def test_other_files_are_refused(saved: Path, content: bytes) -> None:
    saved.write_bytes(content)
    with pytest.raises(KeystoreError):
        NodeSecrets.load(saved, PASSPHRASE)


def test_sealed_content_that_is_no_set_of_keys_is_refused(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, content in enumerate((b"{}", b"no JSON", b'{"vote_key": 7}')):
        monkeypatch.setattr(NodeSecrets, "_plaintext", lambda _, c=content: c)
        path = saved.with_name(f"{number}.json")
        secrets_of().save(path, PASSPHRASE)
        with pytest.raises(KeystoreDamaged, match="bad content"):
            NodeSecrets.load(path, PASSPHRASE)


def test_existing_keystore_is_overwritten_only_on_request(saved: Path) -> None:
    with pytest.raises(KeystoreExists):
        secrets_of(9).save(saved, PASSPHRASE)
    assert NodeSecrets.load(saved, PASSPHRASE) == secrets_of()
    secrets_of(9).save(saved, b"new", overwrite=True)
    assert NodeSecrets.load(saved, b"new") == secrets_of(9)


def test_keystore_in_a_missing_folder_is_an_error_with_the_cause(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match="No such file or directory"):
        secrets_of().save(tmp_path / "none" / "keystore.json", PASSPHRASE)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"vote_key": bytes(32)}, "vote_key"),
        ({"vault_key": bytes(31)}, "vault_key: 31 bytes"),
        ({"tls_key_pem": b"PEM"}, "tls_key_pem"),
        ({"ring_key": b"\xff" * 32}, "ring_key is not a canonical"),
        ({"ring_key": bytes(32)}, "ring_key is zero"),
        ({"sealing_key": b""}, "sealing_key: 0 bytes"),
        ({"regulator_key": b"\xff" * 32}, "regulator_key is not"),
    ],
)
def test_keys_of_wrong_shape_are_refused(wrong: dict[str, bytes], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        replace(secrets_of(), **wrong)


def test_only_a_regulator_has_a_part_of_the_opener(tmp_path: Path) -> None:
    assert secrets_of().regulator_key is None
    made = NodeSecrets.generate(random.Random(3).randbytes, is_regulator=True)
    made.save(tmp_path / "keystore.json", PASSPHRASE)
    assert NodeSecrets.load(tmp_path / "keystore.json", PASSPHRASE) == made
    assert made.regulator_key is not None


def test_passphrase_comes_from_the_environment_or_a_private_file(tmp_path: Path) -> None:
    assert passphrase_from({ENVIRONMENT_NAME: "a b"}) == b"a b"
    file = tmp_path / "passphrase"
    file.write_text("from file\n")
    file.chmod(0o600)
    assert passphrase_from({}, file) == b"from file"
    assert passphrase_from({ENVIRONMENT_NAME: "a b"}, file) == b"a b"
    file.chmod(0o640)
    with pytest.raises(KeystoreExposed):
        passphrase_from({}, file)


def test_missing_or_empty_passphrase_is_named(tmp_path: Path) -> None:
    with pytest.raises(PassphraseMissing, match=ENVIRONMENT_NAME):
        passphrase_from({})
    file = tmp_path / "passphrase"
    file.touch(mode=0o600)
    with pytest.raises(PassphraseMissing, match="is empty"):
        passphrase_from({}, file)
