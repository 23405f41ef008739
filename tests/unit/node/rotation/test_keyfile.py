"""Keys to come and former ones in a keystore, and a passphrase that changes at no bad moment."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from node.keys import (
    ENVIRONMENT_NAME,
    KeystoreDamaged,
    KeystoreError,
    NodeSecrets,
    write_private,
)
from node.rotation import keyfile
from node.rotation.keyfile import (
    PassphraseUnfit,
    change_passphrase,
    changing,
    next_passphrase_file,
    open_keystore,
)
from node.rotation.secretsmoves import (
    MoveRefused,
    all_keys,
    former_keys,
    in_use,
    key_to_come,
    with_new,
    with_next_in_use,
    without_former,
    without_next,
)
from node.sections import KeystoreConfig
from node.sparekeys import KEPT, KeyKind, KeyState, SpareKey

OLD = b"the first passphrase"
NEW = b"the second passphrase"
SECRETS = NodeSecrets.generate(random.Random(1).randbytes)
SETTINGS = KeystoreConfig(path=Path("keystore.json"), passphrase_file=Path("passphrase"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    SECRETS.save(tmp_path / "keystore.json", OLD)
    write_private(tmp_path / "passphrase", OLD + b"\n")
    return tmp_path


def opened(home: Path) -> NodeSecrets:
    return open_keystore(home, SETTINGS, {}).secrets


@pytest.mark.parametrize("kind", KeyKind)
def test_a_key_goes_from_made_to_used_to_former_to_forgotten_and_none_is_lost(
    kind: KeyKind, home: Path
) -> None:
    made = with_new(SECRETS, kind, 5)
    coming = key_to_come(made, kind)
    assert coming is not None
    assert in_use(made, kind) == in_use(SECRETS, kind) != coming.secret
    used = with_next_in_use(made, kind, 9)
    assert in_use(used, kind) == coming.secret
    assert used.since_ms == {kind: 9}
    assert [spare.secret for spare in former_keys(used, kind)] == [in_use(SECRETS, kind)]
    open_keystore(home, SETTINGS, {}).save(used)
    back = opened(home)
    assert (all_keys(back, kind), back.since_ms) == (all_keys(used, kind), {kind: 9})
    assert all_keys(without_former(back, kind), kind) == (coming.secret,)
    with pytest.raises(MoveRefused):
        with_new(made, kind, 6)
    with pytest.raises(MoveRefused):
        with_next_in_use(used, kind, 10)
    assert without_next(made, kind) == SECRETS


def test_a_keystore_holds_only_so_many_former_keys() -> None:
    secrets = SECRETS
    for number in range(KEPT):
        secrets = with_next_in_use(with_new(secrets, KeyKind.VOTE, number), KeyKind.VOTE, number)
    with pytest.raises(MoveRefused, match="drop"):
        with_new(secrets, KeyKind.VOTE, 9)


def test_a_spare_key_that_is_none_is_refused_and_never_shown() -> None:
    with pytest.raises(ValueError, match="32 needed"):
        SpareKey(KeyKind.VOTE, KeyState.NEXT, b"short", 0)
    with pytest.raises(ValueError, match="group order"):
        SpareKey(KeyKind.RING, KeyState.NEXT, b"\xff" * 32, 0)
    assert in_use(SECRETS, KeyKind.RING).hex() not in repr(
        SpareKey(KeyKind.RING, KeyState.NEXT, in_use(SECRETS, KeyKind.RING), 0)
    )


def test_a_keystore_of_the_version_before_opens(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.keys.VERSION", 2)
    SECRETS.save(home / "keystore.json", OLD, overwrite=True)
    monkeypatch.undo()
    assert json.loads((home / "keystore.json").read_text())["version"] == 2
    assert opened(home) == SECRETS


def test_a_new_passphrase_replaces_the_old_one_in_both_files(home: Path) -> None:
    change_passphrase(open_keystore(home, SETTINGS, {}), NEW)
    assert (home / "passphrase").read_bytes().strip() == NEW
    assert not next_passphrase_file(home / "passphrase").exists()
    assert NodeSecrets.load(home / "keystore.json", NEW) == SECRETS
    with pytest.raises(KeystoreDamaged):
        NodeSecrets.load(home / "keystore.json", OLD)


def test_a_passphrase_in_a_file_may_be_random(home: Path) -> None:
    change_passphrase(open_keystore(home, SETTINGS, {}), None)
    assert len((home / "passphrase").read_bytes().strip()) == 32
    assert opened(home) == SECRETS


@pytest.mark.parametrize("cut", ["write_private", "save", "install"])
@pytest.mark.parametrize("again", [None, NEW, b"yet another one"])
def test_a_change_cut_off_at_any_step_leaves_a_keystore_that_opens_and_can_be_finished(
    home: Path, cut: str, again: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step is done, then the process dies."""

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if cut == "write_private":
            patched.setattr(NodeSecrets, "save", dies)
        elif cut == "save":
            patched.setattr(keyfile, "_install", dies)
        else:
            patched.setattr(keyfile, "sync_folder", dies)
        with pytest.raises(KeyboardInterrupt):
            change_passphrase(open_keystore(home, SETTINGS, {}), NEW)
    assert opened(home) == SECRETS
    before = open_keystore(home, SETTINGS, {}).passphrase
    if cut == "install" and again == NEW:
        with pytest.raises(PassphraseUnfit, match="the old one"):
            change_passphrase(open_keystore(home, SETTINGS, {}), again)
    else:
        change_passphrase(open_keystore(home, SETTINGS, {}), again)
    after = open_keystore(home, SETTINGS, {})
    assert after.secrets == SECRETS
    assert (home / "passphrase").read_bytes().strip() == after.passphrase
    assert not next_passphrase_file(home / "passphrase").exists()
    assert before in (OLD, NEW)
    assert after.passphrase != OLD


def test_a_passphrase_of_the_environment_is_replaced_by_a_given_one_only(home: Path) -> None:
    environment = {ENVIRONMENT_NAME: OLD.decode()}
    at_hand = open_keystore(home, SETTINGS, environment)
    with pytest.raises(PassphraseUnfit, match="missing"):
        change_passphrase(at_hand, None)
    change_passphrase(at_hand, NEW)
    assert NodeSecrets.load(home / "keystore.json", NEW) == SECRETS


@pytest.mark.parametrize("unfit", [b"short", b"x" * 1024, OLD, b"two lines\nin one go"])
def test_an_unfit_passphrase_changes_nothing(home: Path, unfit: bytes) -> None:
    with pytest.raises(PassphraseUnfit):
        change_passphrase(open_keystore(home, SETTINGS, {}), unfit)
    assert (home / "passphrase").read_bytes().strip() == OLD
    assert NodeSecrets.load(home / "keystore.json", OLD) == SECRETS


def test_one_command_at_a_time_changes_a_keystore(home: Path) -> None:
    with (
        changing(home, SETTINGS),
        pytest.raises(KeystoreError, match="another command"),
        changing(home, SETTINGS),
    ):
        pass
    with changing(home, SETTINGS):
        pass
