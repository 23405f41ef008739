"""`bulwark doctor`: why there is no block, which member it is, and what to do.

Rules: exit code 0 when all is well (one line), 1 when there is something to look after or the node
is down and its home says why, 2 when no node could be asked. With --home or --devnet a node that
does not answer is examined from its home; nothing is ever repaired or written.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from bulwark.client import ClientError
from bulwark.client.errors import TimedOut, Unreachable
from bulwark.client.policy import RetryPolicy
from node.cli.connection import Target, connection_options
from node.cli.faults import BadSetup
from node.cli.options import emit_json, json_option
from node.diagnosis.text import document, lines

OPERATOR_ROLES: Final = ("operator",)
TIMEOUT_S: Final = 5.0
WATCH_S: Final = 2.0
FINDINGS: Final = 1
UNREACHABLE: Final = 2


@click.command(name="doctor")
@connection_options(*OPERATOR_ROLES)
@json_option
@click.option("--watch", is_flag=True, help="Look again and again; print what changes.")
def command(target: Target, as_json: bool, watch: bool) -> int:
    """Say why there is no block, or that all is well.

    Exit code 0: well. 1: findings. 2: the node could not be asked. With --home, a node that does
    not run is examined from its home folder.

    \b
    Example:
      bulwark doctor --home alliance/northbank
      bulwark doctor --devnet /tmp/alliance --node telco-b --json
      bulwark doctor --url http://127.0.0.1:8000 --key-file keys.json --watch
    """
    home = _home()
    found = _look(target, home)
    _print(found, as_json)
    while watch:
        time.sleep(WATCH_S)
        before, found = found, _look(target, home)
        if _essence(found) != _essence(before):
            _print(found, as_json)
    return 0 if found.get("well") is True else FINDINGS


def _look(target: Target, home: Path | None) -> Mapping[str, object]:
    """A diagnosis document; raises BadSetup when there is none to be had."""
    try:
        return asyncio.run(_asked(target))
    except (Unreachable, TimedOut) as error:
        if home is None:
            raise BadSetup(str(error)) from error
        return _from_home(home)
    except ClientError as error:
        raise BadSetup(str(error)) from error


async def _asked(target: Target) -> dict[str, object]:
    async with target.client(RetryPolicy(attempts=1, unreachable_attempts=1), TIMEOUT_S) as client:
        return await client.diagnosis()


def _from_home(home: Path) -> Mapping[str, object]:
    # Imported here: a node that answers needs none of it.
    from node.cli.homes import open_config
    from node.postmortem import examine_home

    return document(examine_home(home, open_config(home), time.time_ns() // 1_000_000))


def _home() -> Path | None:
    """The home folder that the options name, if they name one."""
    given = click.get_current_context().params
    home, devnet, name = given.get("home"), given.get("devnet"), given.get("name")
    if isinstance(home, Path):
        return home
    if isinstance(devnet, Path):
        from node.devnet.layout import read_nodes

        nodes = read_nodes(devnet)
        return next((node.home for node in nodes if node.name == (name or nodes[0].name)), None)
    return None


def _essence(found: Mapping[str, object]) -> object:
    """What has to change for a new print: the verdict and which findings there are."""
    findings = found.get("findings")
    rows = findings if isinstance(findings, list) else []
    return found.get("verdict"), [(row["code"], row["subject"]) for row in rows]


def _print(found: Mapping[str, object], as_json: bool) -> None:
    if as_json:
        emit_json(found)
        return
    for line in lines(found):
        click.echo(line)
