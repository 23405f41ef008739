"""`bulwark node`: runs the node of a home, asks whether it lives, has it read its settings anew."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Final

import click

from node.cli.lazygroup import LazyGroup
from node.cli.options import home_option

TABLE: Final = {
    "run": ("node.cli.node:run", "Run the node of this home until SIGTERM or Ctrl-C."),
    "health": ("node.cli.node:health", "Ask the node of this home whether it lives."),
    "reload": ("node.cli.node_reload", "Have a running node read its settings and files anew."),
}
"""Sub-commands; a node that runs imports nothing that only the others need."""


@click.group(name="node", cls=LazyGroup, table=TABLE)
def command() -> None:
    """Run one node.

    \b
    Example:
      bulwark node run --home alliance/northbank
      bulwark node health --home alliance/northbank
      bulwark node reload --home alliance/northbank
    """


@click.command(name="run")
@home_option
def run(home: Path) -> int:
    """Run the node of this home until SIGTERM or Ctrl-C.

    The passphrase of its keystore comes from BULWARK_KEYSTORE_PASSPHRASE or from the file that
    node.toml names.

    \b
    Example:
      bulwark node run --home alliance/northbank
    """
    gc.disable()  # nothing of what is imported goes away; `node.process` turns it on again
    from node.process import run_node

    return run_node(home)


@click.command(name="health")
@home_option
@click.option("--ready", is_flag=True, help="Ask whether it serves too, not only whether it lives.")
def health(home: Path, ready: bool) -> int:
    """Ask the node of this home, on this machine, whether it lives; for containers and monitors.

    Exit code 0: it does, 1: it does not or nobody answers.

    \b
    Example:
      bulwark node health --home alliance/northbank --ready
    """
    from node.cli.probe import probe

    found = probe(home, "/readyz" if ready else "/healthz")
    click.echo(found.text)
    return 0 if found.well else 1
