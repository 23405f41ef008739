"""Backup and restore of homes: whole or not at all, nothing mixed, nothing overwritten unsaid."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from api.auth import generate_api_keys
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import Height
from bulwark.ledger.signing import SigningKey
from bulwark.privacy.query import Scope
from consensus.journal import KEY_SILENT
from genesis.generator import generate
from node.backup.compare import AllianceNow, Comparison, Weight
from node.backup.errors import BackupDamaged, BackupError, RestoreRefused, WrongPassphrase
from node.backup.maker import Wish as MakeWish
from node.backup.maker import make_backup
from node.backup.manifest import Manifest
from node.backup.reading import open_backup
from node.backup.restore import Outcome, look_at, restore, safe_path
from node.backup.restore import Wish as RestoreWish
from node.backup.restored import read_restored
from node.backup.source import decoded, encoded, facts_in, messages_of
from node.chain.store import ChainStore
from node.config import load_config
from node.devnet.layout import devnet_alliance
from node.driver.start import CORE_RECORDS, OPENED, start_core
from node.execution.executor import Executor
from node.guarded.forgotten import ALL_USED, read_forgotten
from node.guarded.slotbook import SlotBook
from node.guarded.spent import SpentNullifiers
from node.keys import NodeSecrets
from node.storage import schema
from node.storage.durability import Durability
from node.storage.level import LevelStore

SECRET = b"a long enough passphrase"
NOW_MS = 1_800_000_000_000
OWN = schema.CONSENTS + b"receipt"


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Homes of two members; the first has a database with one own entry and votes."""
    place = tmp_path_factory.mktemp("homes") / "alliance"
    generate(
        devnet_alliance(2, 0, tuple(range(20_000, 20_004))),
        place,
        random_bytes=os.urandom,
        now_ms=1_790_000_000_000,
        passphrase_of=lambda _: b"a passphrase",
        new_api_keys=generate_api_keys,
        unattended=True,
    )
    home = place / "bank-a"
    with contextlib.closing(LevelStore(home / "data")) as store:
        ChainStore.open(store, Genesis.from_json((home / "genesis.json").read_bytes()))
        puts: Mapping[bytes, bytes | None] = {
            OWN: b"sealed",
            OPENED: b"",
            CORE_RECORDS + bytes(8) + b"vote": b"v",
        }
        store.write(puts, sync=True)
    return place


@pytest.fixture
def home(homes: Path, tmp_path: Path) -> Path:
    """A copy of the first member's home, to break."""
    copy = tmp_path / "bank-a"
    shutil.copytree(homes / "bank-a", copy)
    return copy


def genesis_of(home: Path) -> Genesis:
    return Genesis.from_json((home / "genesis.json").read_bytes())


def back_up(home: Path, out: Path, **other: object) -> Manifest:
    wish = MakeWish(
        home=home,
        config=load_config(home),
        genesis=genesis_of(home),
        passphrase=SECRET,
        now_ms=NOW_MS,
    )
    with contextlib.ExitStack() as stack:
        if other.pop("database", True):
            store = stack.enter_context(contextlib.closing(LevelStore(home / "data")))
            view = stack.enter_context(contextlib.closing(store.snapshot()))
            wish = replace(wish, database=messages_of(view, genesis_of(home).members[0].account))
        return make_backup(out, replace(wish, **other))  # type: ignore[arg-type]


def bring_back(file: Path, home: Path, **wish: object) -> Outcome:
    with open_backup(file, SECRET) as backup:
        home.mkdir(exist_ok=True)
        asked = RestoreWish(now_ms=NOW_MS, **wish)  # type: ignore[arg-type]
        return restore(backup, look_at(home), asked, lambda name, done: None)


@contextlib.contextmanager
def opened(home: Path) -> Iterator[LevelStore]:
    with contextlib.closing(LevelStore(home / "data")) as store:
        yield store


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_home_comes_back_as_it_was_but_for_votes_shares_and_what_opens_it(
    home: Path, tmp_path: Path
) -> None:
    manifest = back_up(home, tmp_path / "b")
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600
    new = tmp_path / "new"
    bring_back(tmp_path / "b", new)
    before, after = tree(home), tree(new)
    for name in ("node.toml", "genesis.json", "keys/keystore.json", "tls/node.pem"):
        assert after[name] == before[name], name
        assert (new / name).stat().st_mode == (home / name).stat().st_mode, name
    assert "keys/passphrase" not in after
    assert "api_keys.clear.json" not in after
    assert "node.voted" in after
    with opened(new) as store:
        assert store.get(OWN) == b"sealed"
        assert store.get(OPENED) is None
        assert not list(store.iterate(CORE_RECORDS))
    assert {part.name for part in manifest.parts} >= {"database/consents", "home/node.toml"}


