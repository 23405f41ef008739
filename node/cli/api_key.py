"""`bulwark api-key new`: adds an API key to a node's hashed list and prints it once.

Rules: the file keeps the hash only; its rules are those of `api.auth`; existing keys stay.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import click

from api.auth import MAX_KEYS, ApiKeys, ApiKeysInvalid, generate_api_keys
from node.cli.faults import BadSetup, faults
from node.cli.homes import open_config
from node.cli.options import emit_json, home_option, json_option
from node.keys import KeystoreError, write_private
from node.service import Role

_KEY_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@click.group(name="api-key")
def command() -> None:
    """Make API keys.

    \b
    Example:
      bulwark api-key new --home alliance/northbank --role reporter
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
@json_option
def new(home: Path, role: str, key_id: str | None, as_json: bool) -> None:
    """Make a key; it is shown this once, and a running node takes it after its next start.

    \b
    Example:
      bulwark api-key new --home alliance/northbank --role reporter
    """
    path = home / open_config(home).http.api_keys
    entries = _entries(path)
    name = key_id or _free_name(role, {entry["id"] for entry in entries})
    if _KEY_ID.fullmatch(name) is None or any(entry["id"] == name for entry in entries):
        raise BadSetup(f"--id {name!r}: wants 1 to 63 of a-z, 0-9, '.', '_', '-', not in use yet")
    if len(entries) >= MAX_KEYS:
        raise BadSetup(f"{path} holds {MAX_KEYS} keys, no more are allowed")
    key = generate_api_keys(os.urandom)[0][role]
    digest = hashlib.sha256(key.encode("ascii")).hexdigest()
    entries.append({"id": name, "role": role, "sha256": digest})
    text = json.dumps({"keys": entries}, indent=1) + "\n"
    with faults(failure=(KeystoreError,)):
        write_private(path, text.encode("ascii"), overwrite=True)
    if as_json:
        emit_json({"id": name, "role": role, "key": key})
    else:
        click.echo(key)
        click.echo(f"added as {name} to {path}; restart the node to use it", err=True)


def _entries(path: Path) -> list[dict[str, str]]:
    """The entries of the file, none if there is no file yet; raises BadSetup."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadSetup(f"{path}: {error.strerror}") from error
    with faults(setup=(ApiKeysInvalid,)):
        ApiKeys.from_json(data, str(path))
    entries: list[dict[str, str]] = json.loads(data)["keys"]
    return entries


def _free_name(role: str, taken: set[str]) -> str:
    names = (role, *(f"{role}-{number}" for number in range(2, MAX_KEYS + 2)))
    return next(name for name in names if name not in taken)
