"""A court's file as JSON: named parts in hex, a certified header, and the state that they rest on.

Rules: its fields are exactly those of its format, bounded and strict; the header is certified by
the validators that follow from genesis, and a read of the state holds by the file's own trie nodes
or not at all. What the parts mean is the affair of whoever reads them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from msgspec import Struct

from bulwark.ledger import jsonfields as jf
from bulwark.ledger.errors import LedgerError
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.proofs import MAX_PROOF_BYTES, SealedHeader
from contracts.errors import BadMemberId
from contracts.members import member_id_text
from contracts.slots import ReadSlot
from node.openings.stateproof import MAX_NODE_BYTES, MAX_NODES, StateNotShown, proven_reads

MAX_FILE_BYTES: Final = MAX_PROOF_BYTES
T = TypeVar("T")


class NotShown(Exception):
    """A file does not show what it is for; `where` says which part of it fails."""

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        self.reason = reason
        super().__init__(f"{where}: {reason}")


class CourtFile(Struct, frozen=True):
    """Parts of a format, and what they rest on."""

    format: str
    parts: Mapping[str, bytes]
    sealed: SealedHeader
    nodes: tuple[bytes, ...]
    """Trie nodes of the sealed header's state."""

    def document(self) -> dict[str, object]:
        """The file as a JSON object."""
        return {
            "format": self.format,
            **{name: part.hex() for name, part in self.parts.items()},
            "sealed": self.sealed.document(),
            "state": [node.hex() for node in self.nodes],
        }

    def proven(self, genesis: Genesis, reads: Callable[[ReadSlot], T]) -> T:
        """What the reads give in the state that genesis's validators certified. Raises NotShown."""
        try:
            self.sealed.verify(genesis)
            return proven_reads(self.sealed.header.state_root, self.nodes, reads)
        except LedgerError as error:
            raise NotShown("sealed", str(error)) from error
        except StateNotShown as error:
            raise NotShown("state", str(error)) from error


def format_of(document: bytes) -> str | None:
    """What a file says to be; None for what is no JSON object with a format."""
    try:
        return jf.text(jf.mapping(jf.parse(document, MAX_FILE_BYTES), "file")["format"], "", 64)
    except (jf.FieldInvalid, KeyError):
        return None


def read_file(
    document: bytes | Mapping[str, object], form: str, parts: Mapping[str, int]
) -> CourtFile:
    """A file of this format; `parts` has the most bytes of each. Raises NotShown."""
    raw = document if isinstance(document, bytes) else json.dumps(dict(document)).encode()
    try:
        names = ("format", *parts, "sealed", "state")
        fields = jf.fields(jf.parse(raw, MAX_FILE_BYTES), "file", names)
        if fields["format"] != form:
            raise NotShown("format", f"{form} is needed")
        found = {
            name: jf.hexadecimal(fields[name], f"file.{name}", most=most)
            for name, most in parts.items()
        }
        nodes = jf.items(
            fields["state"],
            "file.state",
            MAX_NODES,
            lambda value, path: jf.hexadecimal(value, path, most=MAX_NODE_BYTES),
        )
        return CourtFile(form, found, SealedHeader.read(fields["sealed"], "file.sealed"), nodes)
    except (LedgerError, jf.FieldInvalid) as error:
        raise NotShown("file", str(error)) from error


def member_text(member: bytes) -> str:
    """A member id as people write it."""
    try:
        return member_id_text(member)
    except BadMemberId:
        return member.hex()
