"""One key ceremony: its purpose, who deals, who will hold, and the digest that binds it together.

Rules owned here:

* Holders are `members` in order, with index 1..n. Dealers are all holders when a key is generated
  or refreshed; for a reshare they are the parties that hold a share of the old sharing: members of
  both, and `leaving` ones, who deal for the last time (index n + 1 upward) and get nothing.
* f = (n - 1) // 3 and f < threshold <= n - f: f shares never suffice, n - f always do.
* A refresh keeps members, order and threshold; a refresh and a reshare keep the key id and raise
  the share epoch by one.
* Every proof, sealed share and hash of a ceremony is bound to `digest`, which covers all of this:
  a post for one session is worth nothing in another.

It does not decide when a ceremony is due or who may open one: the contract does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from msgspec import Struct

from bulwark.privacy.dkg.live import (
    MAX_HOLDERS,
    MEMBER_ID_BYTES,
    LiveSharing,
    check_counter,
    check_members,
)
from bulwark.privacy.errors import SessionRefused
from bulwark.privacy.transcript import Transcript

SESSION_ID_BYTES = 32
SEALING_KEY_BYTES = 32
DIGEST_BYTES = 32
MAX_LEAVING = 127
"""Parties have an index of at most 255."""

_LABEL_ID = b"Bulwark-v1-dkg-session-id"
_LABEL = b"Bulwark-v1-dkg-session"


class Purpose(IntEnum):
    """What a ceremony is for."""

    GENERATE = 1
    REFRESH = 2
    RESHARE = 3


class Member(Struct, frozen=True):
    """A future holder: its id and its public sealing key (X25519), 32 bytes each."""

    id: bytes
    sealing_key: bytes


@dataclass(frozen=True, slots=True)
class Session:
    """The fixed parameters of a ceremony; see the rules above. Raises `SessionRefused`."""

    id: bytes
    purpose: Purpose
    key_id: int
    share_epoch: int
    members: tuple[Member, ...]
    threshold: int
    old: LiveSharing | None = None
    leaving: tuple[bytes, ...] = ()
    dealers: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Indices of the parties that deal, ascending."""
    digest: bytes = field(init=False, repr=False, compare=False)
    """32 bytes over everything above."""

    def __post_init__(self) -> None:
        self._check_shape()
        match self.purpose:
            case Purpose.GENERATE:
                self._check_generate()
            case Purpose.REFRESH:
                self._check_refresh(self._previous())
            case Purpose.RESHARE:
                self._check_reshare(self._previous())
        object.__setattr__(self, "dealers", self._who_deals())
        if len(self.dealers) < self.needed_dealers:
            found = f"{len(self.dealers)} parties hold an old share"
            raise SessionRefused(f"{found}, needed {self.needed_dealers}")
        object.__setattr__(self, "digest", self._bind())

    @property
    def holders(self) -> int:
        """n, the number of future holders."""
        return len(self.members)

    @property
    def parties(self) -> int:
        """The largest index of a party: holders, then leaving dealers."""
        return len(self.members) + len(self.leaving)

    @property
    def faults(self) -> int:
        """f, how many holders may be dishonest."""
        return max_faults(self.holders)

    @property
    def plain(self) -> bool:
        """Whether the constant terms are public (refresh, reshare), so that dealers commit in
        Feldman's way at once."""
        return self.purpose is not Purpose.GENERATE

    @property
    def needed_dealers(self) -> int:
        """How many dealers must stay in: n - f, for a reshare the old threshold."""
        if self.purpose is Purpose.RESHARE and self.old is not None:
            return self.old.key.threshold
        return self.holders - self.faults

    def member_ids(self) -> tuple[bytes, ...]:
        """The ids of the holders by index."""
        return tuple(member.id for member in self.members)

    def old_index(self, party: int) -> int | None:
        """The holder index of a party in the old sharing, or nothing."""
        if self.old is None or not 1 <= party <= self.parties:
            return None
        return self.old.index_of((*self.member_ids(), *self.leaving)[party - 1])

    def _check_shape(self) -> None:
        if len(self.id) != SESSION_ID_BYTES:
            raise SessionRefused(f"session id of {len(self.id)} bytes, must be {SESSION_ID_BYTES}")
        check_counter("key id", self.key_id)
        check_counter("share epoch", self.share_epoch)
        check_members(self.member_ids())
        if any(len(member.sealing_key) != SEALING_KEY_BYTES for member in self.members):
            raise SessionRefused(f"a sealing key is not of {SEALING_KEY_BYTES} bytes")
        if len(self.leaving) > MAX_LEAVING:
            raise SessionRefused(f"{len(self.leaving)} leaving dealers, allowed {MAX_LEAVING}")
        low, high = self.faults + 1, self.holders - self.faults
        if not low <= self.threshold <= high:
            raise SessionRefused(f"threshold {self.threshold}, allowed {low} to {high}")

    def _previous(self) -> LiveSharing:
        if self.old is None:
            raise SessionRefused(f"a {self.purpose.name.lower()} needs the old sharing")
        if self.key_id != self.old.key_id:
            raise SessionRefused(f"key id {self.key_id}, the old sharing's is {self.old.key_id}")
        if self.share_epoch != self.old.share_epoch + 1:
            after = self.old.share_epoch
            raise SessionRefused(f"share epoch {self.share_epoch} does not follow {after}")
        return self.old

    def _check_generate(self) -> None:
        if self.old is not None or self.leaving:
            raise SessionRefused("a generation has no old sharing and nobody leaving")
        if self.share_epoch != 0:
            raise SessionRefused(f"a generation has share epoch 0, not {self.share_epoch}")

    def _check_refresh(self, old: LiveSharing) -> None:
        if self.member_ids() != old.members or self.threshold != old.key.threshold or self.leaving:
            raise SessionRefused("a refresh keeps members, their order and the threshold")

    def _check_reshare(self, old: LiveSharing) -> None:
        for member in self.leaving:
            if old.index_of(member) is None or member in self.member_ids():
                raise SessionRefused("a leaving party must hold an old share and get no new one")
        if len(set(self.leaving)) != len(self.leaving):
            raise SessionRefused("a leaving party comes twice")

    def _who_deals(self) -> tuple[int, ...]:
        parties = range(1, self.parties + 1)
        if self.purpose is Purpose.RESHARE:
            return tuple(party for party in parties if self.old_index(party) is not None)
        return tuple(parties)

    def _bind(self) -> bytes:
        transcript = Transcript(_LABEL).add(self.id)
        for number in (self.purpose, self.key_id, self.share_epoch, self.threshold, self.holders):
            transcript.add_int(number)
        for member in self.members:
            transcript.add(member.id).add(member.sealing_key)
        transcript.add_int(len(self.leaving))
        for leaving in self.leaving:
            transcript.add(leaving)
        transcript.add(b"" if self.old is None else self.old.encode())
        return transcript.digest()[:DIGEST_BYTES]


