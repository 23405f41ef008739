"""One member's word counts once, and not for ever."""

from __future__ import annotations

from bulwark.ledger.ids import MemberId
from node.network.witnesses import WINDOW_MS, Witnesses


def test_distinct_members_count_and_old_words_are_forgotten() -> None:
    now = [0]
    counts: list[int] = []
    witnesses = Witnesses(lambda: now[0], counts.append)
    for member in ("bank-b", "bank-b", "bank-c"):
        witnesses.said(MemberId(member))
    witnesses.said(None)
    now[0] = WINDOW_MS
    witnesses.said(MemberId("bank-d"))
    assert counts == [1, 1, 2, 1]
