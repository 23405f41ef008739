"""The papers that a node adds to a pack: anchors of the members' access logs, evidence it holds.

Rules: anchors are read from the events of the snapshot's blocks, of all members, up to the pack's
last block; they are what a member's own log is compared with. Nothing of it is judged here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import rfc8785

from bulwark.ledger.ids import Address, Digest, Height
from contracts.privacy.query_log import (
    ACCESS_ANCHORED_TOPIC,
    QUERY_LOG,
    AccessAnchored,
    decode_query_log_event,
)
from node.evidence import document
from node.evidence_book import EvidenceBook
from node.storage import blocks, schema
from node.storage.port import ReadView

ACCESS_FORMAT: Final = "bulwark-access-anchors/1"
ACCESS_FILE: Final = "documents/access-anchors.json"
MAX_CASES: Final = 256
"""Evidence cases of one pack; against one validator a node keeps no more in one epoch."""
MAX_ANCHORS: Final = 20_000
"""Newest anchors of a pack; 250 bytes each."""


def access_anchors(view: ReadView, first: Height, last: Height) -> bytes | None:
    """The anchors of access logs in these blocks as a document, None if there are none."""
    found = list(_anchored(view, first, last))
    if not found:
        return None
    left_out = max(0, len(found) - MAX_ANCHORS)
    listed: dict[str, Any] = {
        "format": ACCESS_FORMAT,
        "from_height": first,
        "to_height": last,
        "left_out": left_out,
        "anchors": found[left_out:],
    }
    return rfc8785.dumps(listed)


def _anchored(view: ReadView, first: Height, last: Height) -> Iterator[dict[str, Any]]:
    start = schema.event(Address(QUERY_LOG), ACCESS_ANCHORED_TOPIC, first)
    for key, _ in view.iterate(start[:-8], start=start):
        height = Height(int.from_bytes(key[-8:], "big"))
        if height > last:
            return
        for _, receipt in blocks.read_receipts(view, height):
            for log in receipt.logs:
                made = decode_query_log_event(log.address, log.topics, log.data)
                if isinstance(made, AccessAnchored):
                    yield {
                        "member": made.id.rstrip(b"\x00").decode("ascii", "replace"),
                        "height": height,
                        "sequence": made.sequence,
                        "entries": made.count,
                        "head": made.root.hex(),
                    }


def evidence_cases(book: EvidenceBook) -> dict[Digest, bytes]:
    """The documents of the evidence against validators that a node holds, by id."""
    found: dict[Digest, bytes] = {}
    for entry in book.entries():
        if len(found) == MAX_CASES:
            break
        whole = book.get(entry.case.id)
        if whole is not None:
            found[entry.case.id] = rfc8785.dumps(document(whole))  # type: ignore[arg-type]
    return found
