"""What the guarded path needs of the node around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from bulwark.ledger.ids import MemberId
from bulwark.privacy.threshold import EvaluatorShare, ThresholdKey


class LiveKey(Struct, frozen=True):
    """A shared key as it is in force: its public side, who holds it, and the own share."""

    key: ThresholdKey
    key_id: int
    share_epoch: int
    """Counts the sharings of this key: shares of different ones never mix."""
    holders: Mapping[int, MemberId]
    """Member of each index from 1 on."""
    share: EvaluatorShare | None
    """None on a node that holds none."""
    session: bytes = bytes(32)
    """Ceremony that made this sharing: how the ledger names it."""

    def index_of(self, member: MemberId) -> int | None:
        """Where a member stands among the holders."""
        return next((index for index, holder in self.holders.items() if holder == member), None)


class Keys(Protocol):
    """The keys that the members share now."""

    def tag_key(self) -> LiveKey | None:
        """The key of the tags, None before the first ceremony."""
        ...

    def council_key(self) -> LiveKey | None:
        """The council's part of the opener, None before the first ceremony."""
        ...
