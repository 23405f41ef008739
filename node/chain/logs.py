"""Log queries: finds the blocks that can match, then reads their receipts, within bounds.

Rules: with addresses the event index names the blocks; without any, blocks are looked through one
by one and only so many; a query over a bound raises TooMany instead of taking long. Results are in
chain order. Filter semantics are Ethereum's: a position is a list of alternatives or anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Address, Height
from bulwark.ledger.receipt import Log
from node.chain.store import ChainStore, StoredBlock
from node.ethereum import LogPlace, TooMany
from node.storage import schema
from node.storage.port import KeyValueStore, after_prefix

MAX_BLOCKS_LOOKED_THROUGH: Final = 1_000
"""Blocks of a query without an address; each costs a read of its receipts."""
MAX_INDEX_ENTRIES: Final = 50_000
"""Index entries that one query may walk."""

Topics = Sequence[Sequence[bytes] | None]


def find_logs(
    store: KeyValueStore,
    chain: ChainStore,
    first: Height,
    last: Height,
    addresses: Sequence[Address],
    topics: Topics,
    most: int,
) -> list[LogPlace]:
    """Matching logs of blocks first..last in order. Raises TooMany."""
    last = min(last, chain.applied)
    found: list[LogPlace] = []
    for height in _heights(store, first, last, addresses, topics):
        block = chain.block(height)
        if block is None:
            continue
        for place in logs_of_block(block):
            if matches(place.log, addresses, topics):
                found.append(place)
                if len(found) > most:
                    raise TooMany(f"more than {most} logs match; ask for fewer blocks")
    return found


def logs_of_block(block: StoredBlock) -> Iterator[LogPlace]:
    """Every log of a block with its position."""
    block_hash = block.header.hash()
    log_index = 0
    pairs = zip(block.receipts, block.raw_transactions, strict=True)
    for transaction_index, (receipt, raw) in enumerate(pairs):
        if not receipt.logs:
            continue
        transaction_hash = keccak256(raw)
        for log in receipt.logs:
            yield LogPlace(
                log=log,
                height=block.header.height,
                block_hash=block_hash,
                transaction_hash=transaction_hash,
                transaction_index=transaction_index,
                log_index=log_index,
                timestamp_ms=block.header.timestamp_ms,
            )
            log_index += 1


def matches(log: Log, addresses: Sequence[Address], topics: Topics) -> bool:
    """Whether a log passes a filter."""
    if addresses and log.address not in addresses:
        return False
    if len(topics) > len(log.topics):
        return False
    return all(
        wanted is None or log.topics[position] in wanted for position, wanted in enumerate(topics)
    )


def _heights(
    store: KeyValueStore,
    first: Height,
    last: Height,
    addresses: Sequence[Address],
    topics: Topics,
) -> list[Height]:
    """Heights whose blocks can match, ascending."""
    if not addresses:
        if last - first + 1 > MAX_BLOCKS_LOOKED_THROUGH:
            raise TooMany(
                f"a query without an address covers at most {MAX_BLOCKS_LOOKED_THROUGH} blocks"
            )
        return [Height(height) for height in range(max(first, 1), last + 1)]
    signatures = topics[0] if topics and topics[0] is not None else None
    found: set[int] = set()
    walked = 0
    for prefix in _prefixes(store, set(addresses), signatures):
        walked += 1
        for key, _ in store.iterate(prefix, start=prefix + schema.number8(first)):
            height = int.from_bytes(key[-8:], "big")
            if height > last:
                break
            walked += 1
            if walked > MAX_INDEX_ENTRIES:
                raise TooMany("the query walks too many blocks; ask for fewer")
            found.add(height)
    return [Height(height) for height in sorted(found)]


def _prefixes(
    store: KeyValueStore, addresses: set[Address], signatures: Sequence[bytes] | None
) -> Iterator[bytes]:
    """Index prefixes of (address, first topic): of the topics asked for, or of all there are."""
    for address in addresses:
        if signatures is not None:
            yield from (schema.EVENTS + address + signature for signature in signatures)
            continue
        everything = schema.EVENTS + address
        start: bytes | None = everything
        while start is not None:
            found = next(store.iterate(everything, start=start), None)
            if found is None:
                break
            prefix = found[0][:-8]
            yield prefix
            # One step per distinct topic, however many blocks hold it.
            start = after_prefix(prefix)
