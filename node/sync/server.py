"""Serves blocks, state and the certified tip to members that sync.

Rules: everything is read in small portions, so that no asker can keep votes waiting; one answer a
member at a time, at a bounded pace (`node.sync.pace`); answers stay under the mesh's limit. What a
peer asks for is looked up and never computed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from bulwark.ledger.errors import DecodeError
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Height, MemberId
from bulwark.ledger.votes import Certificate
from node.chain.syncblock import SyncBlock
from node.requests import MAX_SYNC_BYTES, Topic, decode_first
from node.storage import schema
from node.storage.blocks import Getter
from node.sync.pace import Pace
from node.sync.wire import (
    MAX_BLOCKS,
    MAX_STATE_BYTES,
    Target,
    decode_hashes,
    encode_target,
    encode_values,
    join_blocks,
)

SERVED_BYTES: Final = 64 * 1024
"""Bytes of blocks read in one turn of the event loop."""
SERVED_VALUES: Final = 64
"""State values read in one turn of the event loop."""


Responder = Callable[[MemberId, bytes], Awaitable[bytes]]


class ServedChain(Protocol):
    """What is served from."""

    @property
    def finalized(self) -> Height:
        """Height of the highest checkpoint certificate."""
        ...

    def header(self, height: Height) -> Header | None:
        """Header of an executed block."""
        ...

    def checkpoint(self, height: Height) -> Certificate | None:
        """Finality certificate of exactly this block."""
        ...

    def sync_blocks(self, first: Height, most_bytes: int) -> list[SyncBlock]:
        """Blocks from `first` on."""
        ...


class BlockServer:
    """Answers BLOCKS requests of peers from the own chain."""

    def __init__(self, chain: ServedChain, pace: Pace | None = None) -> None:
        self._chain = chain
        self._pace = pace or Pace()

    async def __call__(self, member: MemberId, body: bytes) -> bytes:
        """Blocks from the asked height on; raises DecodeError for a malformed request."""
        first = decode_first(body)
        found: list[bytes] = []
        size = 0
        async with self._pace.line(member):
            while len(found) < MAX_BLOCKS:
                portion = [
                    block.encode()
                    for block in self._chain.sync_blocks(Height(first + len(found)), SERVED_BYTES)
                ]
                spent = sum(len(block) + 4 for block in portion)
                size += spent
                if not portion or (found and size > MAX_SYNC_BYTES):
                    break
                found += portion
                await self._pace.spend(member, spent)
        return join_blocks(found[:MAX_BLOCKS])


class StateServer:
    """Answers STATE requests of peers from the own store."""

    def __init__(self, store: Getter, pace: Pace | None = None) -> None:
        self._store = store
        self._pace = pace or Pace()

    async def __call__(self, member: MemberId, body: bytes) -> bytes:
        """Values of the asked hashes; raises DecodeError for a malformed request."""
        hashes = decode_hashes(body)
        values: list[bytes | None] = []
        size = 0
        async with self._pace.line(member):
            for number, each in enumerate(hashes):
                value = self._store.get(schema.state(each))
                size += 0 if value is None else len(value)
                if values and size > MAX_STATE_BYTES:
                    break
                values.append(value)
                if number % SERVED_VALUES == SERVED_VALUES - 1:
                    await asyncio.sleep(0)
            await self._pace.spend(member, size)
        return encode_values(values)


class TargetServer:
    """Answers TARGET requests of peers with the highest certified header."""

    def __init__(self, chain: ServedChain) -> None:
        self._chain = chain

    async def __call__(self, member: MemberId, body: bytes) -> bytes:
        """The target; raises DecodeError for a body, which has no place here."""
        if body:
            raise DecodeError("target request", f"{len(body)} bytes given, none needed")
        height = self._chain.finalized
        header, certificate = self._chain.header(height), self._chain.checkpoint(height)
        if header is None or certificate is None:
            return encode_target(None)
        return encode_target(Target(header, certificate))


def serve_sync(
    on_request: Callable[[int, Responder], None], store: Getter, chain: ServedChain
) -> None:
    """Register the three servers; blocks and state share one allowance a member."""
    pace = Pace()
    on_request(Topic.BLOCKS, BlockServer(chain, pace))
    on_request(Topic.STATE, StateServer(store, pace))
    on_request(Topic.TARGET, TargetServer(chain))
