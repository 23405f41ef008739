"""`bulwark backup`: a node's home and database in one encrypted file, of a running node too.

Rules: it asks the running node for its database, and opens the database itself where no node runs;
the passphrase comes from the environment, a file that others can not read, or the terminal, never
from the command line; nothing stands under the final name before the whole file is on disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click
import httpx
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import Address, MemberId
from node.backup.errors import BackupError
from node.backup.maker import Progress, Wish, check_passphrase, make_backup
from node.backup.manifest import Manifest
from node.backup.reading import open_backup
from node.backup.source import Message, decoded, messages_of
from node.cli.connection import Target, find_target
from node.cli.faults import BadSetup, Failed, faults
from node.cli.homes import open_config, open_genesis
from node.cli.options import emit_json, emit_pairs, emit_rows, json_option
from node.config import NodeConfig
from node.keys import KeystoreError, read_private
from node.lock import HomeLocked, NodeLock
from node.storage.errors import StorageError
from node.storage.level import LevelStore

ENVIRONMENT_NAME: Final = "BULWARK_BACKUP_PASSPHRASE"
STREAM_PATH: Final = "/v1/node/database"
TIMEOUT_S: Final = 120.0
"""Longest silence of the node's stream."""
_LOOPBACK: Final = ("http://127.", "http://localhost", "http://[::1]")
_FAILURES: Final = (BackupError, StorageError, OSError, httpx.HTTPError)

passphrase_option = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"File with the backup's passphrase, mode 0600. [env: {ENVIRONMENT_NAME}]",
)


@click.group(name="backup", invoke_without_command=True)
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False, resolve_path=True),
    help="Folder of the node, with node.toml in it.",
)
@click.option("--out", type=click.Path(path_type=Path), help="File to write; must not be there.")
@click.option("--without-keys", is_flag=True, help="Leave out what only the owner can read.")
@click.option("--keys-only", is_flag=True, help="The home's files, not the database.")
@click.option("--with-shares", is_flag=True, help="Also this member's shares (see docs/backup.md).")
@click.option("--key-file", type=click.Path(path_type=Path), help="Admin key of a running node.")
@click.option("--ca", "authority", type=click.Path(path_type=Path), help="CA of the node's HTTPS.")
@passphrase_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    home: Path | None,
    out: Path | None,
    without_keys: bool,
    keys_only: bool,
    with_shares: bool,
    key_file: Path | None,
    authority: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Back up a node, running or stopped, into one encrypted file.

    \b
    Example:
      bulwark backup --home alliance/northbank --out northbank.backup
      bulwark backup verify northbank.backup
      bulwark restore northbank.backup /srv/northbank --dry-run
    """
    if context.invoked_subcommand is not None:
        return
    if home is None or out is None:
        raise click.UsageError("give --home and --out, or a sub-command")
    if without_keys and keys_only:
        raise click.UsageError("--without-keys and --keys-only leave nothing")
    config = open_config(home)
    wish = Wish(
        home=home,
        config=config,
        genesis=open_genesis(home, config),
        passphrase=passphrase(passphrase_file, confirm=True),
        with_keys=not without_keys,
        with_shares=with_shares,
        now_ms=time.time_ns() // 1_000_000,
    )
    with faults(failure=_FAILURES), progress_bar() as progress:
        check_passphrase(wish.passphrase)
        if keys_only:
            manifest = make_backup(out, wish, progress)
        else:
            manifest = _with_database(out, wish, key_file, authority, progress)
    _tell(manifest, out, as_json=as_json)


def _with_database(
    out: Path,
    wish: Wish,
    key_file: Path | None,
    authority: Path | None,
    progress: Progress,
) -> Manifest:
    home = wish.home
    lock = NodeLock(home)
    try:
        lock.acquire()
    except HomeLocked:
        target = find_target(("admin",), home=home, key_file=key_file, authority=authority)
        with _stream(target) as messages:
            live = replace(wish, database=messages, was_running=True)
            return make_backup(out, live, progress)
    with contextlib.ExitStack() as stack:
        stack.callback(lock.release)
        path = home / wish.config.storage.path
        if not (path / "CURRENT").is_file():
            raise BadSetup(f"{path}: no database; --keys-only backs up the home's files")
        store = stack.enter_context(contextlib.closing(LevelStore(path)))
        view = stack.enter_context(contextlib.closing(store.snapshot(verify=True)))
        messages = messages_of(view, _account(wish.genesis, wish.config))
        return make_backup(out, replace(wish, database=messages), progress)


def _account(genesis: Genesis, config: NodeConfig) -> Address | None:
    member = genesis.member(MemberId(config.member))
    return None if member is None else member.account


@contextlib.contextmanager
def _stream(target: Target) -> Iterator[Iterator[Message]]:
    """The database of a running node."""
    if target.url.startswith("http:") and not target.url.startswith(_LOOPBACK):
        raise BadSetup(f"{target.url}: a database goes over HTTPS or stays on this machine")
    headers = {"authorization": f"Bearer {target.key}"}
    verify: Any = True if target.authority is None else str(target.authority)
    with (
        httpx.Client(verify=verify, trust_env=False, timeout=TIMEOUT_S) as client,
        client.stream("GET", f"{target.url}{STREAM_PATH}", headers=headers) as answer,
    ):
        if answer.status_code != 200:
            answer.read()
            raise Failed(f"the node refused: {answer.status_code} {answer.text[:300]}")
        yield decoded(answer.iter_raw())


@command.command(name="verify")
@click.argument("file", type=click.Path(path_type=Path))
@passphrase_option
@json_option
def verify(file: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Check every byte of a backup against its manifest; damaged parts are named.

    \b
    Example:
      bulwark backup verify northbank.backup
    """
    secret = passphrase(passphrase_file, confirm=False)
    with faults(failure=_FAILURES), open_backup(file, secret) as backup, progress_bar() as progress:
        verified = backup.read(lambda part, data: None, progress)
    if as_json:
        emit_json({"whole": not verified.damaged, "damaged": verified.damaged})
    for name, fault in verified.damaged.items():
        click.echo(f"  {name}: {fault}", err=as_json)
    if verified.damaged:
        raise Failed(f"{file}: {len(verified.damaged)} parts are damaged")
    if not as_json:
        manifest = verified.manifest
        click.echo(f"whole: {len(manifest.parts)} parts, {manifest.size} bytes")


