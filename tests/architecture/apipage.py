"""Writes docs/api.md: every path of a node with who may use it, from the table it serves.

Run as `python -m tests.architecture.apipage` (`make layout`). Only the table is made, nothing is
served, so the services behind it are empty shells.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast, get_type_hints
from unittest.mock import MagicMock, patch

from api.auth import ApiKeys
from api.desks import DeskServices
from api.edge import Edge
from api.exchange import ALL_ROLES, Route
from api.server import create_app
from api.settings import ApiSettings

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "api.md"
HEAD = """# API of a node

Every path, from the table that the node itself serves (`make layout` writes this page, a test holds
it to the code). The whole contract, with bodies, parameters and problems, is the OpenAPI document
that a node serves at `/v1/openapi.json`. `/rpc` speaks Ethereum JSON-RPC, over HTTP and WebSocket
([json-rpc.md](json-rpc.md)); `/console` is for people ([console.md](console.md)).

* A key or token goes into `Authorization: Bearer KEY` ([identity.md](identity.md)).
* Refusals are RFC 9457 problem documents: what, where, what is allowed. `x-correlator` comes back.
* Writes take `Idempotency-Key`, and `?wait=accepted|ordered|executed|finalized`.
"""


def routes() -> list[Route]:
    """All routes of a node that has every desk."""
    desks = {name: MagicMock() for name in get_type_hints(DeskServices)}
    made: list[Edge] = []

    def catching(*given: Any) -> Edge:
        made.append(Edge(*given))
        return made[-1]

    with patch("api.server.Edge", catching):
        create_app(
            MagicMock(),
            MagicMock(),
            ApiKeys(()),
            ApiSettings(console=False),
            **cast(Any, desks),
        )
    return list(made[0].routes)


def who(route: Route) -> str:
    """Who may use a route, in words."""
    if route.roles is None:
        return "everybody"
    if route.roles == ALL_ROLES:
        return "every key"
    return ", ".join(sorted(role.value for role in route.roles))


def page() -> str:
    """The whole page."""
    groups: dict[str, list[Route]] = {}
    for route in routes():
        tags = cast("list[str]", route.document.get("tags", []))
        groups.setdefault(tags[0] if tags else "node", []).append(route)
    lines = [HEAD]
    for tag in sorted(groups):
        lines += [f"## {tag}", "", "| | path | what | who |", "|---|---|---|---|"]
        for route in sorted(groups[tag], key=lambda each: (each.path, each.method)):
            summary = str(route.document.get("summary", "")).replace("|", "\\|")
            what = summary or (
                "As TAXII 2.1 has it" if "/taxii2" in route.path else "OpenAPI document"
            )
            lines.append(f"| {route.method} | `{route.path}` | {what} | {who(route)} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"{PAGE.relative_to(ROOT)} written")  # noqa: T201
