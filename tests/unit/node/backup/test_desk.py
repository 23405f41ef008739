"""The backup desk: one whole moment at a time, and no view outlives its reader."""

from __future__ import annotations

import pytest

from node.backup.desk import BackupDesk
from node.backup.settings import BackupConfig
from node.backup.source import decoded, messages_of
from node.clock import Clock
from node.service import Busy, Caller, Role, Unavailable
from node.storage.memory import MemoryStore
from tests.unit.node.execution.alliance import ACCOUNTS, NOWHERE, Node, call

BY = Caller("key-1", Role.ADMIN)


def desk(node: Node, steady_ms: object = Clock().now_ms) -> BackupDesk:
    config = BackupConfig(max_mib_per_second=10_000, max_seconds=10)
    return BackupDesk(node.store, lambda: None, config, steady_ms)  # type: ignore[arg-type]


async def test_a_stream_is_one_moment_whatever_is_written_meanwhile() -> None:
    node = Node(MemoryStore())
    wanted = list(messages_of(node.store.snapshot(), None))
    made = desk(node)
    stream = await made.database(by=BY)
    node.block(call(ACCOUNTS[0], 0, NOWHERE))
    pieces = [piece async for piece in stream]
    assert list(decoded(pieces)) == wanted
    await stream.aclose()
    await stream.aclose()
    made.close()


async def test_a_second_one_waits_for_the_first_also_if_that_is_given_up() -> None:
    made = desk(Node())
    first = await made.database(by=BY)
    with pytest.raises(Busy, match="another backup"):
        await made.database(by=BY)
    await anext(aiter(first))
    await first.aclose()
    second = await made.database(by=BY)
    await second.aclose()
    made.close()


async def test_one_that_takes_too_long_is_ended() -> None:
    times = iter(range(0, 10**9, 6_000))
    made = desk(Node(), lambda: next(times))
    stream = await made.database(by=BY)
    with pytest.raises(Unavailable, match="over 10 s"):
        _ = [piece async for piece in stream]
    await stream.aclose()
    made.close()
