"""Makes a backup: the home's files and one moment of the database, encrypted, under its final name
only when it is whole and on disk.

Rules: the file is written under a name of its own with mode 0600, flushed, and then linked to the
final name, which must not be there; whatever stops it before leaves nothing under that name. The
keystore in it stays encrypted under its own passphrase.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import MemberId
from node.backup.container import Writer
from node.backup.dump import PairReader, part_name
from node.backup.errors import BackupError, NotABackup
from node.backup.homefiles import gather
from node.backup.manifest import FORMAT, LeftOutPart, Manifest, Part
from node.backup.source import END, Message, facts_in
from node.config import NodeConfig
from node.version import product_version

MIN_PASSPHRASE_BYTES: Final = 12
VOTES: Final = "the core's votes"
Progress = Callable[[str, int], None]
"""Told a part's name and the bytes that are done of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be in a backup."""

    home: Path
    config: NodeConfig
    genesis: Genesis
    passphrase: bytes = field(repr=False)
    with_keys: bool = True
    with_shares: bool = False
    database: Iterator[Message] | None = None
    """None for a backup of the home's files alone."""
    was_running: bool = False
    now_ms: int = 0


def check_passphrase(passphrase: bytes) -> None:
    """Refuse one that is guessed at once. Raises BackupError."""
    if len(passphrase) < MIN_PASSPHRASE_BYTES:
        raise BackupError(
            f"the passphrase has under {MIN_PASSPHRASE_BYTES} bytes; take a longer one"
        )


def make_backup(out: Path, wish: Wish, progress: Progress = lambda name, done: None) -> Manifest:
    """Write a backup to `out`, which must not be there.

    Raises BackupError, OSError, StorageError.
    """
    check_passphrase(wish.passphrase)
    if out.exists():
        raise BackupError(f"{out} is there already; a backup is never overwritten")
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as stream:
            writer = Writer(stream, wish.passphrase, os.urandom)
            manifest = _write(writer, wish, progress)
            writer.finish(manifest.encode())
            stream.flush()
            os.fsync(stream.fileno())
        os.link(part, out)
        _flush_folder(out.parent)
    finally:
        part.unlink(missing_ok=True)
    return manifest


def _write(writer: Writer, wish: Wish, progress: Progress) -> Manifest:
    files, left = gather(
        wish.home, wish.config, with_keys=wish.with_keys, with_shares=wish.with_shares
    )
    parts: list[Part] = []
    done = 0
    for file in files:
        writer.write(file.path.read_bytes())
        written = writer.end_part()
        name = f"home/{file.name}"
        parts.append(Part(name, written.size, written.sha256, mode=file.mode))
        done += written.size
        progress(name, done)
    facts = {} if wish.database is None else facts_in(wish.database)
    if wish.database is not None:
        _check_facts(facts, wish.genesis)
        parts += _database_parts(writer, wish.database, done, progress)
    member = wish.genesis.member(MemberId(wish.config.member))
    votes = LeftOutPart(
        VOTES, "old votes are worse than none: a restored validator is silent first"
    )
    return Manifest(
        format=FORMAT,
        member=wish.config.member,
        chain_id=wish.genesis.chain_id,
        genesis_hash=wish.genesis.hash.hex(),
        product_version=product_version(),
        made_at_ms=wish.now_ms,
        with_keys=wish.with_keys,
        with_database=wish.database is not None,
        was_running=wish.was_running,
        database=facts,
        account="" if member is None else member.account.hex(),
        parts=tuple(parts),
        left_out=(
            *(LeftOutPart(each.name, each.why) for each in left),
            *((votes,) if wish.database is not None else ()),
        ),
    )


def _check_facts(facts: dict[str, object], genesis: Genesis) -> None:
    if facts.get("genesis_hash") != genesis.hash.hex():
        raise NotABackup("database", "is not of the alliance of this home's genesis document")


def _database_parts(
    writer: Writer, messages: Iterator[Message], done: int, progress: Progress
) -> list[Part]:
    parts: list[Part] = []
    open_kind: int | None = None
    pairs = PairReader("")
    entries = 0

    def close() -> None:
        if open_kind is not None:
            pairs.end()
            written = writer.end_part()
            name = part_name(bytes([open_kind]))
            parts.append(Part(name, written.size, written.sha256, entries))

    for kind, body in messages:
        if kind != open_kind:
            if open_kind is not None and kind < open_kind:
                raise NotABackup("stream", "its kinds of keys are not in order")
            close()
            if kind == END:
                return parts
            open_kind, entries, pairs = kind, 0, PairReader(part_name(bytes([kind])))
        entries += len(pairs.take(body))
        writer.write(body)
        done += len(body)
        progress(part_name(bytes([kind])), done)
    raise NotABackup("stream", "ended before its end; nothing was kept")


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
