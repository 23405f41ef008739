"""`bulwark misp export`, `feed`, `pss` and `forget`: records and kept values out of the node.

Rules: what goes to a file is written whole or not at all, readable by its owner alone (a feed by
all who may read its folder); a key of a search set comes from a file of mode 0600 and is in no
output.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from bulwark.client import BulwarkClient
from bulwark.indicators.vocabulary import Kind
from bulwark.interop.misp.feed import dumped, feed_files
from bulwark.interop.misp.pss import ALGORITHMS, FP_MAX, FP_MIN, KEY_MIN
from node.cli.connection import Target, connection_options, run, with_client
from node.cli.faults import BadSetup
from node.cli.misp_options import READ_ROLES, TIMEOUT_S, WRITE_ROLES
from node.cli.options import emit_json, emit_pairs, json_option
from node.cli.values import words

OWNER_ONLY: Final = 0o600
READABLE: Final = 0o644
_OUT = click.Path(path_type=Path)
_WISH = (
    click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Stated from that day on."),
    click.option(
        "--most", type=click.IntRange(1, 50_000), default=10_000, show_default=True,
        help="The newest records.",
    ),
    click.option("--own-only", is_flag=True, help="Records of this member alone."),
    click.option("--clear", is_flag=True, help="Clear values where this member kept them."),
)  # fmt: skip


def wish_options(command: Any) -> Any:
    """Options that choose records."""
    for option in reversed(_WISH):
        command = option(command)
    return command


def wish_of(
    since: datetime | None, most: int, own_only: bool, clear: bool
) -> dict[str, int | bool]:
    """The choice as the node takes it."""
    seconds = 0 if since is None else int(since.replace(tzinfo=UTC).timestamp())
    return {"since": seconds, "most": most, "own_only": own_only, "clear": clear}


async def events_of(client: BulwarkClient, wish: Mapping[str, object]) -> list[dict[str, Any]]:
    """The events of an export."""
    answer = await client.ask("exchange/misp/export", wish)
    found = answer.get("response")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


@click.command(name="export")
@wish_options
@click.option("--out", type=_OUT, required=True, help="File for the events, JSON.")
@connection_options("reporter", *READ_ROLES)
@json_option
def export(
    out: Path,
    target: Target,
    as_json: bool,
    since: datetime | None,
    most: int,
    own_only: bool,
    clear: bool,
) -> None:
    """Write records of the alliance as MISP events: tokens, or this member's kept clear values.

    \b
    Example:
      bulwark misp export --own-only --out events.json --home alliance/northbank
    """
    wish = wish_of(since, most, own_only, clear)
    found = run(with_client(target, lambda client: events_of(client, wish), timeout_s=TIMEOUT_S))
    _write(out, dumped({"response": found}), OWNER_ONLY)
    _told(as_json, file=str(out), events=len(found), attributes=_attributes(found))


@click.command(name="feed")
@wish_options
@click.option("--out", type=_OUT, required=True, help="Folder of the feed; made if needed.")
@connection_options("reporter", *READ_ROLES)
@json_option
def feed(
    out: Path,
    target: Target,
    as_json: bool,
    since: datetime | None,
    most: int,
    own_only: bool,
    clear: bool,
) -> None:
    """Write a MISP feed: manifest.json, hashes.csv and one file an event.

    \b
    Example:
      bulwark misp feed --since 2026-01-01 --out feed/ --home alliance/northbank
    """
    wish = wish_of(since, most, own_only, clear)
    found = run(with_client(target, lambda client: events_of(client, wish), timeout_s=TIMEOUT_S))
    files = feed_files(found)
    out.mkdir(parents=True, exist_ok=True)
    mode = OWNER_ONLY if clear else READABLE
    # The manifest last: whoever pulls meanwhile finds every event that it names.
    for name in sorted(files, key=lambda name: name == "manifest.json"):
        _write(out / name, files[name], mode)
    stale = [path for path in out.glob("*-*-*-*-*.json") if path.name not in files]
    for path in stale:
        path.unlink()
    _told(as_json, folder=str(out), events=len(found), attributes=_attributes(found))


@click.command(name="pss")
@click.option("--out", type=_OUT, required=True, help="Folder of the set; made if needed.")
@click.option("--set-key-file", type=_OUT, required=True, help="Key in hex, mode 0600.")
@click.option("--key-id", required=True, help="Name by which the receiver knows the key.")
@click.option("--name", "set_name", required=True, help="Name of the set.")
@click.option(
    "--algorithm", type=click.Choice(list(ALGORITHMS)), default="HMAC-SHA-256", show_default=True,
    help="Keyed hash.",
)  # fmt: skip
@click.option(
    "--probability", type=click.FloatRange(FP_MIN, FP_MAX), default=0.0001, show_default=True,
    help="Of a false positive, when the filter is full.",
)  # fmt: skip
@click.option("--capacity", type=click.IntRange(1), help="Values it can hold; twice its own.")
@click.option("--kind", "kinds", type=words(Kind), multiple=True, help="Only these; repeatable.")
@connection_options(*WRITE_ROLES)
@json_option
def pss(
    out: Path,
    set_key_file: Path,
    key_id: str,
    set_name: str,
    algorithm: str,
    probability: float,
    capacity: int | None,
    kinds: tuple[str, ...],
    target: Target,
    as_json: bool,
) -> None:
    """Make a Private Search Set (keyed hashes and Bloom filter) of this member's kept values.

    Whoever has the key can try all telephone numbers: give each receiver a key of its own.

    \b
    Example:
      bulwark misp pss --out set/ --set-key-file partner.key --key-id partner-1 --name partner \\
        --home alliance/northbank
    """
    wish = {
        "name": set_name,
        "key": _set_key(set_key_file),
        "key_id": key_id,
        "algorithm": algorithm,
        "probability": probability,
        "capacity": capacity or 0,
        "kinds": list(kinds),
    }
    path = "exchange/misp/search-set"
    found = run(with_client(target, lambda client: client.ask(path, wish), timeout_s=TIMEOUT_S))
    files = found.get("files")
    out.mkdir(parents=True, exist_ok=True)
    sizes: dict[str, object] = {}
    for name, content in (files if isinstance(files, dict) else {}).items():
        raw = base64.b64decode(str(content))
        sizes[name] = f"{len(raw)} bytes"
        _write(out / Path(name).name, raw, OWNER_ONLY)
    _told(as_json, folder=str(out), **sizes)


@click.command(name="forget")
@click.confirmation_option(prompt="Forget all clear text that imports kept?")
@connection_options(*WRITE_ROLES)
@json_option
def forget(target: Target, as_json: bool) -> None:
    """Forget all clear text that imports kept; records stay.

    \b
    Example:
      bulwark misp forget --yes --home alliance/northbank
    """
    path = "exchange/misp/forget"
    found = run(with_client(target, lambda client: client.ask(path, {}), timeout_s=TIMEOUT_S))
    _told(as_json, forgotten=found.get("forgotten"))


def _attributes(events: list[dict[str, Any]]) -> int:
    return sum(len(document["Event"]["Attribute"]) for document in events)


def _told(as_json: bool, **facts: object) -> None:
    if as_json:
        emit_json(facts)
    else:
        emit_pairs([(name, str(fact)) for name, fact in facts.items()])


def _set_key(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        text = path.read_text("ascii").strip()
        raw = binascii.unhexlify(text)
    except OSError as error:
        raise BadSetup(f"{path}: {error.strerror}") from error
    except (ValueError, binascii.Error) as error:
        raise BadSetup(f"{path}: is not hexadecimal") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadSetup(f"{path}: others may read or write it; set its mode to 0600")
    if not KEY_MIN <= len(raw) <= 64:
        raise BadSetup(f"{path}: {len(raw)} bytes, {KEY_MIN} to 64 needed")
    return text


def _write(path: Path, content: bytes, mode: int) -> None:
    """A whole file under its name, or none."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise BadSetup(f"{path}: {error.strerror}") from error
