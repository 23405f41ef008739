"""The feed is one state while somebody pulls it, and a newer one a minute later."""

from __future__ import annotations

from collections.abc import Mapping

from bulwark.ledger.ids import Height
from node.exchange.feedcache import FRESH_MS, FeedCache


class Node:
    def __init__(self) -> None:
        self.now_ms, self.height, self.builds = 0, Height(1), 0
        self.cache = FeedCache(self.build, lambda: self.height, lambda: self.now_ms)

    async def build(self) -> Mapping[str, bytes]:
        self.builds += 1
        content = b"%d" % self.builds
        return {"manifest.json": content, f"{self.height}.json": content}


async def test_a_pull_sees_one_state_while_the_ledger_goes_on() -> None:
    node = Node()
    assert await node.cache.file("manifest.json") == b"1"
    node.height, node.now_ms = Height(2), FRESH_MS - 1
    assert await node.cache.file("1.json") == b"1"
    assert node.builds == 1


async def test_it_is_built_again_after_a_while_and_only_for_a_newer_block() -> None:
    node = Node()
    await node.cache.file("manifest.json")
    node.now_ms = 10 * FRESH_MS
    assert await node.cache.file("manifest.json") == b"1"
    node.height = Height(2)
    assert await node.cache.file("manifest.json") == b"2"
    node.height, node.now_ms = Height(3), 0
    assert await node.cache.file("manifest.json") == b"3", "a clock that was set back"


async def test_a_name_that_nobody_has_costs_one_build_a_block() -> None:
    node = Node()
    for _ in range(5):
        assert await node.cache.file("none.json") is None
    assert node.builds == 1
    node.height = Height(2)
    assert await node.cache.file("2.json") == b"2", "an event that came since"
