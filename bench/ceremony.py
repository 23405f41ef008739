"""What a key ceremony costs one node: `python -m bench.ceremony`, printed as a table.

Rules: CPU time of one thread in milliseconds, one honest generation a size, threshold 2f + 1. The
columns are what one node does once: make its dealing, take everybody's posts (all nodes do), check
the pairs it received against Pedersen and Feldman commitments, compute the key, derive its share.
It measures the library alone: no ledger, no network, no disk.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bench.figures import Figure
from bulwark.privacy.dkg.board import Board
from bulwark.privacy.dkg.outcome import Done
from bulwark.privacy.dkg.participant import Participant
from bulwark.privacy.dkg.phases import Close, Phase
from bulwark.privacy.dkg.posts import max_post_bytes
from bulwark.privacy.dkg.session import Member, Purpose, Session, quorum_threshold
from bulwark.privacy.sealing import SealingKey

SIZES: Final = (4, 7, 16, 32)
DEAL: Final = "deal"
KEY: Final = "key"
OWN: Final = {Phase.COMPLAIN: "check pairs", Phase.ACCUSE: "check Feldman", Phase.CONFIRM: "share"}
TAKEN: Final = {Phase.DEAL: "take deals", Phase.EXTRACT: "take Feldman"}
COLUMNS: Final = (DEAL, "take deals", "check pairs", "take Feldman", "check Feldman", KEY, "share")


class Stopwatch:
    """CPU microseconds by name."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        begin = time.thread_time_ns()
        yield
        self.spent[name] += (time.thread_time_ns() - begin) // 1000


def open_session(holders: int) -> tuple[Session, list[SealingKey]]:
    """A generation among `holders` fresh members, with their sealing keys."""
    keys = [SealingKey.new(os.urandom) for _ in range(holders)]
    members = tuple(
        Member(hashlib.sha256(index.to_bytes(4, "big")).digest(), key.public)
        for index, key in enumerate(keys)
    )
    threshold = quorum_threshold(holders)
    return Session(os.urandom(32), Purpose.GENERATE, 0, 0, members, threshold), keys


def measure(session: Session, keys: list[SealingKey]) -> Counter[str]:
    """CPU microseconds of one node by column."""
    watch, board = Stopwatch(), Board(session)
    parties = [
        Participant.begin(session, index, key, os.urandom) for index, key in enumerate(keys, 1)
    ]
    with watch.time(DEAL):
        Participant.begin(session, 1, keys[0], os.urandom)
    for phase in Phase:
        with watch.time(OWN.get(phase, "other")):
            parties[0].to_post(phase, board)
        posts = [party.to_post(phase, board) or b"" for party in parties]
        with watch.time(TAKEN.get(phase, "other")):
            for index, data in enumerate(posts, 1):
                board.post(index, phase, data)
        with watch.time(KEY if phase is Phase.RECONSTRUCT else "other"):
            board.advance(Close.COMPLETE)
    if not isinstance(board.outcome, Done):
        raise SystemExit(f"the ceremony of {session.holders} ended as {board.outcome}")
    return watch.spent


def ceremony_figures() -> list[Figure]:
    """`ceremony.N.node`: all that one node computes in a generation of N holders, ms."""
    return [
        Figure(f"ceremony.{holders}.node", _own_ms(*open_session(holders))) for holders in SIZES
    ]


def _own_ms(session: Session, keys: list[SealingKey]) -> float:
    spent = measure(session, keys)
    return sum(spent[name] for name in COLUMNS) / 1000


def main() -> None:
    """Print the table."""
    print("A key generation: CPU milliseconds of one node, and the bytes of a DEAL post")
    print(f"{'n':>4}{'t':>4}" + "".join(f"{name:>15}" for name in (*COLUMNS, "DEAL bytes")))
    for holders in SIZES:
        session, keys = open_session(holders)
        spent = measure(session, keys)
        cells = "".join(f"{spent[name] / 1000:15.2f}" for name in COLUMNS)
        size = max_post_bytes(session, Phase.DEAL)
        print(f"{holders:>4}{session.threshold:>4}{cells}{size:15,}")


if __name__ == "__main__":
    main()
