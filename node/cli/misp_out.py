"""`bulwark misp export`, `feed`, `pss` and `forget`: records and kept values out of the node.

Rules: those of `exchange_out`, but that a feed of tokens is readable by all who may read its
folder; a key of a search set comes from a file of mode 0600 and is in no output.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from bulwark.client import BulwarkClient
from bulwark.indicators.vocabulary import Kind
from bulwark.interop.misp.feed import dumped, feed_files
from bulwark.interop.misp.pss import ALGORITHMS, FP_MAX, FP_MIN, KEY_MIN
from node.cli.connection import WRITE_ROLES, Target, connection_options, run, with_client
from node.cli.exchange_in import TIMEOUT_S
from node.cli.exchange_out import OWNER_ONLY, Wish, told, wish_options, write_whole
from node.cli.faults import BadSetup, faults
from node.cli.options import json_option
from node.cli.values import words
from node.exchange.outbound import SecretInvalid, read_secret

READABLE: Final = 0o644
KEY_MAX: Final = 64
"""Bytes of the key of a search set."""
KEY_FILE_MAX: Final = 1_024
_OUT = click.Path(path_type=Path)


async def events_of(client: BulwarkClient, wish: Mapping[str, object]) -> list[dict[str, Any]]:
    """The events of an export."""
    answer = await client.ask("exchange/misp/export", wish)
    found = answer.get("response")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


@click.command(name="export")
@click.option("--out", type=_OUT, required=True, help="File for the events, JSON.")
@wish_options
def export(out: Path, wish: Wish, target: Target, as_json: bool) -> None:
    """Write records of the alliance as MISP events: tokens, or this member's kept clear values.

    \b
    Example:
      bulwark misp export --own-only --out events.json --home alliance/northbank
    """
    found = run(with_client(target, lambda client: events_of(client, wish), timeout_s=TIMEOUT_S))
    write_whole(out, dumped({"response": found}))
    told(as_json, {"file": str(out), **_sizes(found)})


@click.command(name="feed")
@click.option("--out", type=_OUT, required=True, help="Folder of the feed; made if needed.")
@wish_options
def feed(out: Path, wish: Wish, target: Target, as_json: bool) -> None:
    """Write a MISP feed: manifest.json, hashes.csv and one file an event.

    \b
    Example:
      bulwark misp feed --since 2026-01-01 --out feed/ --home alliance/northbank
    """
    found = run(with_client(target, lambda client: events_of(client, wish), timeout_s=TIMEOUT_S))
    files = feed_files(found)
    out.mkdir(parents=True, exist_ok=True)
    mode = OWNER_ONLY if wish["clear"] else READABLE
    # The manifest last: whoever pulls meanwhile finds every event that it names.
    for name in sorted(files, key=lambda name: name == "manifest.json"):
        write_whole(out / name, files[name], mode)
    stale = [path for path in out.glob("*-*-*-*-*.json") if path.name not in files]
    for path in stale:
        path.unlink()
    told(as_json, {"folder": str(out), **_sizes(found)})


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
        write_whole(out / Path(name).name, raw)
    told(as_json, {"folder": str(out), **sizes})


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
    told(as_json, {"forgotten": found.get("forgotten")})


def _sizes(events: list[dict[str, Any]]) -> dict[str, int]:
    attributes = sum(len(document["Event"]["Attribute"]) for document in events)
    return {"events": len(events), "attributes": attributes}


def _set_key(path: Path) -> str:
    with faults(setup=(SecretInvalid,)):
        text = read_secret(path, KEY_FILE_MAX, SecretInvalid)
    try:
        raw = binascii.unhexlify(text)
    except ValueError:
        raise BadSetup(f"{path}: is not hexadecimal") from None
    if not KEY_MIN <= len(raw) <= KEY_MAX:
        raise BadSetup(f"{path}: {len(raw)} bytes, {KEY_MIN} to {KEY_MAX} needed")
    return text
