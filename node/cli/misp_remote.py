"""`bulwark misp pull` and `push`: a MISP instance's REST API and this member's node.

Rules: a pull asks for what changed since the cursor that the node keeps of the source, and moves it
only after everything before it is in, so a pull that was cut off is repeated without harm; a push
leaves alone what did not change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click
import orjson

from bulwark.client import BulwarkClient
from bulwark.interop.misp.forms import DOCUMENT_BYTES_MAX
from node.cli.connection import Target
from node.cli.exchange_in import Intake, intake_options
from node.cli.exchange_out import Wish, told, wish_options
from node.cli.exchange_remote import both, emit_pull, opened, source_name
from node.cli.faults import Failed
from node.cli.misp_out import events_of
from node.exchange.mispclient import MispClient, read_misp_key

TOGETHER: Final = 25
"""Events taken in at a time."""
_PATH = click.Path(path_type=Path)


def misp_options(function: Callable[..., None]) -> Callable[..., None]:
    """Options that name a MISP instance; the command gets a client as `misp`."""

    @click.option("--misp-url", required=True, help="Address of the MISP instance.")
    @click.option(
        "--misp-key-file", type=_PATH, required=True, help="File with its API key, mode 0600."
    )
    @click.option("--misp-ca", type=_PATH, help="CA certificate of the instance, PEM.")
    @wraps(function)
    def command(*, misp_url: str, misp_key_file: Path, misp_ca: Path | None, **given: Any) -> None:
        misp = opened(
            misp_ca,
            lambda verify: MispClient(misp_url, read_misp_key(misp_key_file), verify=verify),
        )
        function(misp=misp, **given)

    return command


@click.command(name="pull")
@misp_options
@click.option("--source", help="Name under which the node keeps the cursor; the host if left out.")
@click.option("--from-start", is_flag=True, help="Ask for everything again.")
@click.option("--published", is_flag=True, help="Published events only.")
@intake_options
def pull(
    misp: MispClient,
    source: str | None,
    from_start: bool,
    published: bool,
    intake: Intake,
) -> None:
    """Take in the events that changed on a MISP instance since the last pull.

    \b
    Example:
      bulwark misp pull --misp-url https://misp.example --misp-key-file misp.key \\
        --fraud-type phishing --home alliance/northbank
    """
    name = source_name(source or urlsplit(misp.url).netloc)
    puller = _Puller(name, intake.wish, from_start, {"published": True} if published else {})
    cursor = both(intake.target, misp, puller.run)
    emit_pull(intake, name, cursor, puller.reports, ("parts", "events"))


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
def push(misp: MispClient, wish: Wish, target: Target, as_json: bool) -> None:
    """Bring records to a MISP instance: events are added, or edited where they changed.

    \b
    Example:
      bulwark misp push --misp-url https://misp.example --misp-key-file misp.key \\
        --own-only --home alliance/northbank
    """
    done: Counter[str] = Counter()

    async def work(client: BulwarkClient, misp: MispClient) -> None:
        for event in await events_of(client, wish):
            done[await misp.put_event(event)] += 1

    both(target, misp, work)
    told(as_json, {name: done[name] for name in ("added", "edited", "unchanged")})


def _seconds(value: object) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else 0
