"""The pack desk: makes evidence packs from the running node's store and sends them while it reads.

Rules: one pack at a time, on a thread, over one snapshot that ends with it; nothing of a pack stays
on the node. Proofs and seals come from the node's prover. It judges nothing: verifying is for the
reader, with `bulwark.verifier`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from msgspec import Struct

from bulwark.audit.packwriter import Maker, Pack
from bulwark.audit.packzip import PackInvalid
from bulwark.ledger.errors import ProofInvalid
from bulwark.ledger.ids import Address, Digest, Height, TimestampMs
from bulwark.ledger.proofs import ConsistencyProof, SealedHeader
from node.audit.packing import pack_from, policies_on
from node.audit.packpapers import evidence_cases
from node.audit.packport import PackStream, PackWish
from node.audit.packreading import Reading
from node.chain.proofs import NotProvable, Prover
from node.clock import Clock
from node.directory import Directory
from node.evidence_book import EvidenceBook
from node.service import Busy, Caller, Conflict, NotFound
from node.storage.port import KeyValueStore, ReadView

NOTED_DIGITS: Final = 16
"""Digits of a pack's content hash in the access log."""


class PackGround(Struct, frozen=True, kw_only=True):
    """What the desk stands on."""

    store: KeyValueStore
    maker: Maker
    prover: Prover
    directory: Directory
    evidence: EvidenceBook
    clock: Clock
    note: Callable[[Caller, str], Awaitable[None]]
    """Puts into the access log who got a pack, and which."""


class PackDesk:
    """PackService over one node's store."""

    def __init__(self, ground: PackGround) -> None:
        self._ground = ground
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="pack")
        self._reading: Reading | None = None

    def close(self) -> None:
        """Give up what is under way and wait for its thread."""
        if self._reading is not None:
            self._reading.close()
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def pack(self, wish: PackWish, *, by: Caller) -> PackStream:
        """See PackService."""
        if self._reading is not None:
            raise Busy("a pack is being made; one is made at a time")
        account = self._account(wish)
        reading = Reading(self._ground.store.snapshot(), self._closed)
        self._reading = reading
        try:
            evidence = evidence_cases(self._ground.evidence)
            at_ms = TimestampMs(self._ground.clock.wall_ms())
            made = await reading.run(
                self._pool, self._make, reading, wish, account, evidence, at_ms
            )
            content = made.manifest.content_hash.hex()
            await self._ground.note(by, f"pack {content[:NOTED_DIGITS]}")
        except PackInvalid as error:
            reading.close()
            raise Conflict(str(error)) from error
        except BaseException:
            reading.close()
            raise
        return PackStream(made.size, content, _Outgoing(made.chunks(), reading, self._pool))

    def _closed(self) -> None:
        self._reading = None

    def _make(
        self,
        view: ReadView,
        wish: PackWish,
        account: Address | None,
        evidence: dict[Digest, bytes],
        at_ms: TimestampMs,
    ) -> Pack:
        ground = self._ground
        return pack_from(
            view,
            ground.maker,
            wish,
            at_ms,
            account=account,
            policy_of=policies_on(view),
            evidence=evidence,
        )

    def _account(self, wish: PackWish) -> Address | None:
        if wish.reporter is None:
            return None
        account = self._ground.directory.account_of(wish.reporter)
        if account is None:
            raise NotFound(f"the ledger has no member {wish.reporter}")
        return account

    async def seal(self, height: Height) -> SealedHeader:
        """See PackService."""
        # A consistency proof of a block with itself is its seal and an empty path.
        return (await self.consistency(height, height)).second

    async def consistency(self, first: Height, second: Height) -> ConsistencyProof:
        """See PackService."""
        try:
            return self._ground.prover.consistency(first, second)
        except (NotProvable, ProofInvalid) as error:
            raise Conflict(str(error)) from error


class _Outgoing:
    """A pack's pieces, each made on a thread when it is wanted."""

    def __init__(self, pieces: Iterator[bytes], reading: Reading, pool: ThreadPoolExecutor) -> None:
        self._pieces = pieces
        self._reading = reading
        self._pool = pool

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._reading.run(self._pool, self._next)
        if piece is None:
            raise StopAsyncIteration
        return piece

    def _next(self) -> bytes | None:
        return next(self._pieces, None)

    async def aclose(self) -> None:
        """Let go of the snapshot."""
        self._reading.close()
