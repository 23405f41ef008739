"""Restores a backup into a home: everything is staged and checked before anything is replaced.

Rules: the home's lock is held all the time, so no node runs on it; another member's or another
alliance's backup is refused, and a home that has a node is replaced only when forced; what is
replaced is moved aside under one name, never deleted. The marker that makes the validator silent
is there before the database is in place, so whatever stops a restore leaves a node that votes only
when that is safe. The vote journal, the lock and the logs of a home are never touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bulwark.ledger.errors import GenesisInvalid
from bulwark.ledger.genesis import Genesis
from contracts.privacy.keys import quota_epoch
from node.backup.dump import PairReader, is_left_out, prefix_of
from node.backup.errors import RestoreRefused
from node.backup.homefiles import ASIDE, MARKER, STAGING
from node.backup.manifest import Manifest, Part
from node.backup.reading import Backup, Progress
from node.backup.restored import Restored
from node.chain.store import ChainStore
from node.config import ConfigError, NodeConfig, load_config
from node.guarded.forgotten import ALL_USED, Forgotten
from node.guarded.slotbook import DRAWN, STRIDE
from node.keys import write_private
from node.storage.level import LevelStore

WRITE_BYTES: Final = 4 * 1024 * 1024
_MARK: Final = b"This node was restored from a backup; keep this file.\n"


@dataclass(frozen=True, slots=True)
class Target:
    """A home as a restore finds it."""

    home: Path
    config: NodeConfig | None
    """None for a home that has none."""
    genesis: Genesis | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing of a node is there."""
        keep = {"node.lock", STAGING}
        return not self.home.exists() or all(p.name in keep for p in self.home.iterdir())

    @property
    def database(self) -> Path:
        """Where its database is or goes."""
        return self.home / (Path("data") if self.config is None else self.config.storage.path)


def look_at(home: Path) -> Target:
    """What is in a home. Raises RestoreRefused for one that can not be read."""
    if home.exists() and not home.is_dir():
        raise RestoreRefused(f"{home} is no folder")
    if not (home / "node.toml").exists():
        return Target(home, None, None)
    try:
        config = load_config(home)
        genesis = Genesis.from_json((home / config.genesis).read_bytes())
    except FileNotFoundError:
        return Target(home, load_config(home), None)
    except (ConfigError, GenesisInvalid, OSError) as error:
        raise RestoreRefused(f"{home}: what is there can not be read: {error}") from error
    return Target(home, config, genesis)


def check_target(target: Target, manifest: Manifest, *, force: bool) -> None:
    """Refuse what must not be mixed. Raises RestoreRefused."""
    if target.config is not None and target.config.member != manifest.member:
        raise RestoreRefused(
            f"{target.home} is of {target.config.member}, the backup of {manifest.member}"
        )
    if target.genesis is not None and target.genesis.hash.hex() != manifest.genesis_hash:
        raise RestoreRefused(
            f"{target.home} is of another alliance: its genesis hash is "
            f"{target.genesis.hash.hex()[:16]}…, the backup's {manifest.genesis_hash[:16]}…"
        )
    if not target.is_empty and not force:
        raise RestoreRefused(
            f"{target.home} is not empty; look at --dry-run, then say --force: what is replaced "
            "is moved aside"
        )
    if not manifest.with_keys and target.is_empty:
        raise RestoreRefused(
            f"the backup holds no keys and {target.home} has none; restore it into a home with keys"
        )


@dataclass(slots=True)
class Outcome:
    """What a restore did."""

    aside: list[str] = field(default_factory=list)
    """Names of what was moved aside."""
    files: int = 0
    pairs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How to restore."""

    force: bool = False
    asked_since: int | None = None
    """Most questions that this member asked since the backup; None if nobody knows."""
    now_ms: int


def restore(backup: Backup, target: Target, wish: Wish, progress: Progress) -> Outcome:
    """Restore into a home whose lock the caller holds.

    Raises BackupError, OSError, StorageError, ChainError. Until the last steps nothing is changed.
    """
    manifest = backup.manifest
    check_target(target, manifest, force=wish.force)
    staging = target.home / STAGING
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(mode=0o700, parents=True)
    try:
        done = _stage(backup, staging, progress)
        if manifest.with_database:
            genesis = _genesis_of(target, staging, manifest)
            _finish_database(staging / "data", genesis, manifest, wish)
        _switch(target, staging, done, f"{ASIDE}{wish.now_ms // 1000}")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return done


class _Stager:
    """Puts parts under the staging folder as they come."""

    def __init__(self, staging: Path, store: LevelStore | None) -> None:
        self._staging = staging
        self._store = store
        self._name = ""
        self._pairs = PairReader("")
        self._puts: dict[bytes, bytes | None] = {}
        self._size = 0
        self.done = Outcome()

    def take(self, part: Part, data: bytes) -> None:
        """Sink of `Backup.whole`."""
        is_new, self._name = part.name != self._name, part.name
        if part.name.startswith("home/"):
            self._file(part, data, is_new=is_new)
            return
        if prefix_of(part.name) is None or self._store is None:
            raise RestoreRefused(f"this program does not know the part {part.name}")
        if is_new:
            self._pairs.end()
            self._pairs = PairReader(part.name)
        for key, value in self._pairs.take(data):
            if is_left_out(key):
                raise RestoreRefused(f"part {part.name}: holds what no backup may hold")
            self._puts[key] = value
            self._size += len(key) + len(value)
            self.done.pairs += 1
        if self._size >= WRITE_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was taken."""
        if self._store is not None and self._puts:
            self._store.write(self._puts, sync=False)
        self._puts, self._size = {}, 0

    def _file(self, part: Part, data: bytes, *, is_new: bool) -> None:
        path = safe_path(self._staging / "home", part.name.removeprefix("home/"))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        handle = os.open(path, flags, stat.S_IMODE(part.mode) & 0o700 | part.mode & 0o044)
        with os.fdopen(handle, "ab") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        self.done.files += is_new


