"""A follower believes no number: it asks, and goes on asking who kept his word."""

from __future__ import annotations

from dataclasses import dataclass

from bulwark.ledger.ids import Height, MemberId
from consensus.events import StateInstalled, SyncFailed
from node.follower import Follower
from tests.unit.node.execution.alliance import Node, certify

LIAR, FRIEND = MemberId("liar"), MemberId("friend")


@dataclass
class Peer:
    member: MemberId
    height: int


class Bench:
    def __init__(self) -> None:
        self.node = Node()
        self.asked: list[tuple[int, MemberId]] = []
        self.known = [Peer(FRIEND, 3), Peer(LIAR, 0)]
        self.follower = Follower(self.node.chain, self, self)  # type: ignore[arg-type]

    def catch_up(self, height: Height, prefer: MemberId) -> None:
        self.asked.append((height, prefer))

    def peers(self) -> list[Peer]:
        return self.known

    def advance(self) -> None:
        header = self.node.block().header
        self.follower.answered(
            StateInstalled(header.height, header.hash(), certify(self.node.genesis, header))
        )


def announcement(height: int) -> bytes:
    return height.to_bytes(8, "big")


def test_any_claimed_height_only_asks_for_the_next_block() -> None:
    bench = Bench()
    bench.follower.announced(LIAR, announcement(2**64 - 1))
    assert bench.asked == [(1, LIAR)]


def test_old_heights_and_odd_announcements_are_ignored() -> None:
    bench = Bench()
    bench.follower.announced(LIAR, announcement(0))
    bench.follower.announced(LIAR, b"\xff")
    bench.follower.peer_up(LIAR)
    assert bench.asked == []


def test_who_claims_more_is_asked_again_until_it_is_here() -> None:
    bench = Bench()
    bench.follower.peer_up(FRIEND)
    for _ in range(3):
        bench.advance()
    assert bench.asked == [(1, FRIEND), (2, FRIEND), (3, FRIEND)]


def test_after_a_failed_sync_nobody_is_asked_until_the_next_word() -> None:
    bench = Bench()
    bench.follower.announced(LIAR, announcement(9))
    bench.follower.answered(SyncFailed())
    bench.advance()
    assert bench.asked == [(1, LIAR)]
