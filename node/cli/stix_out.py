"""`bulwark stix export`: records out of the node as one STIX 2.1 bundle."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import click

from node.cli.connection import Target, run, with_client
from node.cli.exchange_in import TIMEOUT_S
from node.cli.exchange_out import Wish, told, wish_options, write_whole


@click.command(name="export")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File for the bundle.")
@wish_options
def export(out: Path, wish: Wish, target: Target, as_json: bool) -> None:
    """Write records as a STIX bundle: tokens, or this member's kept clear values.

    \b
    Example:
      bulwark stix export --own-only --clear --out bundle.json --home alliance/northbank
    """
    path = "exchange/stix/export"
    found = run(with_client(target, lambda client: client.ask(path, wish), timeout_s=TIMEOUT_S))
    objects = found.get("objects")
    listed = objects if isinstance(objects, list) else []
    kinds = Counter(str(one.get("type")) for one in listed if isinstance(one, dict))
    write_whole(out, json.dumps(found, ensure_ascii=False, indent=1).encode("utf-8"))
    told(as_json, {"file": str(out), "id": str(found.get("id")), **dict(sorted(kinds.items()))})
