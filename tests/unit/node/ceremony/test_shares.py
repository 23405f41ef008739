"""Shares survive restarts and a wiped database, open under one keystore, and go when they must."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from bulwark.privacy.group import multiply_base, random_scalar
from bulwark.privacy.threshold import EvaluatorShare
from node.ceremony.shares import ShareStore
from node.keys import KeystoreDamaged, KeystoreError, KeystoreExposed
from node.rotation.keyline import KeyLine

VAULT_KEY = bytes(range(32))
ONE, TWO, THREE = (bytes([number]) * 32 for number in (1, 2, 3))


def share(index: int) -> EvaluatorShare:
    secret = random_scalar(random.Random(index).randbytes)
    return EvaluatorShare(index, secret, multiply_base(secret))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shares"


def store(path: Path, key: bytes = VAULT_KEY) -> ShareStore:
    return ShareStore(path, key, os.urandom)


def test_no_file_is_an_empty_store_and_makes_none(path: Path) -> None:
    assert store(path).share(ONE) is None
    assert not path.exists()


def test_shares_and_states_are_there_after_a_restart(path: Path) -> None:
    first = store(path)
    first.keep_state(ONE, b"secret state")
    first.keep_share(ONE, 1, share(3))
    again = store(path)
    assert again.share(ONE) == share(3)
    assert again.state(ONE) == b"secret state"
    again.drop_state(ONE)
    assert store(path).state(ONE) is None
    assert store(path).share(ONE) == share(3)


def test_what_a_crash_left_of_a_write_is_removed_and_nothing_else(path: Path) -> None:
    kept = store(path)
    kept.keep_share(ONE, 1, share(1))
    for name in (".shares.4711.new", ".keystore.json.4711.new"):
        (path.parent / name).write_bytes(path.read_bytes())
    kept.clear_leftovers()
    assert {found.name for found in path.parent.iterdir()} == {"shares", ".keystore.json.4711.new"}
    assert store(path).share(ONE) == share(1)


def test_a_sharing_in_force_erases_the_older_ones_of_its_purpose_only(path: Path) -> None:
    kept = store(path)
    for session, purpose in ((ONE, 1), (TWO, 1), (THREE, 2)):
        kept.keep_share(session, purpose, share(purpose))
    assert kept.settle(1, TWO)
    assert not kept.settle(1, TWO)
    again = store(path)
    assert (again.share(ONE), again.share(TWO), again.share(THREE)) == (None, share(1), share(2))


def test_a_failed_ceremony_is_forgotten_whole(path: Path) -> None:
    kept = store(path)
    kept.keep_state(ONE, b"state")
    kept.keep_share(ONE, 1, share(1))
    assert kept.forget([ONE])
    assert (store(path).share(ONE), store(path).state(ONE)) == (None, None)
    assert not kept.forget([ONE])


def test_the_file_is_for_its_owner_and_shows_nothing(path: Path) -> None:
    kept = store(path)
    kept.keep_share(ONE, 1, share(1))
    kept.keep_state(TWO, b"secret state")
    assert path.stat().st_mode & 0o777 == 0o600
    data = path.read_bytes()
    assert share(1).secret_share.encoding not in data
    assert b"secret state" not in data
    assert "secret" not in repr(kept._states[TWO])


@pytest.mark.parametrize("content", [b"", b"x", b"bulwark shares 1\n", b"bulwark shares 1\n" * 9])
def test_another_file_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeystoreDamaged):
        store(path)
    assert path.read_bytes() == content


def test_a_file_of_another_keystore_or_a_bent_byte_is_refused(path: Path) -> None:
    store(path).keep_share(ONE, 1, share(1))
    with pytest.raises(KeystoreDamaged, match="another keystore"):
        store(path, bytes(32))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(KeystoreDamaged):
        store(path)


def test_a_file_that_others_can_read_is_refused(path: Path) -> None:
    store(path).keep_share(ONE, 1, share(1))
    path.chmod(0o640)
    with pytest.raises(KeystoreExposed):
        store(path)


def test_a_share_that_can_not_be_written_is_an_error(path: Path) -> None:
    with pytest.raises(KeystoreError):
        store(path.parent / "none" / "shares").keep_share(ONE, 1, share(1))


def test_shares_follow_a_new_vault_key_and_no_former_key_opens_them(path: Path) -> None:
    old, new = b"\x01" * 32, b"\x02" * 32
    before = store(path, key=old)
    before.keep_state(b"\x05" * 32, b"a state")
    line = KeyLine(new, [old])
    after = store(path, key=line)
    assert after.state(b"\x05" * 32) == b"a state"
    assert after.rekey() and not after.rekey()
    assert store(path, key=line).state(b"\x05" * 32) == b"a state"
    assert not store(path, key=line).rekey()
    assert store(path, key=KeyLine(b"\x03" * 32, [old, new])).rekey()
    with pytest.raises(KeystoreDamaged):
        store(path, key=old)
