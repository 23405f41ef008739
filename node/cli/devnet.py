"""`bulwark devnet up|status|down`: a whole alliance on this machine.

Rules: results go to standard output and progress to standard error; in the foreground the nodes
end with the command, detached they stay until `devnet down`.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from node.cli.faults import Failed, faults
from node.cli.options import emit_json, emit_rows, json_option
from node.devnet.devnet import START_TIMEOUT_S, Devnet
from node.devnet.errors import DevnetError, DevnetInvalid, NodeDied, NotReady, PortTaken
from node.devnet.health import Health, ask_heights
from node.devnet.layout import DEFAULT_BASE_PORT, DevnetNode, Wish, is_devnet
from node.devnet.processes import tail

_WATCH_S = 0.3
_home_option = click.option(
    "--home",
    required=True,
    type=click.Path(path_type=Path, file_okay=False, resolve_path=True),
    help="Folder of the devnet.",
)


@click.group(name="devnet")
def command() -> None:
    """Run a whole alliance on this machine.

    \b
    Example:
      bulwark devnet up --home /tmp/alliance --detach
      bulwark devnet status --home /tmp/alliance
      bulwark devnet down --home /tmp/alliance
    """


@command.command(name="up")
@_home_option
@click.option("--members", type=int, help="Voting members of a new devnet; 4 if not given.")
@click.option("--observers", type=int, help="Regulator's observers of a new one; 1 if not given.")
@click.option(
    "--base-port",
    type=int,
    help=f"First port of a new one, two ports a node; {DEFAULT_BASE_PORT} if not given.",
)
@click.option("--detach", is_flag=True, help="Return when all serve; the nodes stay.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=START_TIMEOUT_S,
    show_default=True,
    help="Seconds to wait for the nodes.",
)
@json_option
def up(
    home: Path,
    members: int | None,
    observers: int | None,
    base_port: int | None,
    detach: bool,
    timeout: float,
    as_json: bool,
) -> None:
    """Make an alliance if the folder has none, start its nodes, wait until they serve.

    Without --detach it stays in the foreground and Ctrl-C stops all nodes.

    \b
    Example:
      bulwark devnet up --home /tmp/alliance --members 4 --detach
    """
    with (
        _interrupts(),
        faults(setup=(DevnetInvalid, PortTaken), failure=(NodeDied, NotReady)),
        faults(setup=(DevnetError,)),
    ):
        devnet = _open(home, Wish(members, observers, base_port), detach)
        try:
            devnet.start(timeout, _progress if sys.stderr.isatty() else None)
        except NodeDied as error:
            _show_tail(error)
            raise Failed(
                f"{error.name} ended ({error.ended}), see above; log {error.log}"
            ) from error
        _tell(devnet, as_json)
        if not detach:
            _stay(devnet)


@command.command(name="status")
@_home_option
@json_option
def status(home: Path, as_json: bool) -> None:
    """Show which nodes run, answer and serve, and how far each has come.

    \b
    Example:
      bulwark devnet status --home /tmp/alliance --json
    """
    with faults(setup=(DevnetError,)):
        found = Devnet.open(home).health()
    if as_json:
        emit_json({"nodes": [_state_document(node, health) for node, health in found]})
        return
    head = ("NODE", "ROLE", "PID", "HEIGHT", "FINALIZED", "REST", "STATE")
    rows: list[tuple[str, ...]] = [head]
    for node, health in found:
        heights = ask_heights(node) if health.healthy else (None, None)
        shown = ["-" if value is None else str(value) for value in (node.pid, *heights)]
        rows.append((node.name, node.role, *shown, node.rest_url, _state_text(node, health)))
    emit_rows(rows)


def _state_document(node: DevnetNode, health: Health) -> dict[str, object]:
    executed, finalized = ask_heights(node) if health.healthy else (None, None)
    return {
        **node.document(),
        "running": node.pid is not None,
        "healthy": health.healthy,
        "ready": health.ready,
        "missing": list(health.missing),
        "height": executed,
        "finalized": finalized,
    }


def _state_text(node: DevnetNode, health: Health) -> str:
    if node.pid is None:
        return "stopped"
    if not health.healthy:
        return "does not answer"
    return "ready" if health.ready else f"waits for {', '.join(health.missing)}"


@command.command(name="down")
@_home_option
@json_option
def down(home: Path, as_json: bool) -> None:
    """Stop all nodes: SIGTERM, and SIGKILL for those that are still there after 10 seconds.

    \b
    Example:
      bulwark devnet down --home /tmp/alliance
    """
    with faults(setup=(DevnetError,)):
        devnet = Devnet.open(home)
        running = [node.name for node in devnet.nodes if node.pid is not None]
        killed = devnet.stop()
    if as_json:
        emit_json({"stopped": running, "killed": killed})
        return
    for name in running:
        click.echo(f"{name} {'killed after 10 s' if name in killed else 'stopped'}")
    if not running:
        click.echo("no node was running")


def _open(home: Path, wish: Wish, detach: bool) -> Devnet:
    if not is_devnet(home):
        return Devnet.create(
            home,
            4 if wish.members is None else wish.members,
            1 if wish.observers is None else wish.observers,
            DEFAULT_BASE_PORT if wish.base_port is None else wish.base_port,
            detached=detach,
        )
    devnet = Devnet.open(home, detached=detach)
    wish.check(home, devnet.nodes)
    running = [node for node in devnet.nodes if node.pid is not None]
    if running and not detach:
        names = ", ".join(f"{node.name} (pid {node.pid})" for node in running)
        raise DevnetInvalid(
            home,
            f"{names} runs already; give --detach to start the others, or stop all with "
            f"bulwark devnet down --home {home}",
        )
    return devnet


def _progress(healthy: int, ready: int, nodes: int, seconds: float) -> None:
    line = f"{healthy} of {nodes} nodes answer, {ready} ready, {seconds:.1f} s"
    end = "\n" if ready == nodes else ""
    click.echo(f"\r\x1b[K{line}{end}", nl=False, err=True)


def _show_tail(error: NodeDied) -> None:
    for line in error.tail:
        click.echo(f"  {line}", err=True)


def _tell(devnet: Devnet, as_json: bool) -> None:
    if as_json:
        emit_json({"nodes": [node.document() for node in devnet.nodes]})
        sys.stdout.flush()
        return
    emit_rows([("NODE", "ROLE", "PID", "P2P", "REST"), *(_row(node) for node in devnet.nodes)])
    example = devnet.nodes[0].document()["api_keys_file"]
    click.echo(f"API keys: one file in each node's folder, as {example}")
    click.echo(f"Stop: bulwark devnet down --home {devnet.home}")
    sys.stdout.flush()


def _row(node: DevnetNode) -> tuple[str, ...]:
    document = node.document()
    return (node.name, node.role, str(node.pid), str(document["p2p"]), node.rest_url)


def _stay(devnet: Devnet) -> None:
    """Watch the nodes until Ctrl-C or until none is left; then stop all."""
    try:
        click.echo("Ctrl-C stops all nodes.", err=True)
        while any(node.pid is not None for node in devnet.nodes):
            for node, how in devnet.ended():
                click.echo(f"{node.name} ended ({how}); log {node.log}", err=True)
                for line in tail(node.log)[-3:] if how != "exit code 0" else ():
                    click.echo(f"  {line}", err=True)
            time.sleep(_WATCH_S)
        click.echo("no node runs any more", err=True)
    except KeyboardInterrupt:
        click.echo("stopping all nodes", err=True)
    finally:
        devnet.stop()


@contextmanager
def _interrupts() -> Iterator[None]:
    """SIGTERM and SIGHUP end the foreground as Ctrl-C does, so that the nodes are stopped.

    SIGINT is set, too: a shell that starts the command in the background has it ignored.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    earlier = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, earlier, strict=True):
            signal.signal(number, handler)
