"""What an export is made of: records as the ledger shows them, and what this member may add.

Rules: a token is 32 bytes made under a key of this member, never the ledger's tag itself, so that
what leaves the node matches nothing on the ledger and is noise once the key is gone. Clear text is
only what this member typed, kept and asked for.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

STANDING: Final = frozenset({"active", "disputed"})
"""States in which a record is not deleted in MISP; an expired one stays as context."""


@dataclass(frozen=True, slots=True)
class Clear:
    """The clear value behind an own record, as it came in."""

    value: str = field(repr=False)
    origin: Mapping[str, str] = field(default_factory=dict)
    """Foreign type, category, relation and object; {} where it was not imported."""


class Outgoing(Struct, frozen=True):
    """One record to export."""

    record_id: bytes
    fields: Mapping[str, str | int | None]
    """As readers of the ledger see them: labels and ISO dates; {} once erased."""
    token: bytes
    """32 bytes, the same for the same identifier; b'' once erased."""
    state: str
    reporter: str
    stated_ms: int
    """Time of the record's block."""
    changed_ms: int
    """Time of the last block that changed what is shown."""
    clear: Clear | None = None


class Alliance(Struct, frozen=True):
    """Who the events are from, and the namespace of their UUIDs."""

    name: str
    genesis_hash: bytes

    def uuid(self, what: str, name: str) -> str:
        """The version 5 UUID of a thing of this alliance, always the same."""
        base = uuid.uuid5(uuid.NAMESPACE_URL, f"urn:bulwark:alliance:{self.genesis_hash.hex()}")
        return str(uuid.uuid5(base, f"{what}/{name}"))