@command.command(name="show")
@click.argument("file", type=click.Path(path_type=Path))
@passphrase_option
@json_option
def show(file: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Show what a backup claims to hold; `verify` checks that it does.

    \b
    Example:
      bulwark backup show northbank.backup --json
    """
    secret = passphrase(passphrase_file, confirm=False)
    with faults(failure=_FAILURES), open_backup(file, secret) as backup:
        manifest = backup.manifest
    _tell(manifest, file, as_json=as_json)
    if as_json:
        return
    rows = [("part", "entries", "bytes", "sha256")]
    rows += [(p.name, str(p.entries or ""), str(p.size), p.sha256[:16]) for p in manifest.parts]
    emit_rows(rows)
    for left in manifest.left_out:
        click.echo(f"not in it: {left.name} ({left.why})")


def _tell(manifest: Manifest, path: Path, *, as_json: bool) -> None:
    if as_json:
        emit_json({"file": str(path), **json.loads(manifest.encode())})
        return
    database = manifest.database
    emit_pairs(
        [
            ("file", str(path)),
            ("member", manifest.member),
            ("alliance", f"chain {manifest.chain_id}, genesis {manifest.genesis_hash[:16]}…"),
            ("block", f"{manifest.height} {database['header_hash'][:16]}…" if database else "none"),
            ("final", str(database.get("finalized", "none"))),
            (
                "keys",
                "inside, the keystore under its own passphrase" if manifest.with_keys else "no",
            ),
            (
                "made",
                f"by version {manifest.product_version}, layout {database.get('layout', '-')}",
            ),
            ("size", f"{manifest.size} bytes in {len(manifest.parts)} parts"),
        ]
    )


def passphrase(file: Path | None, *, confirm: bool) -> bytes:
    """The backup's passphrase: file, environment, terminal. Raises BadSetup."""
    if file is not None:
        with faults(setup=(KeystoreError,)):
            return read_private(file, 4096).strip(b"\r\n")
    given = os.environ.get(ENVIRONMENT_NAME)
    if given:
        return given.encode()
    if not sys.stdin.isatty():
        raise BadSetup(f"no passphrase: set {ENVIRONMENT_NAME} or give --passphrase-file")
    typed: str = click.prompt(
        "Passphrase of the backup", hide_input=True, confirmation_prompt=confirm
    )
    return typed.encode()


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress]:
    """A line that says which part is under way and how much is done."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("begins", total=None)

        def told(name: str, done: int) -> None:
            bar.update(task, description=f"{done / 2**20:,.1f} MiB  {name}")

        yield told
