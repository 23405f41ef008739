"""The nodes that the demo walks: those of its own devnet, or nodes that run already.

Rules: nodes that run already are named by a file like a devnet's own `devnet.json`: their addresses
and where their API keys are; the alliance's genesis.json lies beside it. Keys are read by the walk,
never here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from genesis.home import CLEAR_API_KEYS_FILE
from node.cli.connection import MAX_FILE_BYTES
from node.cli.faults import BadSetup
from node.devnet.layout import DevnetNode

MAX_NODES: Final = 100


@dataclass(frozen=True, slots=True)
class WalkNode:
    """One node as the walk sees it."""

    name: str
    is_validator: bool
    rest_url: str
    keys: Path
    """JSON {role: key}, readable for its owner."""


def of_devnet(nodes: Sequence[DevnetNode]) -> tuple[WalkNode, ...]:
    """The nodes of a devnet."""
    return tuple(
        WalkNode(
            node.name, node.role == "validator", node.rest_url, node.home / CLEAR_API_KEYS_FILE
        )
        for node in nodes
    )


def read_running(path: Path) -> tuple[WalkNode, ...]:
    """The nodes of the file {"nodes": [{"name", "role", "rest_url", "api_keys_file"}]}.

    A relative `api_keys_file` is relative to the file; other members of an entry are ignored.
    Raises BadSetup.
    """
    try:
        with path.open("rb") as stream:
            document = json.loads(stream.read(MAX_FILE_BYTES))
    except (OSError, ValueError) as error:
        raise BadSetup(f"{path}: {error}") from error
    entries = document.get("nodes") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_NODES:
        raise BadSetup(f'{path}: wants {{"nodes": [...]}} with 1 to {MAX_NODES} entries')
    return tuple(_node(entry, f"{path}, nodes[{at}]", path) for at, entry in enumerate(entries))


def _node(entry: object, where: str, path: Path) -> WalkNode:
    names = ("name", "role", "rest_url", "api_keys_file")
    fields = entry if isinstance(entry, dict) else {}
    name, role, rest_url, keys = (fields.get(field) for field in names)
    if not (
        isinstance(name, str)
        and isinstance(role, str)
        and isinstance(rest_url, str)
        and isinstance(keys, str)
    ):
        raise BadSetup(f"{where}: wants {', '.join(names)}, each a text")
    if role not in {"validator", "observer"}:
        raise BadSetup(f"{where}: role is {role!r}; allowed are validator and observer")
    return WalkNode(name, role == "validator", rest_url, path.parent / keys)
