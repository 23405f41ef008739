"""The chain of a member's access log: whole, or the first gap is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.ledger.accesslog import (
    MAX_ENTRY_BYTES,
    AccessEntry,
    AccessKind,
    Gap,
    Head,
    chain_start,
    verify_chain,
)
from bulwark.ledger.errors import DecodeError, LimitExceeded
from bulwark.ledger.ids import Digest

START = chain_start(b"\x01" * 32, b"m0".ljust(32, b"\0"))


def chain(length: int, start: Head = START) -> list[AccessEntry]:
    entries: list[AccessEntry] = []
    head = start
    for at in range(length):
        entry = AccessEntry(
            number=head.count + 1,
            previous=head.digest,
            time_ms=1_700_000_000_000 + at,
            who=f"desk-{at % 3}",
            role="analyst",
            purpose="fraud-prevention",
            lawful_basis="legitimate-interests",
            case_ref="" if at % 2 else f"CASE-{at}",
            kind=AccessKind.SCREENING,
            count=1 + at,
        )
        entries.append(entry)
        head = entry.head
    return entries


ENTRIES = chain(8)
ANCHORS = [ENTRIES[2].head, ENTRIES[7].head]


def test_a_whole_log_has_no_gap() -> None:
    assert verify_chain(ENTRIES, ANCHORS, START) is None
    assert verify_chain([], [], START) is None
    assert verify_chain(ENTRIES, [START, *reversed(ANCHORS)], START) is None
    assert verify_chain(ENTRIES, [ANCHORS[0], ANCHORS[0]], START) is None


def test_a_changed_entry_shows_at_the_next_one() -> None:
    for at in range(7):
        bent = [*ENTRIES]
        bent[at] = replace(bent[at], count=99)
        assert verify_chain(bent, [], START) == Gap(
            at + 2, "it does not follow from the entry before it"
        )


def test_a_log_written_anew_after_a_change_fails_at_the_anchor() -> None:
    anew = [replace(ENTRIES[0], who="somebody else")]
    for entry in ENTRIES[1:]:
        anew.append(replace(entry, previous=anew[-1].head.digest))
    assert verify_chain(anew, [], START) is None
    gap = verify_chain(anew, ANCHORS, START)
    assert gap is not None
    assert (gap.number, "anchored" in gap.reason) == (3, True)


def test_an_entry_left_out_put_in_or_swapped_is_named() -> None:
    for at in range(8):
        gap = verify_chain(ENTRIES[:at] + ENTRIES[at + 1 :], ANCHORS, START)
        assert gap is not None
        assert gap.number == at + 1
    swapped = [ENTRIES[1], ENTRIES[0], *ENTRIES[2:]]
    assert verify_chain(swapped, [], START) == Gap(1, "entry 2 stands in its place")
    doubled = [*ENTRIES[:3], ENTRIES[2]]
    assert verify_chain(doubled, [], START) == Gap(4, "entry 3 stands in its place")


def test_a_log_that_was_cut_off_misses_what_was_anchored() -> None:
    gap = verify_chain(ENTRIES[:5], ANCHORS, START)
    assert gap == Gap(6, "8 entries were anchored, 5 are there")
    assert verify_chain(ENTRIES[:5], ANCHORS[:1], START) is None


def test_two_anchors_of_one_length_with_two_heads_can_not_both_hold() -> None:
    other = Head(3, Digest(b"\x07" * 32))
    gap = verify_chain(ENTRIES, [*ANCHORS, other], START)
    assert gap is not None
    assert gap.number == 3


def test_a_log_begins_at_an_anchored_head_once_older_entries_were_dropped() -> None:
    start = ENTRIES[2].head
    assert verify_chain(ENTRIES[3:], [*ANCHORS, ENTRIES[0].head], start) is None
    wrong = Head(3, Digest(b"\x07" * 32))
    assert verify_chain(ENTRIES[3:], ANCHORS, wrong) == Gap(
        3, "the head here is not the one that was anchored"
    )


def test_chains_of_two_members_or_alliances_do_not_mix() -> None:
    others = [
        chain_start(b"\x02" * 32, b"m0".ljust(32, b"\0")),
        chain_start(b"\x01" * 32, bytes(32)),
    ]
    for start in others:
        gap = verify_chain(ENTRIES, [], start)
        assert gap is not None
        assert gap.number == 1
    with pytest.raises(DecodeError):
        chain_start(b"\x01" * 31, bytes(32))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(
    st.builds(
        AccessEntry,
        number=st.integers(0, 2**64 - 1),
        previous=st.binary(min_size=32, max_size=32).map(Digest),
        time_ms=st.integers(0, 2**64 - 1),
        who=texts,
        role=texts,
        purpose=texts,
        lawful_basis=texts,
        case_ref=texts,
        kind=st.sampled_from(AccessKind),
        count=st.integers(0, 2**32 - 1),
    )
)
def test_an_entry_comes_back_from_its_bytes(entry: AccessEntry) -> None:
    assert AccessEntry.decode(entry.encode()) == entry


def test_bent_bytes_and_texts_that_are_too_long_are_refused() -> None:
    good = ENTRIES[0].encode()
    for bent in (
        b"",
        b"\x02" + good[1:],
        b"\x03" + good[1:],
        good[:-1],
        good + b"\0",
        good[:-5] + b"\xff" + good[-4:],
    ):
        with pytest.raises(DecodeError):
            AccessEntry.decode(bent)
    for name, most in (("who", 256), ("role", 64), ("purpose", 64), ("lawful_basis", 64)):
        with pytest.raises(LimitExceeded, match=name):
            replace(ENTRIES[0], **{name: "x" * (most + 1)})
    with pytest.raises(LimitExceeded, match="case_ref"):
        replace(ENTRIES[0], case_ref="ü" * 257)
    longest = replace(
        ENTRIES[0],
        who="x" * 256,
        role="x" * 64,
        purpose="x" * 64,
        lawful_basis="x" * 64,
        case_ref="x" * 512,
    )
    assert len(longest.encode()) <= MAX_ENTRY_BYTES


def action(**fields: object) -> AccessEntry:
    about = {"kind": AccessKind.ADMINISTRATION, "action": "api-key.rotated", "subject": "desk-7"}
    plain = {"purpose": "", "lawful_basis": "", "case_ref": "", "count": 1}
    return replace(ENTRIES[0], **plain | about | fields)  # type: ignore[arg-type]


def test_what_was_done_to_the_node_stands_in_the_same_chain_in_an_encoding_of_its_own() -> None:
    entry = action()
    assert AccessEntry.decode(entry.encode()) == entry
    assert entry.encode()[0] == 2 and ENTRIES[0].encode()[0] == 1
    assert verify_chain([entry], [entry.head], START) is None
    bent = replace(entry, subject="desk-8")
    assert verify_chain([bent], [entry.head], START) is not None


def test_a_version_belongs_to_its_kinds_and_only_actions_name_one() -> None:
    entry = action(action="", subject="")
    asking = entry.encode()[:-8].replace(b"\x09\0\0\0\x01", b"\x01\0\0\0\x01")
    with pytest.raises(DecodeError):
        AccessEntry.decode(b"\x02" + ENTRIES[0].encode()[1:] + bytes(8))
    with pytest.raises(DecodeError):
        AccessEntry.decode(b"\x01" + entry.encode()[1:])
    with pytest.raises(DecodeError):
        AccessEntry.decode(asking)
    with pytest.raises(LimitExceeded, match="action"):
        replace(ENTRIES[0], action="api-key.created")
    with pytest.raises(LimitExceeded, match="subject"):
        action(subject="x" * 257)
    with pytest.raises(LimitExceeded, match="action"):
        action(action="x" * 97)
    assert (
        len(
            action(
                who="x" * 256,
                role="x" * 64,
                action="x" * 96,
                subject="x" * 256,
                purpose="x" * 64,
                lawful_basis="x" * 64,
                case_ref="x" * 512,
            ).encode()
        )
        <= MAX_ENTRY_BYTES
    )
