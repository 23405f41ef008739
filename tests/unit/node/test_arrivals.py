"""Arrivals: numbered, in order, bounded."""

from __future__ import annotations

from bulwark.ledger.hashing import sha256
from node.arrivals import Arrivals


def test_each_follower_hears_what_came_since_its_number() -> None:
    arrivals = Arrivals()
    assert arrivals.since(0) == ([], 0)
    first, second = sha256(b"1"), sha256(b"2")
    arrivals.note(first)
    assert arrivals.since(0) == ([first], 1)
    arrivals.note(second)
    assert arrivals.since(0) == ([first, second], 2)
    assert arrivals.since(1) == ([second], 2)
    assert arrivals.since(2) == ([], 2)
    assert arrivals.since(99) == ([], 2)


def test_who_asks_too_late_misses_the_oldest_and_goes_on() -> None:
    arrivals = Arrivals(most=3)
    hashes = [sha256(bytes([at])) for at in range(5)]
    for each in hashes:
        arrivals.note(each)
    assert arrivals.since(0) == (hashes[2:], 5)
    assert arrivals.since(4) == (hashes[4:], 5)
