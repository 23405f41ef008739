"""Ends the node after a failed write, whoever wrote: nothing it says can be promised any more.

A write that a client's request or a peer's question caused fails that request alone; without this
the node would go on, refuse all work and look alive until consensus had something to write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from node.storage.port import KeyValueStore

LOOK_S: Final = 0.1


async def halt_on_failure(store: KeyValueStore, halt: Callable[[str], None]) -> None:
    """Wait for a write that fails and halt the node with its reason."""
    while store.failure is None:  # noqa: ASYNC110 - a write may fail on any thread
        await asyncio.sleep(LOOK_S)
    halt(f"storage: {store.failure}")
