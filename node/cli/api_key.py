"""`bulwark api-key`: makes, lists, shows, rotates and revokes the API keys of a node.

Rules: the commands change the node's file of hashed keys under its lock, running node or not; a
running node takes a change over within a second and enters it in its access log. A clear key is
printed once, on standard output, and kept nowhere.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from node.cli.faults import BadSetup, faults
from node.cli.homes import open_config
from node.cli.options import emit_json, emit_pairs, emit_rows, home_option, json_option
from node.identity.apikey import (
    ApiKey,
    ApiKeys,
    ApiKeysInvalid,
    instant,
    limit_document,
    parse_label,
    parse_networks,
)
from node.identity.keyfile import MAX_OVERLAP_MS, KeyFile, Wish
from node.identity.principal import RateLimit
from node.keys import KeystoreError
from node.service import Busy, Conflict, NotFound, Role

_SPAN: Final = re.compile(r"([1-9][0-9]{0,5})([smhd])\Z")
_UNITS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SOON: Final = "; a running node takes it over within a second"
_HEAD: Final = ("id", "role", "state", "expires", "networks", "label")


class Span(click.ParamType[int]):
    """A time span as 30m, 12h or 90d, in milliseconds; 0 for none."""

    name = "span"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Milliseconds of a text."""
        if isinstance(value, int) or value == "0":
            return int(value)
        match = _SPAN.match(str(value))
        if match is None:
            self.fail(f"{value!r} is no span; as 45s, 30m, 12h or 90d", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


SPAN: Final = Span()
key_argument = click.argument("key_id")


@click.group(name="api-key")
def command() -> None:
    """Make, list, rotate and revoke API keys; a running node takes changes over at once.

    \b
    Example:
      bulwark api-key new --home alliance/northbank --role reporter
      bulwark api-key rotate reporter --overlap 1h --home alliance/northbank
    """


@command.command(name="new")
@home_option
@click.option(
    "--role",
    required=True,
    type=click.Choice([role.value for role in Role]),
    help="What the key may do.",
)
@click.option("--id", "key_id", help="Name in logs; the role and a number without it.")
@click.option("--label", default="", help="One line for people, as the system that gets it.")
@click.option("--expires", type=SPAN, help="How long it holds, as 90d; without it for good.")
@click.option("--network", "networks", multiple=True, help="Where it may be used from, CIDR.")
@click.option("--per-second", type=click.FloatRange(0, 1e9, min_open=True), help="Requests a s.")
@click.option("--burst", type=click.IntRange(1, 10**9), help="Requests at once after a pause.")
@click.option(
    "--rows-per-second", type=click.FloatRange(0, 1e9, min_open=True), help="Rows of uploads a s."
)
@click.option("--row-burst", type=click.IntRange(1, 10**9), help="Rows at once after a pause.")
@json_option
def new(
    home: Path,
    role: str,
    key_id: str | None,
    label: str,
    expires: int | None,
    networks: Sequence[str],
    as_json: bool,
    **bounds: float | None,
) -> None:
    """Make a key; it is shown this once.

    \b
    Example:
      bulwark api-key new --home alliance/northbank --role analyst --id case-tool \\
          --expires 90d --network 10.1.0.0/16 --per-second 50
    """
    limit = RateLimit(**bounds) if any(bounds.values()) else None  # type: ignore[arg-type]
    now_ms = _now_ms()
    with faults(setup=(ApiKeysInvalid,)):
        wish = Wish(
            Role(role),
            key_id,
            parse_label(label, "--label"),
            None if expires is None else now_ms + expires,
            parse_networks(networks, "--network"),
            limit,
        )
    file = _file(home)
    try:
        with faults(setup=(ApiKeysInvalid, Busy), failure=(KeystoreError,)):
            _, key, clear = file.create(wish, now_ms)
    except Conflict as error:
        raise BadSetup(f"--id {key_id!r}: {error.detail}") from error
    _emit_new(key, clear, as_json, f"added as {key.id} to {file.path}")


@command.command(name="list")
@home_option
@json_option
def list_keys(home: Path, as_json: bool) -> None:
    """List the keys, revoked ones too; hashes stay hidden.

    \b
    Example:
      bulwark api-key list --home alliance/northbank
    """
    keys = _read(_file(home)).entries
    if as_json:
        emit_json({"keys": [_shown(key) for key in keys]})
        return
    rows = [
        [key.id, key.role.value, _state(key), "-" if key.expires_ms is None
         else instant(key.expires_ms), " ".join(map(str, key.networks)) or "-", key.label]
        for key in keys
    ]  # fmt: skip
    emit_rows([list(_HEAD), *rows])


@command.command(name="show")
@key_argument
@home_option
@json_option
def show(key_id: str, home: Path, as_json: bool) -> None:
    """Show one key without its hash.

    \b
    Example:
      bulwark api-key show reporter --home alliance/northbank
    """
    key = _read(_file(home)).get(key_id)
    if key is None:
        raise BadSetup(f"there is no key {key_id!r}")
    if as_json:
        emit_json(_shown(key))
        return
    emit_pairs([(name, str(value)) for name, value in _shown(key).items()])


@command.command(name="rotate")
@key_argument
@home_option
@click.option(
    "--overlap", type=SPAN, default="24h", show_default=True, help="How long the old one holds; 0."
)
@click.option("--expires", type=SPAN, help="New end of the key from now, as 90d.")
@json_option
def rotate(key_id: str, home: Path, overlap: int, expires: int | None, as_json: bool) -> None:
    """Give a key a new secret, shown this once; the old one is taken until the overlap ends.

    \b
    Example:
      bulwark api-key rotate reporter --overlap 1h --home alliance/northbank
    """
    if overlap > MAX_OVERLAP_MS:
        raise BadSetup(f"--overlap: at most {MAX_OVERLAP_MS // 86_400_000}d")
    now_ms, file = _now_ms(), _file(home)
    until = None if expires is None else now_ms + expires
    with faults(setup=(ApiKeysInvalid, NotFound, Conflict), failure=(KeystoreError,)):
        _, key, clear = file.rotate(key_id, overlap, now_ms, until)
    end = f"; the old one holds until {instant(key.previous_until_ms)}" if overlap else ""
    _emit_new(key, clear, as_json, f"{key.id} has a new secret{end}")


@command.command(name="revoke")
@key_argument
@home_option
def revoke(key_id: str, home: Path) -> None:
    """End a key for good; its id names no other key afterwards.

    \b
    Example:
      bulwark api-key revoke reporter-2 --home alliance/northbank
    """
    with faults(setup=(ApiKeysInvalid, NotFound, Conflict), failure=(KeystoreError,)):
        _file(home).revoke(key_id, _now_ms())
    click.echo(f"{key_id} is revoked{_SOON}")


def _file(home: Path) -> KeyFile:
    return KeyFile(home / open_config(home).http.api_keys)


def _read(file: KeyFile) -> ApiKeys:
    with faults(setup=(ApiKeysInvalid,)):
        return file.read()


def _emit_new(key: ApiKey, clear: str, as_json: bool, text: str) -> None:
    if as_json:
        emit_json({"id": key.id, "role": key.role.value, "key": clear, **_shown(key)})
    else:
        click.echo(clear)
    click.echo(f"{text}{_SOON}", err=True)


def _state(key: ApiKey) -> str:
    now_ms = _now_ms()
    if key.revoked_ms is not None:
        return "revoked"
    if key.expires_ms is not None and now_ms >= key.expires_ms:
        return "expired"
    return "rotating" if key.previous is not None and now_ms < key.previous_until_ms else "active"


def _shown(key: ApiKey) -> dict[str, object]:
    document = key.document()
    del document["sha256"]
    if key.previous is not None:
        document["previous"] = instant(key.previous_until_ms)
    if key.limit is not None:
        document["limit"] = limit_document(key.limit)
    return {**document, "state": _state(key)}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
