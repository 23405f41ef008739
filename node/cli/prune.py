"""`bulwark prune`: what pruning would give back, and doing it on a stopped node.

Rules: it takes the home's lock; `--dry-run` writes nothing; a running node prunes by itself with
the same settings (`[pruning]` in node.toml). What is promised and what was given back are both
bytes of the database's files.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
from pydantic import ValidationError

from node.chain.errors import ChainError
from node.chain.store import ChainStore
from node.cli.faults import BadSetup, faults
from node.cli.homes import open_config, open_genesis
from node.cli.options import emit_json, emit_pairs, home_option, json_option
from node.lock import HomeLocked, NodeLock
from node.pruning.run import ROUNDS, Figures, PruningRun, mark_ends, ranges_of, size_on_disk
from node.pruning.settings import PruningConfig
from node.storage.errors import StorageError
from node.storage.level import LevelStore

_NAMES: Final = ("keep_blocks", "keep_days", "keep_states")


@click.command(name="prune")
@home_option
@click.option("--dry-run", is_flag=True, help="Say what would be given back; change nothing.")
@click.option("--keep-blocks", type=int, help="Instead of pruning.keep_blocks.")
@click.option("--keep-days", type=int, help="Instead of pruning.keep_days.")
@click.option("--keep-states", type=int, help="Instead of pruning.keep_states.")
@json_option
def command(
    home: Path,
    dry_run: bool,
    keep_blocks: int | None,
    keep_days: int | None,
    keep_states: int | None,
    as_json: bool,
) -> None:
    """Give disk space back: old transactions and receipts, and old states, of a stopped node.

    \b
    Example:
      bulwark prune --home alliance/northbank --keep-blocks 100000 --keep-states 1000 --dry-run
      bulwark prune --home alliance/northbank --keep-blocks 100000 --keep-states 1000
    """
    config = open_config(home)
    given = dict(zip(_NAMES, (keep_blocks, keep_days, keep_states), strict=True))
    try:
        wanted = PruningConfig(
            **{
                **config.pruning.model_dump(),
                **{name: value for name, value in given.items() if value is not None},
            }
        )
    except ValidationError as error:
        raise BadSetup("; ".join(each["msg"] for each in error.errors())) from error
    if not wanted.is_on:
        raise BadSetup("nothing is to be pruned: give --keep-blocks or --keep-states")
    folder = home / config.storage.path
    if not (folder / "CURRENT").is_file():
        raise BadSetup(f"{folder}: no database; has this node ever run?")
    with (
        faults(setup=(HomeLocked,), failure=(StorageError, ChainError, OSError)),
        NodeLock(home),
        _opened(folder) as store,
    ):
        ChainStore.open(store, open_genesis(home, config))
        run = PruningRun(store, wanted, time.time_ns() // 1_000_000, is_dry=dry_run)
        if not dry_run:
            _compact(store, Figures(run.figures.body_floor, run.figures.state_floor), all_=True)
        before = size_on_disk(folder)
        for _ in run.steps():
            pass
        figures = run.figures
        if not dry_run and not figures.is_nothing:
            store.flush()
            _compact(store, figures)
        after = size_on_disk(folder)
    _tell(figures, before, after, is_dry=dry_run, as_json=as_json)


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[LevelStore]:
    with contextlib.closing(LevelStore(folder)) as store:
        yield store


def _compact(store: LevelStore, figures: Figures, *, all_: bool = False) -> None:
    if all_:
        # What is in the log file only has no size yet: bytes are compared table to table.
        mark_ends(store)
        store.compact()
        return
    for _ in range(ROUNDS):
        mark_ends(store)
        for first, last in ranges_of(frozenset(figures.bytes)):
            store.compact(first, last)


def _tell(figures: Figures, before: int, after: int, *, is_dry: bool, as_json: bool) -> None:
    logical = sum(figures.bytes.values())
    if as_json:
        emit_json(
            {
                "dry_run": is_dry,
                "bodies_below": figures.body_floor.height,
                "bodies_because": figures.body_floor.because,
                "states_below": figures.state_floor.height,
                "states_because": figures.state_floor.because,
                "blocks": figures.blocks,
                "blocks_kept_for_ever": figures.blocks_kept,
                "sidecars": figures.sidecars,
                "state_nodes": figures.states,
                "logical_bytes": logical,
                "promised_bytes": figures.promised if is_dry else None,
                "disk_before": before,
                "disk_after": None if is_dry else after,
                "given_back": None if is_dry else before - after,
            }
        )
        return
    floors = [
        ("bodies", figures.body_floor),
        ("states", figures.state_floor),
    ]
    pairs = [(name, f"below block {floor.height}: {floor.because}") for name, floor in floors]
    pairs.append(
        ("blocks", f"{figures.blocks} go, {figures.blocks_kept} stay for what they decided")
    )
    pairs.append(("state", f"{figures.states} old nodes"))
    if is_dry:
        pairs.append(("promise", f"about {figures.promised} of {before} bytes of disk"))
    else:
        pairs.append(("disk", f"{before} bytes before, {after} after: {before - after} given back"))
    emit_pairs(pairs)
