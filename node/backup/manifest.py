"""The manifest: what a backup claims to be and to hold, part by part, with sizes and digests.

Rules: everything else about a backup is held against it; unknown fields are kept out of the way of
later versions, missing ones are refused. It holds no secret, and is encrypted all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from node.backup.errors import NotABackup

FORMAT: Final = "bulwark-backup/1"


class Part(msgspec.Struct, frozen=True):
    """One part, in the order of the file."""

    name: str
    """`home/` and a path, or `database/` and a kind of key."""
    size: int
    """Plain bytes."""
    sha256: str
    entries: int = 0
    """Pairs of a database part."""
    mode: int = 0o600
    """Permissions of a home's file."""


class LeftOutPart(msgspec.Struct, frozen=True):
    """Something that is not in the backup, and why."""

    name: str
    why: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `bulwark backup show` tells."""

    format: str
    member: str
    chain_id: int
    genesis_hash: str
    product_version: str
    made_at_ms: int
    with_keys: bool
    with_database: bool
    was_running: bool
    database: dict[str, Any] = {}
    """`facts_of` the view: layout, height, header hash, certificate; empty without a database."""
    account: str = ""
    """This member's account, hex."""
    parts: tuple[Part, ...] = ()
    left_out: tuple[LeftOutPart, ...] = ()

    @property
    def height(self) -> int:
        """Last executed block of the database, 0 without one."""
        return int(self.database.get("height", 0))

    @property
    def size(self) -> int:
        """Plain bytes of all parts."""
        return sum(part.size for part in self.parts)

    def encode(self) -> bytes:
        """JSON."""
        return msgspec.json.encode(self)


def decode_manifest(data: bytes, where: str) -> Manifest:
    """Inverse of encode(). Raises NotABackup."""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise NotABackup(where, f"its manifest can not be read ({error})") from error
    if manifest.format != FORMAT:
        raise NotABackup(
            where, f"is of format {manifest.format[:40]!r}, this program reads {FORMAT}"
        )
    return manifest


@dataclass(slots=True)
class Verified:
    """What a check of a whole file came to."""

    manifest: Manifest
    damaged: dict[str, str] = field(default_factory=dict)
    """Part name to what is wrong with it."""
