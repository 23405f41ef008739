"""Fetches the state of a certified block from several members at once.

Rules: up to PARALLEL members have one question out each; who is silent, lacks a value or sends a
wrong one is blamed and its question goes to another; nobody left is SyncImpossible, and what is
complete stays for the next attempt.
"""

from __future__ import annotations

import asyncio
from typing import Final

from bulwark.ledger.ids import MemberId
from node.requests import Topic
from node.storage.port import KeyValueStore
from node.sync.faults import PeerLied, PeerWithholds, SyncImpossible
from node.sync.peers import FAULTS, Peers
from node.sync.progress import Meter
from node.sync.walk import StateWalk
from node.sync.wire import MAX_STATE_VALUES, decode_values, encode_hashes

PARALLEL: Final = 4
"""Members asked at the same time."""
PORTION: Final = 64
"""Values verified in one turn of the event loop: about 2 ms."""


async def fetch_state(store: KeyValueStore, root: bytes, peers: Peers, meter: Meter) -> None:
    """Bring everything below a state root into the store.

    Raises SyncImpossible, StoreWriteFailed.
    """
    walk = StateWalk(store, root)
    asked: dict[asyncio.Task[bytes], tuple[MemberId, list[bytes]]] = {}
    try:
        while not walk.done:
            _ask(walk, peers, asked)
            meter.asks(member for member, _ in asked.values())
            if not asked:
                raise SyncImpossible(f"nobody serves the state 0x{root.hex()}")
            ready, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            for task in ready:
                member, hashes = asked.pop(task)
                try:
                    await _take(walk, hashes, task.result(), meter, peers)
                except FAULTS as error:
                    peers.blame(member, error)
                else:
                    peers.helped(member)
                finally:
                    walk.give_back(hashes)
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


def _ask(
    walk: StateWalk, peers: Peers, asked: dict[asyncio.Task[bytes], tuple[MemberId, list[bytes]]]
) -> None:
    """Give every free member a question, as long as there is something to ask."""
    busy = {member for member, _ in asked.values()}
    for member in peers.usable():
        if member in busy or len(asked) >= PARALLEL:
            continue
        hashes = walk.next(MAX_STATE_VALUES)
        if not hashes:
            return
        question = peers.ask(member, Topic.STATE, encode_hashes(hashes))
        asked[asyncio.get_running_loop().create_task(question)] = (member, hashes)


async def _take(
    walk: StateWalk, hashes: list[bytes], answer: bytes, meter: Meter, peers: Peers
) -> None:
    """Verify an answer; what is good of it is kept also where it raises PeerLied, PeerWithholds."""
    values = decode_values(answer)
    if len(values) > len(hashes):
        raise PeerLied(f"{len(values)} state values for {len(hashes)} hashes")
    pairs = [(h, v) for h, v in zip(hashes, values, strict=False) if v is not None]
    for start in range(0, len(pairs), PORTION):
        portion = pairs[start : start + PORTION]
        walk.take(portion)
        meter.values(len(portion))
        peers.verified[Topic.STATE] += len(portion)
        await asyncio.sleep(0)
    lacking = sum(value is None for value in values)
    if lacking or not values:
        raise PeerWithholds(f"{lacking or len(hashes)} state values of {len(hashes)} are missing")
