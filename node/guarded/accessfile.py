"""An access log as a file: what a member hands to an auditor, and what an auditor finds in it.

Layout: a line of JSON with format, member and start, then one entry a line, hex. Rules: the start
is the chain's own for this alliance and member, or a head that the ledger has; what is no such file
is told apart from a log with a gap. Pure: the anchors are what the auditor read at its own node.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bulwark.ledger.accesslog import (
    MAX_ENTRY_BYTES,
    AccessEntry,
    Gap,
    Head,
    chain_start,
    verify_chain,
)
from bulwark.ledger.errors import LedgerError
from bulwark.ledger.ids import Digest
from contracts.members import member_id_bytes

FORMAT: Final = "bulwark-access-log/1"
MAX_LINE: Final = 2 * MAX_ENTRY_BYTES + 2
"""Characters of a line, its end included."""


class AccessFileInvalid(Exception):
    """A file is no access log; `line` counts from 1."""

    def __init__(self, line: int, detail: str) -> None:
        self.line = line
        self.detail = detail
        super().__init__(f"line {line}: {detail}")


@dataclass(frozen=True, slots=True)
class Audited:
    """What a file came to against anchors."""

    gap: Gap | None
    member: str
    dropped: int
    """Entries before the start, which the ledger vouches for."""
    entries: int
    """Entries in the file."""
    anchored: int
    """Entries that the newest anchor covers."""

    @property
    def unanchored(self) -> int:
        """Newest entries that no anchor covers yet."""
        return max(0, self.dropped + self.entries - self.anchored)


def head_line(member: str, start: Head) -> str:
    """The first line of a file."""
    head = {"count": start.count, "digest": start.digest.hex()}
    return json.dumps({"format": FORMAT, "member": member, "start": head})


def audit(
    lines: Iterable[str], anchors: Sequence[Head], genesis_hash: bytes, member: str
) -> Audited:
    """The first gap of a member's log in a file, and how much of it is anchored.

    Raises AccessFileInvalid.
    """
    rest = iter(lines)
    start = _start(next(rest, ""), member)
    whole = chain_start(genesis_hash, member_id_bytes(member))
    newest = max((anchor.count for anchor in anchors), default=0)
    known = {whole} if start.count == 0 else {h for h in anchors if h.count == start.count}
    if start not in known:
        lost = Gap(start.count, "the log begins with a head that is not on the ledger")
        return Audited(lost, member, start.count, 0, newest)
    counted = _Counted(rest)
    later = [anchor for anchor in anchors if anchor.count >= start.count]
    gap = verify_chain(counted, later, start)
    return Audited(gap, member, start.count, counted.entries, newest)


def entries_of(lines: Iterable[str]) -> Iterator[AccessEntry]:
    """The entries of a file whose first line was checked already. Raises AccessFileInvalid."""
    rest = iter(lines)
    next(rest, "")
    return iter(_Counted(rest))


class _Counted:
    """Entries of the lines of a file."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.entries = 0

    def __iter__(self) -> Iterator[AccessEntry]:
        for number, line in enumerate(self._lines, 2):
            if len(line) > MAX_LINE:
                raise AccessFileInvalid(number, f"over {MAX_LINE} characters")
            try:
                entry = AccessEntry.decode(bytes.fromhex(line.strip()))
            except (ValueError, LedgerError) as error:
                raise AccessFileInvalid(number, f"no entry: {error}") from error
            self.entries += 1
            yield entry


def _start(line: str, member: str) -> Head:
    try:
        document = json.loads(line[: MAX_LINE + 1])
        found = (document["format"], document["member"])
        count, digest = document["start"]["count"], bytes.fromhex(document["start"]["digest"])
    except (ValueError, KeyError, TypeError) as error:
        raise AccessFileInvalid(1, "format, member and start are needed") from error
    if found[0] != FORMAT:
        raise AccessFileInvalid(1, f"the format {FORMAT} is needed")
    if found[1] != member:
        raise AccessFileInvalid(1, f"it is not the log of {member}")
    if type(count) is not int or not 0 <= count < 1 << 64 or len(digest) != 32:
        raise AccessFileInvalid(1, "start wants a count and a digest of 32 bytes")
    return Head(count, Digest(digest))