def test_a_restored_validator_is_silent_like_a_wiped_one(home: Path, tmp_path: Path) -> None:
    back_up(home, tmp_path / "b")
    new = tmp_path / "new"
    bring_back(tmp_path / "b", new)
    with opened(new) as store:
        genesis = genesis_of(new)
        chain, executor = ChainStore.open(store, genesis), Executor(store, genesis)
        epoch = executor.epochs.running(chain.tip, chain.finalized)
        secrets = _secrets(home)
        replica = start_core(epoch, secrets, store, chain, new / "node.voted")
        assert replica.snapshot().silent_until is not None
        records = [key for key, _ in store.iterate(CORE_RECORDS)]
        assert any(key.endswith(KEY_SILENT) for key in records)


def _secrets(home: Path) -> SigningKey:
    secrets = NodeSecrets.load(home / "keys" / "keystore.json", b"a passphrase")
    return SigningKey(secrets.vote_key)


async def test_no_slot_of_the_running_quota_epoch_is_used_or_accepted_again(
    home: Path, tmp_path: Path
) -> None:
    back_up(home, tmp_path / "b")
    strict, known = tmp_path / "strict", tmp_path / "known"
    bring_back(tmp_path / "b", strict)
    bring_back(tmp_path / "b", known, asked_since=10)
    with opened(strict) as store:
        forgotten = read_forgotten(store)
        assert forgotten.small == forgotten.bulk == ALL_USED
        spent = SpentNullifiers(store)
        assert spent.is_forgotten(forgotten.epoch)
        assert spent.is_forgotten(forgotten.epoch - 1)
        assert not spent.is_forgotten(forgotten.epoch + 1)
        book = SlotBook(store, Durability(store), bytes(32))
        with pytest.raises(Exception, match="are used"):
            await book.draw(forgotten.epoch, Scope.SMALL, 1_000)
        assert await book.draw(forgotten.epoch + 1, Scope.SMALL, 1_000) >= 0
    with opened(known) as store:
        durability = Durability(store)
        book = SlotBook(store, durability, bytes(32))
        fresh = [await book.draw(forgotten.epoch, Scope.SMALL, 1_000) for _ in range(20)]
        first = SlotBook(store, durability, bytes(32))._stored(forgotten.epoch, Scope.SMALL, 1_000)
        used = {first.order.slot(count) for count in range(10)}
        assert used.isdisjoint(fresh)
        durability.close()


def test_what_is_replaced_is_moved_aside_and_only_when_forced(home: Path, tmp_path: Path) -> None:
    back_up(home, tmp_path / "b")
    (home / "node.toml").write_text((home / "node.toml").read_text() + "\n# newer\n")
    before = tree(home)
    with pytest.raises(RestoreRefused, match="not empty"):
        bring_back(tmp_path / "b", home)
    assert tree(home) == before
    outcome = bring_back(tmp_path / "b", home, force=True)
    assert len(outcome.aside) == 2
    assert all(Path(name).exists() for name in outcome.aside)
    aside = next(Path(name) for name in outcome.aside if "node.toml" in name)
    assert "# newer" in aside.read_text()
    assert (home / "keys" / "passphrase").exists(), "what the backup has not stays"
    with opened(home) as store:
        assert read_restored(store) is not None


def test_another_members_and_another_alliances_home_are_refused(
    homes: Path, home: Path, tmp_path: Path
) -> None:
    back_up(home, tmp_path / "b")
    other = tmp_path / "telco-b"
    shutil.copytree(homes / "telco-b", other)
    before = tree(other)
    with pytest.raises(RestoreRefused, match="is of telco-b, the backup of bank-a"):
        bring_back(tmp_path / "b", other, force=True)
    foreign = tmp_path / "foreign"
    generate(
        devnet_alliance(2, 0, tuple(range(20_000, 20_004))),
        foreign,
        random_bytes=os.urandom,
        now_ms=1_790_000_000_001,
        passphrase_of=lambda _: b"a passphrase",
        new_api_keys=generate_api_keys,
        unattended=True,
    )
    with pytest.raises(RestoreRefused, match="another alliance"):
        bring_back(tmp_path / "b", foreign / "bank-a", force=True)
    assert tree(other) == before


