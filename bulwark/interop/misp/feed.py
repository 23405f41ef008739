"""A MISP feed: manifest, hashes and one file an event, as MISP instances pull them.

Rules: the same events give the same bytes. `hashes.csv` has the MD5 of every value, as MISP wants
it for its quick look-up: of a token that says nothing, of a clear value it is the value for anyone
who guesses, so clear values are in a feed only where they are in its events too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

MANIFEST: Final = "manifest.json"
HASHES: Final = "hashes.csv"
_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2


def feed_files(events: Iterable[Mapping[str, Any]]) -> dict[str, bytes]:
    """File name to content of a whole feed."""
    listed = list(events)
    files = {f"{document['Event']['uuid']}.json": dumped(document) for document in listed}
    files[MANIFEST] = dumped(manifest(listed))
    files[HASHES] = hashes(listed)
    return files


def manifest(events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The manifest: what each event is about, by UUID."""
    found: dict[str, Any] = {}
    for document in events:
        event = document["Event"]
        found[event["uuid"]] = {
            "Orgc": event["Orgc"],
            "Tag": event["Tag"],
            "info": event["info"],
            "date": event["date"],
            "analysis": int(event["analysis"]),
            "threat_level_id": int(event["threat_level_id"]),
            "timestamp": int(event["timestamp"]),
        }
    return found


def hashes(events: Iterable[Mapping[str, Any]]) -> bytes:
    """Lines `md5,event uuid` of every value of every attribute."""
    lines: list[str] = []
    for document in events:
        event = document["Event"]
        inner = [one for entry in event["Object"] for one in entry["Attribute"]]
        for attribute in [*event["Attribute"], *inner]:
            parts = attribute["value"].split("|") if "|" in attribute["type"] else None
            for part in parts or [attribute["value"]]:
                digest = hashlib.md5(part.encode(), usedforsecurity=False).hexdigest()
                lines.append(f"{digest},{event['uuid']}\n")
    return "".join(lines).encode("ascii")


def dumped(document: object) -> bytes:
    """JSON in one form: sorted names, indented."""
    return orjson.dumps(document, option=_OPTIONS)
