"""Opening the case commitment of one record: what a reporter shows a supervisor that asks for it.

A record of the ledger commits to its reporter's case reference by an HMAC under a key that only
the reporter can derive, another one for every record (`node.reporting.payload`). Showing that key
with the reference opens this record and no other: anybody with the record compares.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from bulwark.ledger.ids import RecordId

FORMAT: Final = "bulwark-case-opening/1"
KEY_BYTES: Final = 32
MAX_CASE_CHARS: Final = 128
MAX_FILE_BYTES: Final = 4_096


@dataclass(frozen=True, slots=True)
class CaseOpening:
    """One opened commitment. It names a case of the reporter: for the supervisor's eyes."""

    record_id: RecordId
    case_ref: str
    key: bytes = field(repr=False)

    def opens(self, commitment: bytes) -> bool:
        """Whether this is what the record commits to."""
        made = hmac.digest(self.key, self.case_ref.encode("utf-8"), sha256)
        return hmac.compare_digest(made, commitment)

    def to_json(self) -> dict[str, str]:
        """The JSON document."""
        return {
            "format": FORMAT,
            "record_id": self.record_id.hex(),
            "case_ref": self.case_ref,
            "key": self.key.hex(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> CaseOpening:
        """Inverse of to_json(). Raises ValueError."""
        if document.get("format") != FORMAT:
            raise ValueError(f"the format {FORMAT} is needed")
        found = [document.get(name) for name in ("record_id", "case_ref", "key")]
        record_id, case_ref, key = (part if isinstance(part, str) else "" for part in found)
        opening = cls(RecordId(bytes.fromhex(record_id)), case_ref, bytes.fromhex(key))
        if len(opening.record_id) != KEY_BYTES or len(opening.key) != KEY_BYTES:
            raise ValueError("record_id and key have 32 bytes each")
        if not 1 <= len(case_ref) <= MAX_CASE_CHARS:
            raise ValueError(f"case_ref has 1 to {MAX_CASE_CHARS} characters")
        return opening
