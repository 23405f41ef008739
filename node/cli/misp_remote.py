"""`bulwark misp pull` and `push`: a MISP instance's REST API and this member's node.

Rules: a pull asks for what changed since the cursor that the node keeps of the source, and moves it
only after everything before it is in, so a pull that was cut off is repeated without harm; a push
leaves alone what did not change.
"""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import click
import orjson

from bulwark.client import BulwarkClient
from bulwark.interop.misp.forms import DOCUMENT_BYTES_MAX
from node.cli.connection import Target, connection_options, run, with_client
from node.cli.faults import BadSetup, Failed
from node.cli.misp_options import (
    READ_ROLES,
    TIMEOUT_S,
    WRITE_ROLES,
    chosen,
    emit_reports,
    import_options,
)
from node.cli.misp_out import events_of, wish_of, wish_options
from node.cli.options import emit_json, emit_pairs, json_option
from node.exchange.mispclient import MispClient, MispFailed, MispKeyInvalid, read_misp_key

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., object])
TOGETHER: Final = 25
"""Events taken in at a time."""
_PATH = click.Path(path_type=Path)


def misp_options(command: Command) -> Command:
    """Options that name a MISP instance; the command gets misp_url, misp_key_file, misp_ca."""
    for option in (
        click.option("--misp-ca", type=_PATH, help="CA certificate of the instance, PEM."),
        click.option(
            "--misp-key-file", type=_PATH, required=True, help="File with its API key, mode 0600."
        ),
        click.option("--misp-url", required=True, help="Address of the MISP instance."),
    ):
        command = option(command)
    return command


def misp_client(url: str, key_file: Path, authority: Path | None) -> MispClient:
    verify: ssl.SSLContext | bool = True
    try:
        if authority is not None:
            verify = ssl.create_default_context(cafile=authority)
        return MispClient(url, read_misp_key(key_file), verify=verify)
    except (MispKeyInvalid, MispFailed, OSError, ssl.SSLError) as error:
        raise BadSetup(str(error)) from error


def both(
    target: Target, misp: MispClient, work: Callable[[BulwarkClient, MispClient], Awaitable[T]]
) -> T:
    """Do `work` with clients of both sides; what MISP refuses ends the command with code 1."""

    async def all_of_it(client: BulwarkClient) -> T:
        async with misp:
            return await work(client, misp)

    try:
        return run(with_client(target, all_of_it, timeout_s=TIMEOUT_S))
    except MispFailed as error:
        raise Failed(str(error)) from error


def _source(name: str | None, url: str) -> str:
    found = name or urlsplit(url).netloc
    kept = "".join(char if char.isalnum() or char in "._:-" else "-" for char in found)[:64]
    if not kept:
        raise BadSetup("--source wants a name")
    return kept


@click.command(name="pull")
@misp_options
@click.option("--source", help="Name under which the node keeps the cursor; the host if left out.")
@click.option("--from-start", is_flag=True, help="Ask for everything again.")
@click.option("--published", is_flag=True, help="Published events only.")
@import_options
@click.option("--dry-run", is_flag=True, help="Say what would happen, change nothing.")
@click.option("--keep-clear", is_flag=True, help="Keep clear values for own exports, encrypted.")
@click.option("--items", is_flag=True, help="Also every item with its place and reason.")
@connection_options(*WRITE_ROLES)
@json_option
def pull(
    misp_url: str,
    misp_key_file: Path,
    misp_ca: Path | None,
    source: str | None,
    from_start: bool,
    published: bool,
    dry_run: bool,
    keep_clear: bool,
    items: bool,
    target: Target,
    as_json: bool,
    **given: Any,
) -> None:
    """Take in the events that changed on a MISP instance since the last pull.

    \b
    Example:
      bulwark misp pull --misp-url https://misp.example --misp-key-file misp.key \\
        --fraud-type phishing --home alliance/northbank
    """
    name = _source(source, misp_url)
    wish = {"options": chosen(given), "dry_run": dry_run, "keep_clear": keep_clear}
    puller = _Puller(name, wish, from_start, {"published": True} if published else {})
    cursor = both(target, misp_client(misp_url, misp_key_file, misp_ca), puller.run)
    if as_json:
        parts = [{"events": told, **shown} for told, shown in puller.reports]
        emit_json({"source": name, "cursor": cursor, "parts": parts})
    elif puller.reports:
        emit_reports(puller.reports, items=items)
    else:
        click.echo(f"nothing new since {cursor}")


@dataclass(slots=True)
class _Puller:
    """One pull: events taken in some at a time, then the cursor moved."""

    source: str
    wish: Mapping[str, Any]
    from_start: bool
    filters: Mapping[str, object]
    reports: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _held: list[dict[str, Any]] = field(default_factory=list)
    _size: int = 0

    async def run(self, client: BulwarkClient, misp: MispClient) -> str:
        """The new cursor."""
        known = await client.look(f"exchange/misp/sources/{self.source}")
        start = newest = 0 if self.from_start else int(str(known.get("cursor") or 0))
        async for event in misp.events(start, self.filters):
            newest = max(newest, _seconds(event["Event"].get("timestamp")))
            await self._take(client, event)
        await self._send(client)
        if not self.wish["dry_run"] and newest > start:
            last = {"document": [], "source": self.source, "cursor": str(newest)}
            await client.ask("exchange/misp", last)
        return str(newest)

    async def _take(self, client: BulwarkClient, event: dict[str, Any]) -> None:
        weight, most = len(orjson.dumps(event)), DOCUMENT_BYTES_MAX // 2
        if weight > most:
            uuid = str(event["Event"].get("uuid", ""))[:36]
            raise Failed(f"event {uuid} has {weight} bytes: export it in parts")
        if len(self._held) >= TOGETHER or self._size + weight > most:
            await self._send(client)
        self._held.append(event)
        self._size += weight

    async def _send(self, client: BulwarkClient) -> None:
        if not self._held:
            return
        last = str(self._held[-1]["Event"].get("uuid", ""))[:36]
        told = f"{len(self._held)} events to {last}"
        body = {"document": {"response": self._held}, **self.wish}
        self.reports.append((told, dict(await client.ask("exchange/misp", body))))
        self._held, self._size = [], 0


@click.command(name="push")
@misp_options
@wish_options
@connection_options("reporter", *READ_ROLES)
@json_option
def push(
    misp_url: str,
    misp_key_file: Path,
    misp_ca: Path | None,
    target: Target,
    as_json: bool,
    since: datetime | None,
    most: int,
    own_only: bool,
    clear: bool,
) -> None:
    """Bring records to a MISP instance: events are added, or edited where they changed.

    \b
    Example:
      bulwark misp push --misp-url https://misp.example --misp-key-file misp.key \\
        --own-only --home alliance/northbank
    """
    wish = wish_of(since, most, own_only, clear)
    done: Counter[str] = Counter()

    async def work(client: BulwarkClient, misp: MispClient) -> None:
        for event in await events_of(client, wish):
            done[await misp.put_event(event)] += 1

    both(target, misp_client(misp_url, misp_key_file, misp_ca), work)
    facts = {name: done[name] for name in ("added", "edited", "unchanged")}
    if as_json:
        emit_json(facts)
    else:
        emit_pairs([(name, str(number)) for name, number in facts.items()])


def _seconds(value: object) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else 0
