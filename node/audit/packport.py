"""What the outside may ask of a node about evidence packs and histories: a Protocol and its words.

The desk (`node.audit.packdesk`) implements it, the API translates it to HTTP.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from msgspec import Struct, field

from bulwark.ledger.ids import Height, MemberId, RecordId
from bulwark.ledger.proofs import ConsistencyProof, SealedHeader
from node.service import Caller


class PackWish(Struct, frozen=True, kw_only=True):
    """What a pack is asked to be about; with neither reporter nor records it is about all."""

    from_height: Height | None = None
    """First block; None: the first of the chain."""
    to_height: Height | None = None
    """Last block; None: the last final one."""
    reporter: MemberId | None = None
    """Only the batches of this member."""
    records: tuple[RecordId, ...] = ()
    """Only these records and what was said about them."""
    documents: Mapping[str, bytes] = field(default_factory=dict)
    """Further papers by name, as an opening's result or a member's access log; only listed."""


class Pieces(Protocol):
    """An archive on its way, made piece by piece; has to be closed, also before its end."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces in order."""
        ...

    async def aclose(self) -> None:
        """Let go of what it reads from."""
        ...


class PackStream(Struct, frozen=True):
    """A pack on its way out."""

    size: int
    """Bytes."""
    content_hash: str
    """Hex; the same at every honest node for the same selection."""
    chunks: Pieces
    """The archive."""


class PackService(Protocol):
    """Packs and seals from this node's own store."""

    async def pack(self, wish: PackWish, *, by: Caller) -> PackStream:
        """Make a pack; that `by` asks is in the access log before a byte of it is sent.

        Raises NotFound, Conflict for what is not final, Busy while another is made.
        """
        ...

    async def seal(self, height: Height) -> SealedHeader:
        """The lowest certified header at or above a height. Raises Conflict."""
        ...

    async def consistency(self, first: Height, second: Height) -> ConsistencyProof:
        """That the record log of one block only adds to an earlier one's. Raises Conflict."""
        ...
