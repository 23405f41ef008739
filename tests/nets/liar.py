"""`python -m tests.nets.liar --home HOME`: a node that lies to members that sync from it.

Rules: it is the product's node in all else and votes honestly; which lie it tells is the one word
in the file `lie` of its home, read at each question, so that a run can change it; every lie told is
one line in its log. Only tests start it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from bulwark.ledger.ids import Digest, MemberId
from node.chain.syncblock import SyncBlock
from node.process import run_node
from node.requests import Topic
from node.sync import server, wire

LIE_FILE: Final = "lie"
STALL_S: Final = 60.0
"""Longer than any asker waits."""
Answer = Callable[..., Awaitable[bytes]]


class Lie(StrEnum):
    """What the node does with an honest answer."""

    NONE = "none"
    STATE = "state"
    """A trie node has a flipped bit."""
    BLOCKS = "blocks"
    """A block in the middle carries the body of another one."""
    HEADERS = "headers"
    """The header that a certificate covers names another state."""
    ANY = "any"
    """Blocks and state, whatever is asked first."""
    STALL = "stall"
    """No answer."""


def told(home: Path) -> Lie:
    """The lie of the moment; raises ValueError for an unknown word."""
    path = home / LIE_FILE
    return Lie(path.read_text("utf-8").strip()) if path.exists() else Lie.NONE


def tell(home: Path, lie: Lie) -> None:
    """Let the node of this home tell that lie from now on."""
    fresh = home / f"{LIE_FILE}.new"
    fresh.write_text(lie, "utf-8")
    fresh.replace(home / LIE_FILE)


def bent(lie: Lie, topic: Topic, answer: bytes) -> bytes:
    """What is sent instead of an honest answer; the same where there is nothing to lie about."""
    match topic:
        case Topic.STATE if lie in (Lie.STATE, Lie.ANY):
            return _other_value(answer)
        case Topic.BLOCKS if lie in (Lie.BLOCKS, Lie.ANY):
            return _other_body(answer)
        case Topic.BLOCKS if lie is Lie.HEADERS:
            blocks = list(wire.decode_blocks(answer))
            if blocks:
                last = blocks[-1]
                blocks[-1] = replace(last, header=replace(last.header, state_root=_WRONG))
            return wire.encode_blocks(blocks)
        case Topic.TARGET if lie is Lie.HEADERS:
            target = wire.decode_target(answer)
            if target is None:
                return answer
            wrong = replace(target.header, state_root=_WRONG)
            return wire.encode_target(target._replace(header=wrong))
        case _:
            return answer


_WRONG: Final = Digest(b"\x13" * 32)


def _other_value(answer: bytes) -> bytes:
    values = list(wire.decode_values(answer))
    for at, value in enumerate(values):
        if value:
            values[at] = bytes([value[0] ^ 1]) + value[1:]
            break
    return wire.encode_values(values)


def _other_body(answer: bytes) -> bytes:
    blocks = [SyncBlock.decode(data) for data in wire.split_blocks(answer)]
    if len(blocks) < 2:
        return answer
    middle = len(blocks) // 2
    blocks[middle] = replace(blocks[middle], batch=blocks[0].batch)
    return wire.encode_blocks(blocks)


def _lying(home: Path, topic: Topic, honest: Answer) -> Answer:
    async def answer(self: object, member: MemberId, body: bytes) -> bytes:
        data = await honest(self, member, body)
        lie = told(home)
        if lie is Lie.STALL:
            _note(member, lie, topic)
            await asyncio.sleep(STALL_S)
        given = bent(lie, topic, data)
        if given != data:
            _note(member, lie, topic)
        return given

    return answer


def _note(member: MemberId, lie: Lie, topic: Topic) -> None:
    line = {"event": "lie told", "to": member, "lie": lie, "topic": topic.name.lower()}
    sys.stderr.write(json.dumps(line) + "\n")
    sys.stderr.flush()


def main(home: Path) -> int:
    """Run the node of a home with bent answers; its exit code."""
    for kind, topic in (
        (server.BlockServer, Topic.BLOCKS),
        (server.StateServer, Topic.STATE),
        (server.TargetServer, Topic.TARGET),
    ):
        honest: Answer = kind.__call__
        setattr(kind, "__call__", _lying(home, topic, honest))  # noqa: B010 - a special method
    return run_node(home)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[-1])))
