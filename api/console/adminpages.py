"""Admin pages: the table of what administrators see and may change of this node.

Rules: those of `pages`; every change is in the access log, by the desk that makes it or by the gate.
"""

from __future__ import annotations

from api.auth import Entrance
from api.console.source import Source
from api.console.visit import Page


def admin_pages(source: Source, entrance: Entrance) -> list[Page]:
    """Pages of the desks that the node has."""
    return []
