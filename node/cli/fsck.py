"""`bulwark fsck`: checks the database of a stopped node and says what is damaged.

Rules: it takes the home's lock, so it never reads beside a running node; it repairs nothing; a
problem ends it with code 1, a home that can not be checked with code 2.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Final

import click

from bulwark.ledger.genesis import Genesis
from node.cli.faults import BadSetup, Failed, faults
from node.cli.homes import open_config, open_genesis
from node.cli.options import emit_json, emit_pairs, home_option, json_option
from node.execution.errors import ExecutionError
from node.fsck import FsckReport, fsck
from node.lock import HomeLocked, NodeLock
from node.storage import blocks
from node.storage.errors import StorageError, StoreLocked, StoreUnreadable
from node.storage.level import LevelStore
from node.storage.port import KeyValueStore

_LEVELDB_MARK: Final = "CURRENT"
"""LevelDB's own pointer file: without it opening would make a new database."""


@click.command(name="fsck")
@home_option
@click.option("--full", is_flag=True, help="Execute every block again from genesis too.")
@json_option
def command(home: Path, full: bool, as_json: bool) -> None:
    """Check the database of a stopped node: links, roots, certificates, sidecars, indexes.

    \b
    Example:
      bulwark fsck --home alliance/northbank --full
    """
    config = open_config(home)
    genesis = open_genesis(home, config)
    path = home / config.storage.path
    if not (path / _LEVELDB_MARK).is_file():
        raise BadSetup(f"{path}: no database; has this node ever run?")
    with (
        faults(failure=(StorageError, ExecutionError)),
        faults(setup=(HomeLocked, StoreLocked, StoreUnreadable)),
        NodeLock(home),
        contextlib.closing(LevelStore(path)) as store,
    ):
        report = _check(store, genesis, full)
        tip = _tip_hash(store)
    if as_json:
        emit_json(_document(report, tip))
    else:
        _tell(report, tip)
    if not report.is_clean:
        raise Failed(f"{path}: {len(report.problems)} problems found; resync it from its peers")


def _check(store: KeyValueStore, genesis: Genesis, full: bool) -> FsckReport:
    if not sys.stderr.isatty():
        return fsck(store, genesis, full=full)

    def show(height: int, last: int) -> None:
        end = "\n" if height == last else ""
        click.echo(f"\r\x1b[Kblock {height} of {last}{end}", nl=False, err=True)

    return fsck(store, genesis, full=full, progress=show)


def _tip_hash(store: KeyValueStore) -> str | None:
    """Hash of the last header, to compare nodes with; None when it can not be read."""
    try:
        return f"0x{blocks.read_tip(store).hash().hex()}"
    except StorageError:
        return None


def _document(report: FsckReport, tip: str | None) -> dict[str, object]:
    return {
        "clean": report.is_clean,
        "height": report.height,
        "hash": tip,
        "finalized": report.finalized,
        "records": report.records,
        "erased": report.erased,
        "executed_again": report.executed_again,
        "problems": [{"where": p.where, "reason": p.reason} for p in report.problems],
    }


def _tell(report: FsckReport, tip: str | None) -> None:
    emit_pairs(
        [
            ("result", "clean" if report.is_clean else f"{len(report.problems)} problems"),
            ("last block", f"{report.height} {tip or 'unreadable'}"),
            ("finalized", str(report.finalized)),
            ("records", f"{report.records}, {report.erased} of them erased"),
            ("checked", "everything, executed again" if report.executed_again else "structure"),
        ]
    )
    for problem in report.problems:
        click.echo(f"  {problem.where}: {problem.reason}")
