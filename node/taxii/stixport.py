"""What the outside may ask of a node about STIX documents: a Protocol.

The desk (`node.taxii.stixdesk`) implements it, the API translates it to HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from node.exchange.port import ExportWish, ImportReport, ImportWish, SourceView
from node.service import Caller


class StixService(Protocol):
    """STIX of one node."""

    async def import_stix(self, wish: ImportWish, *, by: Caller) -> ImportReport:
        """Take a document in. Raises Forbidden, Busy, Conflict, Unavailable.

        That `by` imports is in the access log before anything is taken.
        """
        ...

    async def export_stix(self, wish: ExportWish, *, by: Caller) -> Mapping[str, Any]:
        """A bundle of records with what they refer to. Raises Busy."""
        ...

    def source(self, name: str) -> SourceView:
        """A source of imports; its cursor is '' where nothing was pulled from it."""
        ...
