"""Where a backup's database comes from: a view of the store, or a running node that streams one.

    message: kind1 | length4 | body; the first is FACTS, then pairs under their first byte, then END

Rules: all of a backup is one moment, the one of the view; the facts say which (height, header and
the certificate over it), so that nobody has to believe the bytes behind them. A stream without END
is not whole. The same messages come from both.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from typing import Any, Final

from bulwark.ledger.ids import Address, Height
from node.backup.dump import pairs_of
from node.backup.errors import NotABackup
from node.execution.accounts import Account, read_account
from node.execution.database import StateSource
from node.storage import blocks, schema
from node.storage.port import ReadView

FACTS: Final = 0xFE
END: Final = 0xFF
HEAD: Final = struct.Struct(">BI")
MAX_MESSAGE_BYTES: Final = 80 * 1024 * 1024
"""One pair may be a sidecar or a batch of the largest kind."""
Message = tuple[int, bytes]


def facts_of(view: ReadView, account: Address | None) -> dict[str, Any]:
    """What a view is of, with the nonce of this member's account. Raises StoreDamaged."""
    tip = blocks.read_tip(view)
    finalized = blocks.read_finalized(view)
    certificate = blocks.read_checkpoint(view, finalized)
    certified: dict[str, Any] | None = None
    if certificate is not None:
        certified = {
            "height": finalized,
            "header": blocks.read_header(view, finalized).encode().hex(),
            "certificate": certificate.encode().hex(),
        }
    nonce: int | None = None
    if account is not None:
        nonce = (read_account(StateSource(view), tip.state_root, account) or Account()).nonce
    return {
        "account_nonce": nonce,
        "layout": (view.get(schema.META_FORMAT) or b"").decode("ascii", "replace"),
        "genesis_hash": (view.get(schema.META_GENESIS) or b"").hex(),
        "height": tip.height,
        "header_hash": tip.hash().hex(),
        "block_time_ms": tip.timestamp_ms,
        "finalized": finalized,
        "certified": certified,
        "state_from": blocks.read_state_from(view),
        "pruned_from": blocks.read_pruned_from(view),
    }


def messages_of(view: ReadView, account: Address | None) -> Iterator[Message]:
    """The whole view as messages. Raises StoreDamaged."""
    yield FACTS, json.dumps(facts_of(view, account)).encode("ascii")
    for prefix in sorted(schema.ALL_PREFIXES):
        for piece in pairs_of(view, prefix):
            yield prefix[0], piece
    yield END, b""


def encoded(message: Message) -> bytes:
    """A message on the wire."""
    kind, body = message
    return HEAD.pack(kind, len(body)) + body


def decoded(pieces: Iterable[bytes]) -> Iterator[Message]:
    """Messages of a stream in pieces of any length, up to and with END. Raises NotABackup."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= HEAD.size:
            kind, length = HEAD.unpack_from(held)
            if length > MAX_MESSAGE_BYTES:
                raise NotABackup("stream", f"a message of {length} bytes")
            end = HEAD.size + length
            if len(held) < end:
                break
            body = bytes(held[HEAD.size : end])
            del held[:end]
            yield kind, body
            if kind == END:
                return
    raise NotABackup("stream", "the node's stream ended before its end; nothing was kept")


def facts_in(messages: Iterator[Message]) -> dict[str, Any]:
    """The facts, which come first. Raises NotABackup."""
    kind, body = next(messages, (END, b""))
    try:
        facts = json.loads(body) if kind == FACTS else None
    except ValueError:
        facts = None
    if not isinstance(facts, dict) or not isinstance(facts.get("height"), int):
        raise NotABackup("stream", "does not begin with what it is of")
    facts["height"] = Height(facts["height"])
    return facts
