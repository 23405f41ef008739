"""`bulwark misp pull`, `push` and `screen`: a MISP instance's REST API and this member's node.

Rules: a pull asks for what changed since the cursor that the node keeps of the source, and moves it
only after everything before it is in, so a pull that was cut off is repeated without harm; a push
leaves alone what did not change; a screening sends hits back as sightings and local tags, once.
"""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import click
import orjson

from bulwark.client import BulwarkClient
from bulwark.interop import words as interop
from bulwark.interop.misp.forms import DOCUMENT_BYTES_MAX
from bulwark.interop.misp.values import ALONE, identifiers
from node.cli.connection import ASK_ROLES, Target, connection_options, run, with_client
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
from node.cli.values import case_option, reason_options, region_option
from node.exchange.mispclient import MispClient, MispFailed, MispKeyInvalid, read_misp_key

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., object])
TOGETHER: Final = 25
"""Events taken in at a time."""
BLOCK: Final = 2_000
"""Questions of one screening."""
BANDS: Final = ("low", "medium", "high", "very_high")
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


def _client(url: str, key_file: Path, authority: Path | None) -> MispClient:
    verify: ssl.SSLContext | bool = True
    try:
        if authority is not None:
            verify = ssl.create_default_context(cafile=authority)
        return MispClient(url, read_misp_key(key_file), verify=verify)
    except (MispKeyInvalid, MispFailed, OSError, ssl.SSLError) as error:
        raise BadSetup(str(error)) from error


def _both(
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
    reports: list[tuple[str, dict[str, Any]]] = []

    async def send(client: BulwarkClient, events: list[dict[str, Any]]) -> None:
        body = {"document": {"response": events}, **wish}
        last = str(events[-1]["Event"].get("uuid", ""))[:36]
        told = f"{len(events)} events to {last}"
        reports.append((told, dict(await client.ask("exchange/misp", body))))

    async def work(client: BulwarkClient, misp: MispClient) -> str:
        known = await client.look(f"exchange/misp/sources/{name}")
        start = 0 if from_start else int(str(known.get("cursor") or 0))
        newest = start
        filters = {"published": True} if published else {}
        held: list[dict[str, Any]] = []
        size = 0
        async for event in misp.events(start, filters):
            newest = max(newest, _seconds(event["Event"].get("timestamp")))
            weight = len(orjson.dumps(event))
            if weight > DOCUMENT_BYTES_MAX // 2:
                uuid = str(event["Event"].get("uuid", ""))[:36]
                raise Failed(f"event {uuid} has {weight} bytes: export it in parts")
            if held and (len(held) >= TOGETHER or size + weight > DOCUMENT_BYTES_MAX // 2):
                await send(client, held)
                held, size = [], 0
            held.append(event)
            size += weight
        if held:
            await send(client, held)
        if not dry_run and newest > start:
            last = {"document": [], "source": name, "cursor": str(newest)}
            await client.ask("exchange/misp", last)
        return str(newest)

    cursor = _both(target, _client(misp_url, misp_key_file, misp_ca), work)
    if as_json:
        parts = [{"events": told, **shown} for told, shown in reports]
        emit_json({"source": name, "cursor": cursor, "parts": parts})
    elif reports:
        emit_reports(reports, items=items)
    else:
        click.echo(f"nothing new since {cursor}")


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

    _both(target, _client(misp_url, misp_key_file, misp_ca), work)
    facts = {name: done[name] for name in ("added", "edited", "unchanged")}
    if as_json:
        emit_json(facts)
    else:
        emit_pairs([(name, str(number)) for name, number in facts.items()])


@click.command(name="screen")
@misp_options
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Changed from that day on.")
@click.option(
    "--band", type=click.Choice(BANDS), default="medium", show_default=True,
    help="Least band that is sent back.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Ask, and send nothing back.")
@reason_options("the questions")
@case_option
@region_option
@connection_options(*ASK_ROLES)
@json_option
def screen(
    misp_url: str,
    misp_key_file: Path,
    misp_ca: Path | None,
    since: datetime | None,
    band: str,
    dry_run: bool,
    target: Target,
    as_json: bool,
    **reason: Any,
) -> None:
    """Screen a MISP instance's attributes; hits go back as sightings and local tags.

    \b
    Example:
      bulwark misp screen --misp-url https://misp.example --misp-key-file misp.key \\
        --since 2026-01-01 --home alliance/northbank
    """
    asked = {name: value for name, value in reason.items() if value}
    start = 0 if since is None else int(since.timestamp())
    least = BANDS.index(band)
    done: Counter[str] = Counter()

    async def block(
        client: BulwarkClient, misp: MispClient, rows: list[tuple[str, set[str], Mapping[str, Any]]]
    ) -> None:
        found = await client.screen_many([row for _, _, row in rows])
        for answered in found.rows:
            uuid, tags, _ = rows[answered.line - 1]
            screening = answered.answer
            if screening is None:
                continue
            if not screening.complete:
                done["incomplete"] += 1
            elif screening.hit and screening.band in BANDS[least:]:
                done["hits"] += 1
                tag = interop.own_tag("band", screening.band)
                if not dry_run and tag not in tags:
                    await misp.attach_tag(uuid, tag)
                    await misp.sight(uuid, interop.NAMESPACE)
                    done["sent"] += 1
        done["refused"] += found.refused

    async def work(client: BulwarkClient, misp: MispClient) -> None:
        rows: list[tuple[str, set[str], Mapping[str, Any]]] = []
        async for entry in misp.attributes(list(interop.MISP_TYPES), start):
            done["attributes"] += 1
            for row in _questions(entry, asked):
                rows.append((str(entry.get("uuid", "")), _tags(entry), row))
            if len(rows) >= BLOCK:
                await block(client, misp, rows)
                rows.clear()
        if rows:
            await block(client, misp, rows)

    _both(target, _client(misp_url, misp_key_file, misp_ca), work)
    names = ("attributes", "hits", "sent", "refused", "incomplete")
    if as_json:
        emit_json({name: done[name] for name in names})
    else:
        emit_pairs([(name, str(done[name])) for name in names])


def _questions(entry: Mapping[str, Any], asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    kind, value = entry.get("type"), entry.get("value")
    if not isinstance(kind, str) or not isinstance(value, str):
        return []
    return [
        {"kind": one.kind.label, "value": one.value, **asked}
        for one in identifiers(kind, "", value, ALONE)
    ]


def _tags(entry: Mapping[str, Any]) -> set[str]:
    tags = entry.get("Tag")
    listed = tags if isinstance(tags, list) else []
    return {str(tag.get("name", "")) for tag in listed if isinstance(tag, dict)}


def _seconds(value: object) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else 0
