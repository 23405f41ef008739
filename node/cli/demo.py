"""`bulwark demo`: an alliance of real nodes on this machine, walked through its main job.

Rules: with --exit the nodes end with the command, and a folder that the demo made itself goes when
all went well; without it they stay, and the last lines say how to use and stop them. Every promise
of the walk is checked: exit code 0 means that all of it was seen.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from bulwark.client import ClientError
from genesis.home import GENESIS_FILE
from node.cli.demo_data import DemoData, load
from node.cli.demo_nodes import WalkNode, of_devnet, read_running
from node.cli.demo_view import DemoView
from node.cli.demo_walk import Walk
from node.cli.faults import BadSetup, Failed, faults
from node.cli.options import emit_json, json_option
from node.devnet.devnet import Devnet
from node.devnet.errors import DevnetError, NodeDied

PROOF_FILE = "demo-record-proof.json"


@click.command(name="demo")
@click.option("--exit", "leave", is_flag=True, help="Stop the alliance at the end.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder with lists of real indicators; without it the project's made-up samples.",
)
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False, resolve_path=True),
    help="New or empty folder for the alliance; a temporary one if left out.",
)
@click.option(
    "--running",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Walk nodes that run already: a file like devnet.json, with genesis.json beside it.",
)
@json_option
def command(
    leave: bool, data: Path | None, home: Path | None, running: Path | None, as_json: bool
) -> None:
    """Start an alliance and walk through its main job.

    Four members and a regulator's observer start as processes of their own; the members report
    indicators, ask about what others reported, record a consent and its withdrawal, and one
    record's proof is checked offline.

    \b
    Example:
      bulwark demo --exit
      bulwark demo --data lists/ --home alliance
      bulwark demo --running compose/devnet.json
    """
    begun = time.monotonic()
    view = DemoView(Console(stderr=as_json, soft_wrap=False))
    rows = load(data)
    if running is not None:
        if home is not None:
            raise BadSetup("--home is for an alliance that the demo starts; --running starts none")
        seen = asyncio.run(_walk(read_running(running), running.parent, rows, view, stays=False))
        view.closing(seen.found, 0.0, time.monotonic() - begun, rows.lists)
        if as_json:
            emit_json(_document(seen, rows, running.parent, 0.0, time.monotonic() - begun))
        return
    folder = home or Path(tempfile.mkdtemp(prefix="bulwark-demo-"))
    devnet = _start(folder, view, keep=not leave)
    ready_s = time.monotonic() - begun
    try:
        stays = home is not None or not leave
        walk = asyncio.run(_walk(of_devnet(devnet.nodes), folder, rows, view, stays=stays))
    except BaseException as error:
        if leave or isinstance(error, KeyboardInterrupt):
            devnet.stop()
            raise
        view.line(f"the nodes still run; stop them: bulwark devnet down --home {folder}")
        raise
    view.closing(walk.found, ready_s, time.monotonic() - begun, rows.lists)
    if leave:
        devnet.stop()
        view.line("the alliance is stopped")
        if home is None:
            shutil.rmtree(folder, ignore_errors=True)
    else:
        phones = (str(row["value"]) for row in rows.rows if row["kind"] == "phone")
        view.left_up(folder, devnet.nodes, next(phones, None) if data is None else None)
    if as_json:
        emit_json(_document(walk, rows, folder, ready_s, time.monotonic() - begun))


def _start(folder: Path, view: DemoView, *, keep: bool) -> Devnet:
    view.step("Start four members and a regulator's observer, each a process of its own")
    bar, tick = view.bar("nodes ready")
    with faults(setup=(DevnetError,)), bar:
        devnet = Devnet.create(folder, members=4, observers=1, detached=keep)
        try:
            devnet.start(progress=lambda _, ready, nodes, __: tick(ready, nodes))
        except NodeDied as error:
            raise Failed(str(error)) from error
    names = ", ".join(node.name for node in devnet.nodes)
    view.line(f"{names} in {folder}")
    view.line("own keys, own LevelDB, mutual TLS between all of them")
    return devnet


async def _walk(
    nodes: Sequence[WalkNode], folder: Path, data: DemoData, view: DemoView, *, stays: bool
) -> Walk:
    genesis = folder / GENESIS_FILE
    proof = folder / PROOF_FILE
    with faults(failure=(ClientError, OSError)):
        async with Walk(nodes, data, genesis.read_bytes()) as walk:
            view.step(f"Report {len(data.rows):,} indicators ({', '.join(data.kinds)})")
            bar, tick = view.bar("rows")
            with bar:
                await walk.report(tick)
            view.reported(walk.found)
            view.step("Ask members that did not report")
            bar, tick = view.bar("questions")
            with bar:
                await walk.screen(tick)
            view.screened(walk.found)
            view.step("Record a consent, then its withdrawal")
            await walk.consent()
            if walk.found.given is not None and walk.found.withdrawn is not None:
                view.line(
                    f"given in block {walk.found.given.height}, withdrawn in block "
                    f"{walk.found.withdrawn.withdrawn_height}; only a commitment is on the ledger"
                )
            view.step("Prove one record offline")
            await walk.prove()
            if stays:
                proof.write_bytes(walk.found.proof)
            view.proved(walk.found, proof, genesis, stays=stays)
            view.step("Compare the ledgers of all nodes")
            await walk.compare()
            return walk


def _document(
    walk: Walk, data: DemoData, folder: Path, ready_s: float, total_s: float
) -> dict[str, object]:
    found = walk.found
    return {
        "home": str(folder),
        "kinds": data.kinds,
        "records": found.records,
        "reported": found.reported,
        "ready_s": ready_s,
        "report_s": found.report_s,
        "final_s": found.final_s,
        "questions": found.asked,
        "hits": found.hits,
        "misses": found.misses,
        "answer_ms_median": statistics.median(found.latencies_ms or [0.0]),
        "answer_ms_slowest": max(found.latencies_ms, default=0.0),
        "consent": None if found.withdrawn is None else asdict(found.withdrawn),
        "proof_valid": found.verified is not None,
        "heights": {n: {"executed": h[0], "finalized": h[1]} for n, h in found.heights.items()},
        "total_s": total_s,
    }
