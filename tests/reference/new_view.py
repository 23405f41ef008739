"""The new-view rule a second time, written from OSDI'99 section 4.4 and rule V6, not from the code.

The paper computes O in two steps. (1) The primary determines min-s, the sequence number of the
latest stable checkpoint in V, and max-s, the highest sequence number in a prepare message in V.
(2) For each n between min-s and max-s there are two cases: some P component in V has n, then O has
the digest of the one with the highest view number in V; or none has, then O has the null request.

Everything is lists and loops over plain values; `Claim` is what a VIEW-CHANGE says.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from consensus.messages import ViewChange

NULL_REQUEST = sha256(b"bulwark/batch/1\x00" + bytes(8) + bytes(4)).digest()
"""Digest of the batch without a transaction and with time 0, from its definition."""


@dataclass(frozen=True)
class Prepared:
    """One element of the P component."""

    view: int
    number: int
    digest: bytes


@dataclass(frozen=True)
class Claim:
    """What one VIEW-CHANGE says: its stable checkpoint's number and what it prepared above."""

    checkpoint: int
    prepared: tuple[Prepared, ...]


class Ambiguous(AssertionError):
    """Two digests prepared in one view at one number: more than f validators are faulty."""


def claim_of(change: ViewChange, start: int = 0) -> Claim:
    """The plain values inside a VIEW-CHANGE."""
    number = start if change.checkpoint is None else change.checkpoint.subject.height
    return Claim(
        number,
        tuple(
            Prepared(c.subject.view, c.subject.height, c.subject.digest) for c in change.prepared
        ),
    )


def min_s(claims: list[Claim]) -> int:
    """The latest stable checkpoint in V."""
    latest = claims[0].checkpoint
    for claim in claims:
        if claim.checkpoint > latest:
            latest = claim.checkpoint
    return latest


def max_s(claims: list[Claim]) -> int:
    """The highest number in any P component in V; min-s if none is above it."""
    highest = min_s(claims)
    for claim in claims:
        for prepared in claim.prepared:
            if prepared.number > highest:
                highest = prepared.number
    return highest


def digest_for(claims: list[Claim], number: int) -> bytes:
    """Case 1 or case 2 of the paper for one number; raises Ambiguous."""
    candidates = [p for claim in claims for p in claim.prepared if p.number == number]
    if not candidates:
        return NULL_REQUEST
    views = sorted({p.view for p in candidates})
    digests = {p.digest for p in candidates if p.view == views[-1]}
    if len(digests) != 1:
        raise Ambiguous(f"{len(digests)} digests at {number} in view {views[-1]}")
    return digests.pop()


def reference_o(claims: list[Claim]) -> tuple[int, list[bytes]]:
    """(min-s, digests of min-s + 1 .. max-s)."""
    first, last = min_s(claims), max_s(claims)
    return first, [digest_for(claims, number) for number in range(first + 1, last + 1)]
