"""`bulwark restore`: puts a backup in a home, and says before what that would lose or change.

Rules: it holds the home's lock, checks the whole file before it touches anything, and moves aside
what it replaces; `--dry-run` changes nothing and tells everything, with the alliance's own numbers
where a node can be asked. It starts no node.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import httpx

from node.backup.compare import AllianceNow, Comparison, Finding, Weight
from node.backup.errors import BackupError
from node.backup.manifest import Manifest
from node.backup.reading import Backup, open_backup
from node.backup.restore import Outcome, Target, Wish, check_target, look_at, restore
from node.chain.errors import ChainError
from node.cli.backup import passphrase, passphrase_option, progress_bar
from node.cli.connection import read_key
from node.cli.faults import Failed, faults
from node.cli.options import emit_json, json_option
from node.lock import HomeLocked, NodeLock
from node.storage.errors import StorageError
from node.storage.level import LevelStore

ASK_ROLES: Final = ("auditor", "operator", "admin", "analyst", "reporter")
ASK_TIMEOUT_S: Final = 20.0
_FAILURES: Final = (BackupError, StorageError, ChainError, OSError)
_PATH: Final = click.Path(path_type=Path)


@click.command(name="restore")
@click.argument("file", type=_PATH)
@click.argument("home", type=click.Path(path_type=Path, file_okay=False, resolve_path=True))
@click.option("--dry-run", is_flag=True, help="Say what would be lost or changed; change nothing.")
@click.option("--force", is_flag=True, help="Replace what is in the home; it is moved aside.")
@click.option(
    "--asked-since",
    type=click.IntRange(0, 1_000_000),
    help="Most questions that this member asked since the backup; else all of its quota counts as "
    "used until the next quota epoch.",
)
@click.option("--ask-url", help="A node of the alliance that says where the ledger is now.")
@click.option("--ask-key-file", type=_PATH, help="File with an API key of that node.")
@click.option("--ask-ca", type=_PATH, help="CA certificate of that node's HTTPS, PEM.")
@passphrase_option
@json_option
def command(
    file: Path,
    home: Path,
    dry_run: bool,
    force: bool,
    asked_since: int | None,
    ask_url: str | None,
    ask_key_file: Path | None,
    ask_ca: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Restore a backup into HOME; the node must not run, there or anywhere.

    \b
    Example:
      bulwark restore northbank.backup /srv/northbank --dry-run
      bulwark restore northbank.backup /srv/northbank
    """
    if (ask_url is None) != (ask_key_file is None):
        raise click.UsageError("--ask-url goes with --ask-key-file")
    secret = passphrase(passphrase_file, confirm=False)
    with (
        faults(setup=(HomeLocked,), failure=_FAILURES),
        open_backup(file, secret) as backup,
        progress_bar() as progress,
    ):
        target = look_at(home)
        if dry_run:
            now = None
            if ask_url is not None and ask_key_file is not None:
                now = _ask(ask_url, read_key(ask_key_file, ASK_ROLES), ask_ca, backup.manifest)
            findings, damaged = _compare(backup, target, now, progress)
        else:
            check_target(target, backup.manifest, force=force)
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            with NodeLock(home):
                wish = Wish(
                    force=force, asked_since=asked_since, now_ms=time.time_ns() // 1_000_000
                )
                outcome = restore(backup, target, wish, progress)
    if dry_run:
        refusal = _refusal(target, backup.manifest, force=force)
        _tell_dry(findings, damaged, refusal, as_json=as_json)
        return
    _tell_done(outcome, backup.manifest, home, as_json=as_json)


def _compare(
    backup: Backup, target: Target, now: AllianceNow | None, progress: Any
) -> tuple[list[Finding], dict[str, str]]:
    with _database(target) as (store, problem):
        comparison = Comparison(target.home, store)
        verified = backup.read(comparison.take, progress)
        findings = comparison.findings(backup.manifest, now)
    if problem:
        findings.append(Finding(Weight.NOTE, problem))
    return findings, verified.damaged


@contextlib.contextmanager
def _database(target: Target) -> Iterator[tuple[LevelStore | None, str]]:
    """The home's own database, if there is one that opens; else why not."""
    path = target.database
    if not (path / "CURRENT").is_file():
        yield None, ""
        return
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(NodeLock(target.home))
            store = stack.enter_context(contextlib.closing(LevelStore(path)))
        except HomeLocked:
            yield None, "a node runs on this home: its database was not compared; stop it first"
            return
        except StorageError as error:
            yield None, f"this home's database does not open: {error}"
            return
        yield store, ""


def _refusal(target: Target, manifest: Manifest, *, force: bool) -> str | None:
    try:
        check_target(target, manifest, force=force)
    except BackupError as error:
        return str(error)
    return None


def _ask(url: str, key: str, authority: Path | None, manifest: Manifest) -> AllianceNow:
    """Where the ledger is now. Raises Failed."""
    calls: list[tuple[str, list[Any]]] = [
        ("eth_blockNumber", []),
        ("eth_getBlockByNumber", [hex(manifest.height), False]),
    ]
    if manifest.account:
        calls.append(("eth_getTransactionCount", [f"0x{manifest.account}", "latest"]))
    batch = [
        {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        for number, (method, params) in enumerate(calls)
    ]
    verify: Any = True if authority is None else str(authority)
    try:
        with httpx.Client(verify=verify, trust_env=False, timeout=ASK_TIMEOUT_S) as client:
            headers = {"authorization": f"Bearer {key}"}
            answer = client.post(f"{url.rstrip('/')}/rpc", json=batch, headers=headers)
            answer.raise_for_status()
            answers = {each["id"]: each for each in answer.json()}
        height = int(answers[0]["result"], 16)
        block = answers[1].get("result")
        nonce = answers.get(2, {}).get("result")
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Failed(f"{url}: {error or type(error).__name__}") from error
    return AllianceNow(
        height=height,
        hash_at_backup=None if block is None else str(block["hash"]),
        nonce=None if nonce is None else int(nonce, 16),
    )


def _tell_dry(
    findings: list[Finding], damaged: dict[str, str], refusal: str | None, *, as_json: bool
) -> None:
    if as_json:
        emit_json(
            {
                "would_be_refused": refusal,
                "damaged": damaged,
                "findings": [{"weight": f.weight, "what": f.what} for f in findings],
            }
        )
    else:
        for finding in findings:
            click.echo(f"{finding.weight.value:<8} {finding.what}")
        for name, fault in damaged.items():
            click.echo(f"{'damaged':<8} {name}: {fault}")
        if refusal is not None:
            click.echo(f"{'refused':<8} {refusal}")
        click.echo("nothing was changed (--dry-run)")
    if damaged:
        raise Failed(f"{len(damaged)} parts of the backup are damaged: {', '.join(damaged)}")


def _tell_done(outcome: Outcome, manifest: Manifest, home: Path, *, as_json: bool) -> None:
    if as_json:
        emit_json(
            {
                "home": str(home),
                "height": manifest.height,
                "files": outcome.files,
                "entries": outcome.pairs,
                "moved_aside": outcome.aside,
            }
        )
        return
    click.echo(f"restored {outcome.files} files and {outcome.pairs} entries into {home}")
    for name in outcome.aside:
        click.echo(f"moved aside: {name}")
    if manifest.with_database:
        click.echo(
            f"the database ends at block {manifest.height}; start the node: it fetches the rest, "
            "erases again what was erased since, and votes when that is safe"
        )
