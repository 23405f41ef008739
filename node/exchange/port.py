"""What the outside may ask of a node about MISP and STIX: a Protocol and its views.

The desk (`node.exchange.desk`) implements it, the API translates it to HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct

from bulwark.interop.carried import Item
from bulwark.interop.misp.options import ImportOptions
from bulwark.interop.misp.pss import PssWish
from node.service import Caller


class Form(StrEnum):
    """What a document is written in."""

    MISP = "misp"
    """Parsed JSON."""
    STIX = "stix"
    """Bytes of a STIX 2.1 bundle, object or TAXII envelope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportWish:
    """A document to take in, and how."""

    document: Any = field(repr=False)
    """Parsed JSON, or bytes, as `form` says."""
    form: Form = Form.MISP
    options: ImportOptions
    dry_run: bool = False
    keep_clear: bool = False
    """Keep clear values for this member's own exports; needs `exchange.keep_clear_text`."""
    source: str = ""
    """Name of the MISP instance or feed it is from, whose cursor is then moved."""
    cursor: str = ""
    """Where the next pull from the source begins, kept once the import is durable."""


class ImportReport(Struct, frozen=True):
    """What became of a document, item by item."""

    items: tuple[Item, ...]
    statements: int
    """Statements that the document makes."""
    new: int
    """Records made."""
    known: int
    """Statements that were made before."""
    replaced: int
    """Records that ended because a newer version came."""
    ended: int
    """Records retracted or expired because the source says so."""
    disputed: int
    kept: int
    """Clear values kept."""
    dry_run: bool
    counts: Mapping[str, Mapping[str, int]]


class ExportWish(Struct, frozen=True, kw_only=True):
    """Which records to write as MISP events."""

    since_ms: int = 0
    """Only records stated from then on, ms since 1970."""
    most: int = 10_000
    own_only: bool = False
    clear: bool = False
    """Clear values instead of tokens, where this member kept them."""


class SourceView(Struct, frozen=True):
    """A source of imports and where its next pull begins."""

    name: str
    cursor: str


class ExchangeService(Protocol):
    """The exchange of one node."""

    async def import_misp(self, wish: ImportWish, *, by: Caller) -> ImportReport:
        """Take a document in. Raises Forbidden, Busy, Conflict, Unavailable.

        That `by` imports is in the access log before anything is taken.
        """
        ...

    async def export_misp(self, wish: ExportWish, *, by: Caller) -> Sequence[Mapping[str, Any]]:
        """`{"Event": ...}` documents. Raises Busy."""
        ...

    async def feed_file(self, name: str, *, by: Caller) -> bytes:
        """A file of the feed. Raises NotFound, Busy."""
        ...

    async def search_set(
        self, wish: PssWish, kinds: Sequence[str], *, by: Caller
    ) -> Mapping[str, bytes]:
        """Files of a Private Search Set of kept values. Raises Conflict where there are none."""
        ...

    def source(self, name: str) -> SourceView:
        """A source; its cursor is '' where nothing was pulled from it."""
        ...

    async def forget(self, *, by: Caller) -> int:
        """Forget all kept clear text; how many values it was."""
        ...
