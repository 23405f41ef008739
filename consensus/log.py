"""The log: one slot a height, the window they live in, and the bounded buffer beside it.

Rules owned: W3 slots live in (low - L, low + L], at most 2L of them; W4 votes are keyed by signer,
at most one per (kind, view, height) and signer, and the first counts; W2 the buffer holds
messages for the next window or a later view, bounded per sender. It decides nothing about votes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bulwark.ledger.batch import Batch
from bulwark.ledger.ids import Digest, Height, ValidatorIndex
from bulwark.ledger.votes import Certificate, VoteKind
from consensus.messages import Message, PrePrepare, Vote

MAX_LATER_BYTES: Final = 8 * 1024 * 1024
"""Batch bytes buffered per sender: a pipeline of the largest batches, with room for a re-send."""

MAX_VOUCHED_BODIES: Final = 8
"""Bodies a slot keeps for own PREPAREs of left views: more than f bad views in a row at f = 7."""

Votes = dict[ValidatorIndex, Vote]


@dataclass(slots=True)
class Slot:
    """Everything known about one height. Proposal and votes belong to the active view."""

    height: Height
    opened_ms: int
    digest: Digest | None = None
    """Accepted proposal of the active view (O2)."""
    pre_prepare: PrePrepare | None = None
    """The message it came in; None for a re-proposal and after a restart."""
    timely: bool = True
    """O3 held when the proposal arrived."""
    prepares: Votes = field(default_factory=dict)
    commits: Votes = field(default_factory=dict)
    checkpoints: Votes = field(default_factory=dict)
    prepared: Certificate | None = None
    """PREPARE certificate of the highest view; survives view changes."""
    committed: Certificate | None = None
    committed_ms: int = 0
    bodies: dict[Digest, Batch] = field(default_factory=dict)
    approved: set[Digest] = field(default_factory=set)
    """Bodies that the driver checked: valid and durable with their sidecars."""
    checking: set[Digest] = field(default_factory=set)
    refused: dict[Digest, str] = field(default_factory=dict)
    header_hash: Digest | None = None
    """Hash of the own executed header."""
    own: dict[VoteKind, Vote] = field(default_factory=dict)
    """The last vote this replica cast, by kind: the sign guard looks here."""
    reported: set[tuple[VoteKind, ValidatorIndex]] = field(default_factory=set)
    vouched: list[Digest] = field(default_factory=list)
    """Digests this replica PREPAREd, last one last: others may need these bodies from it (S12)."""
    body_asked: int = 0
    """How many peers were asked for a body."""

    def votes(self, kind: VoteKind) -> Votes:
        """The votes of a kind."""
        if kind is VoteKind.PREPARE:
            return self.prepares
        return self.commits if kind is VoteKind.COMMIT else self.checkpoints

    def wanted_body(self) -> Digest | None:
        """The digest whose batch is needed here and missing."""
        digest = self.digest if self.committed is None else self.committed.subject.digest
        return None if digest in self.bodies else digest

    def vouch(self, digest: Digest) -> None:
        """Remember that an own PREPARE stands behind `digest`; a new one makes it the latest."""
        if digest in self.vouched:
            self.vouched.remove(digest)
        self.vouched.append(digest)

    def enter_view(self, now_ms: int, again: Digest | None) -> list[Digest]:
        """V9: forget proposal and votes of the view that ended; returns the bodies dropped.

        Kept are the bodies behind certificates, the one proposed `again`, and the last ones that an
        own PREPARE stands behind: a later view may choose a digest that this one passed over.
        """
        self.opened_ms = now_ms
        self.digest, self.pre_prepare, self.timely = None, None, True
        self.prepares, self.commits = {}, {}
        self.refused = {}
        self.body_asked = 0
        certificates = (self.prepared, self.committed)
        del self.vouched[:-MAX_VOUCHED_BODIES]
        kept = {c.subject.digest for c in certificates if c is not None} | set(self.vouched)
        if again is not None:
            kept.add(again)
        dropped = [digest for digest in self.bodies if digest not in kept]
        for digest in dropped:
            del self.bodies[digest]
        self.approved &= kept
        self.checking &= kept
        self.reported = {r for r in self.reported if r[0] is VoteKind.CHECKPOINT}
        return dropped


def tally(votes: Votes, quorum: int) -> Digest | None:
    """The digest that at least `quorum` of these votes agree on, None if there is none (S4, D3)."""
    if len(votes) < quorum:
        return None
    counts: dict[Digest, int] = {}
    for vote in votes.values():
        counts[vote.subject.digest] = counts.get(vote.subject.digest, 0) + 1
    return next((digest for digest, count in counts.items() if count >= quorum), None)


def signatures_for(votes: Votes, digest: Digest) -> dict[ValidatorIndex, bytes]:
    """The signatures of the votes for `digest`."""
    return {i: v.signature for i, v in votes.items() if v.subject.digest == digest}


def bitmap(votes: Votes) -> int:
    """Bit i is set when validator i's vote is there."""
    value = 0
    for index in votes:
        value |= 1 << index
    return value


