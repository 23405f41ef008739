"""The operator's pin: a block that somebody trusted named, so that another chain is refused.

Rules: certificates are still needed; the pin is one check more, for a node that joins late and has
no own history to hold a chain against. It is looked at when the store is opened and for every block
that sync brings.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from bulwark.ledger.header import Header
from bulwark.ledger.ids import Digest, Height
from node.chain.errors import PinContradicted


class Pin(Struct, frozen=True):
    """A height and the hash of its block."""

    height: Height
    hash: Digest

    @classmethod
    def of(cls, height: int | None, text: str | None) -> Pin | None:
        """From configuration: a height and a 0x-prefixed hash, or neither."""
        if height is None or text is None:
            return None
        return cls(Height(height), Digest(bytes.fromhex(text.removeprefix("0x"))))

    def check(self, header: Header) -> None:
        """Raises PinContradicted if this is another block of the pinned height."""
        if header.height == self.height and header.hash() != self.hash:
            raise PinContradicted(self.height, self.hash, header.hash())

    def check_chain(self, header_at: Callable[[Height], Header | None]) -> None:
        """The same for a chain that may not reach the height yet."""
        header = header_at(self.height)
        if header is not None:
            self.check(header)
