"""`bulwark webhook verify`: the documented check of one delivery, offline.

Rules: it needs no node; it says what is wrong in one word and ends with 1.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import click

from bulwark.client.webhooks import (
    DeliveryRefused,
    ForgedDelivery,
    ReplayedDelivery,
    StaleDelivery,
    verify_delivery,
)
from node.cli.faults import BadSetup, Failed
from node.cli.options import emit_pairs

MAX_FILE: Final = 2 * 1024 * 1024
_WORDS: Final = {ForgedDelivery: "FORGED", StaleDelivery: "STALE", ReplayedDelivery: "REPLAYED"}
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command(name="verify")
@click.argument("body", type=_FILE)
@click.option("--headers", required=True, type=_FILE, help="Headers, `Name: value` a line.")
@click.option("--secret-file", required=True, type=_FILE, help="Secrets, one a line.")
@click.option("--seen", type=_FILE, help="Ids of deliveries done before, one a line.")
@click.option("--at", type=click.IntRange(min=0), help="Time of the check, seconds since 1970.")
def verify(body: Path, headers: Path, secret_file: Path, seen: Path | None, at: int | None) -> None:
    """Check a delivery that a receiver kept: headers and body as they came.

    \b
    Example:
      bulwark webhook verify body.json --headers headers.txt --secret-file webhook.secret
    """
    given: dict[str, str] = {}
    for line in _lines(headers):
        name, colon, value = line.partition(":")
        if colon:
            given[name.strip().lower()] = value.strip()
    secrets = _lines(secret_file)
    if not secrets:
        raise BadSetup(f"{secret_file} holds no secret")
    done = frozenset() if seen is None else frozenset(_lines(seen))
    now = time.time() if at is None else at
    try:
        found = verify_delivery(given, _bytes(body), secrets, now, done)
    except DeliveryRefused as error:
        raise Failed(f"{_WORDS.get(type(error), 'MALFORMED')}  {error}") from error
    click.echo("VALID")
    emit_pairs([("id", found.id), ("type", found.type), ("signed_s", str(found.signed_s))])


def _lines(path: Path) -> list[str]:
    try:
        text = _bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadSetup(f"{path} is no text") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _bytes(path: Path) -> bytes:
    with path.open("rb") as stream:
        data = stream.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise BadSetup(f"{path} has over {MAX_FILE} bytes")
    return data