def safe_path(folder: Path, name: str) -> Path:
    """A path under a folder that a part names. Raises RestoreRefused for one that leads out."""
    pieces = name.split("/")
    if any(piece in ("", ".", "..") or "\x00" in piece for piece in pieces) or name[0] == "/":
        raise RestoreRefused(f"the part home/{name[:80]!r} leads out of the home")
    return folder.joinpath(*pieces)


def _stage(backup: Backup, staging: Path, progress: Progress) -> Outcome:
    with contextlib.ExitStack() as stack:
        store: LevelStore | None = None
        if backup.manifest.with_database:
            store = stack.enter_context(contextlib.closing(LevelStore(staging / "data")))
        stager = _Stager(staging, store)
        for part in backup.manifest.parts:
            if part.size == 0 and part.name.startswith("home/"):
                stager.take(part, b"")
        backup.whole(stager.take, progress)
        stager.flush()
        if store is not None:
            store.flush()
        return stager.done


def _genesis_of(target: Target, staging: Path, manifest: Manifest) -> Genesis:
    """The backup's own genesis document, else the home's. Raises RestoreRefused."""
    found = target.genesis
    for path in (staging / "home").rglob("*.json"):
        with contextlib.suppress(GenesisInvalid, ValueError, OSError):
            found = Genesis.from_json(path.read_bytes())
    if found is None or found.hash.hex() != manifest.genesis_hash:
        raise RestoreRefused("neither the backup nor the home has the alliance's genesis document")
    return found


def _finish_database(path: Path, genesis: Genesis, manifest: Manifest, wish: Wish) -> None:
    """Check the end of the chain, bring an older layout up, and leave the marks."""
    with contextlib.closing(LevelStore(path)) as store:
        chain = ChainStore.open(store, genesis)
        if chain.tip.hash().hex() != manifest.database.get("header_hash"):
            raise RestoreRefused("the database's last block is not the one that the manifest names")
        epoch = quota_epoch(wish.now_ms // 1000, genesis.privacy.epoch_seconds)
        floor = ALL_USED
        if wish.asked_since is not None:
            floor = _drawn(store, epoch) + wish.asked_since + STRIDE
        marks = Restored(chain.applied, manifest.made_at_ms, wish.now_ms).puts()
        store.write({**marks, **Forgotten(epoch, floor, floor).puts()}, sync=True)


def _drawn(store: LevelStore, epoch: int) -> int:
    """Most slots of a quota epoch that the backup knows of, over both scopes."""
    prefix = DRAWN + epoch.to_bytes(8, "big")
    return max((int.from_bytes(v[:8], "big") for _, v in store.iterate(prefix)), default=0)


def _switch(target: Target, staging: Path, done: Outcome, aside: str) -> None:
    """Put what is staged in its place; the marker first, the database last."""
    database = _database_of(target, staging)
    if (staging / "data").exists():
        marker = target.home / MARKER
        if not marker.exists():
            write_private(marker, _MARK)
    for path in _files(staging / "home"):
        place = target.home / path.relative_to(staging / "home")
        _make_folders(place.parent, target.home)
        if place.exists():
            if place.read_bytes() == path.read_bytes():
                continue
            _aside(place, aside, done)
        path.rename(place)
    if (staging / "data").exists():
        if database.exists():
            _aside(database, aside, done)
        database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.move(staging / "data", database)  # it may lie on another file system
    for folder in {target.home, database.parent}:
        flush_folder(folder)


def _database_of(target: Target, staging: Path) -> Path:
    """Where the database goes, as the configuration that will hold says. Raises RestoreRefused."""
    if not (staging / "home" / "node.toml").exists():
        return target.database
    try:
        return target.home / load_config(staging / "home").storage.path
    except ConfigError as error:
        raise RestoreRefused(f"the backup's configuration: {error}") from error


def _files(folder: Path) -> Iterator[Path]:
    return iter(sorted(path for path in folder.rglob("*") if path.is_file()))


def _make_folders(folder: Path, home: Path) -> None:
    for path in reversed([folder, *folder.parents]):
        if home in path.parents and not path.exists():
            path.mkdir(mode=0o700)


def _aside(path: Path, aside: str, done: Outcome) -> None:
    moved = path.with_name(path.name + aside)
    path.rename(moved)
    done.aside.append(str(moved))


def flush_folder(folder: Path) -> None:
    """Names in a folder survive a power cut from here on."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
