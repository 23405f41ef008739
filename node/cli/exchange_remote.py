"""What pulls from and pushes to other servers share: clients, names of sources, reports.

Rules: an address that can not be called and a key that can not be read end a command before
anything of them is sent anywhere, to the own node too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click

from bulwark.client import BulwarkClient
from node.cli.connection import Target, run, trust, with_client
from node.cli.exchange_in import TIMEOUT_S, Intake, Report, emit_reports
from node.cli.faults import BadSetup, faults
from node.cli.options import emit_json
from node.exchange.outbound import OutboundClient, SecretInvalid, ServerFailed, Verify

T = TypeVar("T")
Server = TypeVar("Server", bound=OutboundClient)


def opened(authority: Path | None, make: Callable[[Verify], Server]) -> Server:
    """A client that trusts a CA certificate (PEM), or the system's. Raises BadSetup."""
    with faults(setup=(SecretInvalid, ServerFailed)):
        return make(trust(authority))


def both(
    target: Target, server: Server, work: Callable[[BulwarkClient, Server], Awaitable[T]]
) -> T:
    """Do `work` with clients of both sides; what the server refuses ends it with code 1."""

    async def all_of_it(client: BulwarkClient) -> T:
        async with server:
            return await work(client, server)

    with faults(failure=(ServerFailed,)):
        return run(with_client(target, all_of_it, timeout_s=TIMEOUT_S))


def source_name(found: str) -> str:
    """A name as the node keeps cursors under: 1 to 64 of A-Z a-z 0-9 . _ : -; raises BadSetup."""
    kept = "".join(char if char.isalnum() or char in "._:-" else "-" for char in found)[:64]
    if not kept or not kept.isascii():
        raise BadSetup("--source wants a name in ASCII")
    return kept


def emit_pull(
    intake: Intake,
    source: str,
    cursor: str,
    parts: Sequence[tuple[str, Report]],
    words: tuple[str, str],
) -> None:
    """Print what a pull took in; `words`: what its parts, and the label of one, are in JSON."""
    if intake.as_json:
        listed = [{words[1]: label, **report} for label, report in parts]
        emit_json({"source": source, "cursor": cursor, words[0]: listed})
    elif parts:
        emit_reports(parts, items=intake.items)
    else:
        click.echo(f"nothing new since {cursor or 'ever'}")
