"""`bulwark stix export`: records out of the node as one STIX 2.1 bundle.

Rules: the file is written whole or not at all, readable by its owner alone.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from datetime import datetime
from pathlib import Path

import click

from node.cli.connection import Target, connection_options, run, with_client
from node.cli.faults import BadSetup
from node.cli.misp_options import READ_ROLES, TIMEOUT_S
from node.cli.misp_out import wish_of, wish_options
from node.cli.options import emit_json, emit_pairs, json_option

OWNER_ONLY = 0o600


@click.command(name="export")
@wish_options
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File for the bundle.")
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
    """Write records as a STIX bundle: tokens, or this member's kept clear values.

    \b
    Example:
      bulwark stix export --own-only --clear --out bundle.json --home alliance/northbank
    """
    wish = wish_of(since, most, own_only, clear)
    path = "exchange/stix/export"
    found = run(with_client(target, lambda client: client.ask(path, wish), timeout_s=TIMEOUT_S))
    objects = found.get("objects")
    kinds = (
        Counter(str(one.get("type")) for one in objects if isinstance(one, dict))
        if isinstance(objects, list)
        else Counter[str]()
    )
    write_whole(out, json.dumps(found, ensure_ascii=False, indent=1).encode("utf-8"))
    facts = {"file": str(out), "id": str(found.get("id")), **dict(sorted(kinds.items()))}
    if as_json:
        emit_json(facts)
    else:
        emit_pairs([(name, str(fact)) for name, fact in facts.items()])


def write_whole(path: Path, content: bytes) -> None:
    """A whole file under its name, or none; for its owner alone. Raises BadSetup."""
    name = ""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(name).chmod(OWNER_ONLY)
        Path(name).replace(path)
    except OSError as error:
        if name:
            Path(name).unlink(missing_ok=True)
        raise BadSetup(f"{path}: {error.strerror}") from error