def test_damage_is_named_and_nothing_is_touched(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "b"
    back_up(home, file)
    data = bytearray(file.read_bytes())
    data[len(data) - 9_000] ^= 1
    file.write_bytes(data)
    with pytest.raises(BackupDamaged) as raised:
        bring_back(file, tmp_path / "new")
    assert raised.value.parts
    assert raised.value.parts[0].startswith(("database/", "home/"))
    assert not (tmp_path / "new" / "data").exists()
    assert not (tmp_path / "new" / "node.toml").exists()
    with pytest.raises(WrongPassphrase), open_backup(file, b"another passphrase"):
        pass


def test_a_backup_that_is_stopped_leaves_no_file(home: Path, tmp_path: Path) -> None:
    def stopped(name: str, done: int) -> None:
        if name.startswith("database/"):
            raise KeyboardInterrupt

    with opened(home) as store, contextlib.closing(store.snapshot()) as view:
        wish = MakeWish(
            home=home,
            config=load_config(home),
            genesis=genesis_of(home),
            passphrase=SECRET,
            database=messages_of(view, None),
        )
        with pytest.raises(KeyboardInterrupt):
            make_backup(tmp_path / "b", wish, stopped)
    assert list(tmp_path.glob("*b*")) == [home]
    assert not list(tmp_path.glob(".b*"))


def test_short_passphrases_and_files_that_are_there_are_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="12 bytes"):
        back_up(home, tmp_path / "b", passphrase=b"short")
    back_up(home, tmp_path / "b")
    with pytest.raises(BackupError, match="there already"):
        back_up(home, tmp_path / "b")


def test_keys_can_be_left_out_or_be_all_there_is(home: Path, tmp_path: Path) -> None:
    without = back_up(home, tmp_path / "without", with_keys=False)
    names = {part.name for part in without.parts}
    assert "home/keys/keystore.json" not in names
    assert "home/genesis.json" in names
    with pytest.raises(RestoreRefused, match="holds no keys"):
        bring_back(tmp_path / "without", tmp_path / "empty")
    only = back_up(home, tmp_path / "only", database=False)
    assert all(part.name.startswith("home/") for part in only.parts)
    outcome = bring_back(tmp_path / "only", tmp_path / "new")
    assert outcome.pairs == 0
    assert not (tmp_path / "new" / "data").exists()


def test_the_dry_run_counts_what_only_the_home_has(home: Path, tmp_path: Path) -> None:
    back_up(home, tmp_path / "b")
    with opened(home) as store:
        later = {OWN + b"2": b"x", OWN: b"changed"}
        store.write(later, sync=True)
        comparison = Comparison(home, store)
        with open_backup(tmp_path / "b", SECRET) as backup:
            backup.whole(comparison.take)
            now = AllianceNow(height=70, hash_at_backup="0x" + "00" * 32, nonce=4)
            found = comparison.findings(backup.manifest, now)
    texts = {finding.what: finding.weight for finding in found}
    assert any("1 entries only here, 1 older in the backup: consent" in what for what in texts)
    assert any("70 blocks since the backup" in what for what in texts)
    assert any("4 own transactions" in what for what in texts)
    assert any("another one than the backup's" in what for what in texts)
    assert found[0].weight is Weight.DANGER


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a//b", "a/../b", ".", "x\x00y"])
def test_a_part_that_leads_out_of_the_home_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RestoreRefused, match="leads out"):
        safe_path(tmp_path, name)


def test_a_stream_in_any_pieces_is_the_same_and_one_that_ends_early_is_refused(home: Path) -> None:
    with opened(home) as store, contextlib.closing(store.snapshot()) as view:
        wanted = list(messages_of(view, None))
    data = b"".join(encoded(message) for message in wanted)
    for size in (1, 7, 4096, len(data)):
        pieces = (data[at : at + size] for at in range(0, len(data), size))
        assert list(decoded(pieces)) == wanted
    assert facts_in(iter(wanted))["height"] == Height(0)
    with pytest.raises(BackupError, match="ended before its end"):
        list(decoded([data[:-1]]))