def max_faults(holders: int) -> int:
    """f = (n - 1) // 3, how many of n members may be dishonest."""
    return (holders - 1) // 3


def quorum_threshold(holders: int) -> int:
    """The alliance's threshold ceil((n + f + 1) / 2), the quorum of consensus.

    It is 2f + 1 for n = 3f + 1. Any fewer and, where n is another number, two sets of evaluators
    might share no honest one besides an asker who evaluates for itself, so that a slot could be
    spent twice (ADR-0015). Raises `SessionRefused` for a bad n.
    """
    if not 1 <= holders <= MAX_HOLDERS:
        raise SessionRefused(f"{holders} holders, allowed 1 to {MAX_HOLDERS}")
    return (holders + max_faults(holders) + 2) // 2


def session_id(chain_id: int, genesis_hash: bytes, height: int, ceremony: int) -> bytes:
    """An id for the ceremony with this number, opened by the block of this height; 32 bytes.

    `genesis_hash` has 32 bytes. Raises `SessionRefused`, `InputRefused` for a negative number.
    """
    if len(genesis_hash) != MEMBER_ID_BYTES:
        raise SessionRefused(f"genesis hash of {len(genesis_hash)} bytes, must be 32")
    transcript = Transcript(_LABEL_ID).add_int(chain_id).add(genesis_hash)
    return transcript.add_int(height).add_int(ceremony).digest()[:SESSION_ID_BYTES]
