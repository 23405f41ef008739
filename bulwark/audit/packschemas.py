"""JSON Schemas (2020-12) of the documents in an evidence pack, as they travel inside every pack.

Rules: the schemas are part of the format: a pack with other ones is refused. They say what a reader
without this library may expect; the verifier's own reading is stricter.
"""

from __future__ import annotations

from typing import Any, Final

import rfc8785

from bulwark.audit.packcustody import (
    CUSTODY_FORMAT,
    HELD,
    MADE,
    MAX_CUSTODY_ENTRIES,
    MAX_NOTE_CHARS,
)
from bulwark.audit.packfiles import FORMAT, MAX_ENTRIES, MAX_SELECTED_RECORDS, SCHEMAS
from bulwark.audit.packmanifest import SELECTIONS, SIGNATURE_FORMAT

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_DIGEST: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_ADDRESS: Final = {"type": "string", "pattern": "^0x[0-9a-f]{40}$"}
_SIGNATURE: Final = {"type": "string", "pattern": "^[0-9a-f]{130}$"}
_NUMBER: Final = {"type": "integer", "minimum": 0, "maximum": (1 << 53) - 1}
_MEMBER: Final = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,30}$"}
_TEXT: Final = {"type": "string"}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }


def _list(items: object, most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "maxItems": most}


_MANIFEST: Final = _object(
    format={"const": FORMAT},
    alliance=_TEXT,
    genesis_hash=_DIGEST,
    created_by=_object(member=_MEMBER, key=_ADDRESS),
    tool_version=_TEXT,
    chain=_object(from_height=_NUMBER, to_height=_NUMBER, block_hash=_DIGEST, time_ms=_NUMBER),
    selection=_object(
        kind={"enum": list(SELECTIONS)},
        from_height=_NUMBER,
        to_height=_NUMBER,
        account={"anyOf": [_ADDRESS, {"type": "null"}]},
        records=_list(_DIGEST, MAX_SELECTED_RECORDS),
    ),
    missing_policies=_list(_DIGEST, 1_024),
    content_hash=_DIGEST,
    files=_list(_object(name=_TEXT, bytes=_NUMBER, sha256=_DIGEST), MAX_ENTRIES),
)
_SIGNED: Final = _object(
    format={"const": SIGNATURE_FORMAT}, member=_MEMBER, key=_ADDRESS, signature=_SIGNATURE
)
_CUSTODY: Final = _object(
    format={"const": CUSTODY_FORMAT},
    entries=_list(
        _object(
            number=_NUMBER,
            previous=_DIGEST,
            kind={"enum": [MADE, HELD]},
            at_ms=_NUMBER,
            member=_MEMBER,
            key=_ADDRESS,
            tool_version=_TEXT,
            height=_NUMBER,
            note={"type": "string", "maxLength": MAX_NOTE_CHARS},
            signature=_SIGNATURE,
        ),
        MAX_CUSTODY_ENTRIES,
    ),
)


def _document(title: str, body: dict[str, Any]) -> bytes:
    return rfc8785.dumps({"$schema": _DRAFT, "title": title, **body})


SCHEMA_FILES: Final = {
    f"{SCHEMAS}custody.json": _document("Chain of custody of an evidence pack", _CUSTODY),
    f"{SCHEMAS}manifest.json": _document("Manifest of an evidence pack", _MANIFEST),
    f"{SCHEMAS}signature.json": _document("Signature of an evidence pack", _SIGNED),
}
"""Name of the file in a pack -> its bytes."""
