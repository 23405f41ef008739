"""`bulwark node run` and `health`: runs the node of a home, or asks whether it lives."""

from __future__ import annotations

import gc
from pathlib import Path

import click

from node.cli.options import home_option


@click.group(name="node")
def command() -> None:
    """Run one node.

    \b
    Example:
      bulwark node run --home alliance/northbank
      bulwark node health --home alliance/northbank
    """


@command.command(name="run")
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


@command.command(name="health")
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
