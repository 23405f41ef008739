"""Asking nodes whether they live and whether they serve, and waiting until they do."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from genesis.home import CLEAR_API_KEYS_FILE
from node.devnet.layout import HOST, DevnetNode

TIMEOUT_S: Final = 2.0
_MAX_BODY_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Health:
    """What a node answers without a key."""

    healthy: bool
    """It serves HTTP."""
    ready: bool
    """It is connected to a quorum and in step."""
    missing: tuple[str, ...] = ()
    """Checks of /readyz that fail."""


def ask(node: DevnetNode) -> Health:
    """Ask /healthz and /readyz; a node that does not answer is neither."""
    if _get(node, "/healthz")[0] != 200:
        return Health(False, False)
    status, body = _get(node, "/readyz")
    return Health(True, status == 200, _failing(body))


def ask_heights(node: DevnetNode) -> tuple[int | None, int | None]:
    """(executed, finalized) height by the operator's key; None for what it does not answer."""
    try:
        keys = json.loads((node.home / CLEAR_API_KEYS_FILE).read_bytes())
        authorization = f"Bearer {keys['operator']}"
    except (OSError, ValueError, KeyError, TypeError):
        return None, None  # the operator has taken the clear keys away, as is right
    status, body = _get(node, "/v1/node", {"authorization": authorization})
    try:
        height = json.loads(body)["height"] if status == 200 else {}
        found = [height.get(name) for name in ("executed", "finalized")]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, None
    executed, finalized = (value if isinstance(value, int) else None for value in found)
    return executed, finalized


def _get(
    node: DevnetNode, path: str, headers: Mapping[str, str] = MappingProxyType({})
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, node.http_port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read(_MAX_BODY_BYTES)
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def _failing(body: bytes) -> tuple[str, ...]:
    """Names of failed checks in `{"checks": {name: bool}}`; none in any other answer."""
    try:
        document = json.loads(body)
    except ValueError:
        return ()
    checks = document.get("checks") if isinstance(document, dict) else None
    if not isinstance(checks, dict):
        return ()
    return tuple(str(name)[:64] for name, passed in checks.items() if passed is not True)
