"""`bulwark node run`: runs the node of one home in the foreground."""

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