class Log:
    """The slots by height."""

    __slots__ = ("_slots", "get", "top", "window")

    def __init__(self, window: int) -> None:
        self.window = window
        """L."""
        self._slots: dict[Height, Slot] = {}
        self.top = Height(0)
        """No slot is above it."""
        self.get = self._slots.get
        """The slot of a height if it is open."""

    def open(self, height: Height, now_ms: int) -> Slot:
        """The slot of a height, opened if needed; the caller checked the window (W1)."""
        slot = self._slots.get(height)
        if slot is None:
            slot = self._slots[height] = Slot(height, now_ms)
            self.top = max(self.top, height)
        return slot

    def above(self, height: Height) -> Iterator[Slot]:
        """Open slots above `height`, ascending."""
        slots = self._slots
        if self.top <= height:
            return iter(())
        if self.top - height > 4 * self.window:  # recovered records may lie anywhere
            return iter([slots[h] for h in sorted(slots) if h > height])
        # narrower than sorting all: slots close to the low mark are asked for at every step
        heights = range(height + 1, self.top + 1)
        return iter([slot for h in heights if (slot := self.get(Height(h))) is not None])

    def collect(self, low: Height) -> None:
        """W3: forget slots more than one window below the low mark."""
        for height in [h for h in self._slots if h <= low - self.window]:
            del self._slots[height]

    def skip_to(self, height: Height) -> None:
        """C5: forget slots at and below an installed height."""
        for below in [h for h in self._slots if h <= height]:
            del self._slots[below]


class LaterBuffer:
    """W2: messages that may become acceptable soon, the newest of each sender."""

    __slots__ = ("_by_sender", "_bytes", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_sender: dict[ValidatorIndex, deque[tuple[int, Message]]] = {}
        self._bytes: dict[ValidatorIndex, int] = {}

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._by_sender.values())

    def add(self, sender: ValidatorIndex, received_ms: int, message: Message) -> None:
        """Keep a message, dropping the sender's oldest ones over its bounds."""
        queue = self._by_sender.setdefault(sender, deque())
        queue.append((received_ms, message))
        self._bytes[sender] = self._bytes.get(sender, 0) + _weight(message)
        while len(queue) > self._most or self._bytes[sender] > MAX_LATER_BYTES:
            _, dropped = queue.popleft()
            self._bytes[sender] -= _weight(dropped)

    def drain(self) -> list[tuple[ValidatorIndex, int, Message]]:
        """Take everything out: (sender, received_ms, message), senders ascending, oldest first."""
        if not self._by_sender:
            return []
        taken = [
            (sender, received_ms, message)
            for sender in sorted(self._by_sender)
            for received_ms, message in self._by_sender[sender]
        ]
        self._by_sender.clear()
        self._bytes.clear()
        return taken


def _weight(message: Message) -> int:
    if isinstance(message, PrePrepare):
        return 256 + sum(len(raw) for raw in message.batch.transactions)
    return 256
