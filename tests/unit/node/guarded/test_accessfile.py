"""An exported access log against anchors: whole, bent, cut, begun late, of somebody else."""

from __future__ import annotations

import pytest

from bulwark.ledger.accesslog import AccessEntry, Gap, Head
from bulwark.ledger.ids import Digest
from node.guarded.accessfile import MAX_LINE, AccessFileInvalid, audit, head_line
from node.storage.memory import MemoryStore
from tests.unit.node.guarded.test_accesslog import GENESIS, access, note

LOG = access(MemoryStore())
MADE = [note(LOG, at) for at in range(9)]
HEADS = [MADE[3].head, MADE[7].head]


def lines(start: Head = LOG.start, entries: list[AccessEntry] = MADE, who: str = "m0") -> list[str]:
    return [head_line(who, start) + "\n", *(f"{entry.encode().hex()}\n" for entry in entries)]


def test_a_whole_log_is_complete_and_tells_what_no_anchor_covers() -> None:
    found = audit(lines(), HEADS, GENESIS, "m0")
    assert (found.gap, found.entries, found.anchored, found.unanchored) == (None, 9, 8, 1)


def test_a_log_may_begin_at_an_anchored_head_and_nowhere_else() -> None:
    found = audit(lines(HEADS[0], MADE[4:]), HEADS, GENESIS, "m0")
    assert (found.gap, found.dropped, found.entries) == (None, 4, 5)
    reason = "the log begins with a head that is not on the ledger"
    for start, rest in ((MADE[4].head, MADE[5:]), (Head(0, Digest(b"\x01" * 32)), MADE)):
        assert audit(lines(start, rest), HEADS, GENESIS, "m0").gap == Gap(start.count, reason)
    assert audit(lines(), HEADS, b"\x01" * 32, "m0").gap == Gap(0, reason)


@pytest.mark.parametrize("place", range(8))
def test_every_left_out_entry_that_was_anchored_is_named(place: int) -> None:
    gap = audit(lines(entries=MADE[:place] + MADE[place + 1 :]), HEADS, GENESIS, "m0").gap
    assert gap is not None and gap.number == place + 1
    gap = audit(lines(entries=MADE[:place]), HEADS, GENESIS, "m0").gap
    assert gap is not None and gap.number == place + 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (["{}\n"], 1), ([], 1), (["[]"], 1), (['{"format": "x"}'], 1), (lines(who="m1"), 1),
        ([lines()[0], "zz"], 2), ([*lines(), "00" * 40], 11),
        ([lines()[0], "0" * (MAX_LINE + 1)], 2),
    ],
)  # fmt: skip
def test_what_is_no_log_is_told_with_its_line(text: list[str], line: int) -> None:
    with pytest.raises(AccessFileInvalid) as refused:
        audit(text, HEADS, GENESIS, "m0")
    assert refused.value.line == line
