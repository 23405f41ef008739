"""The public record of a sharing in use: which key, which share epoch, who holds, which share keys.

Rules owned here: holder i is `members[i - 1]`; the share epoch counts the sharings of one key (0
from its generation, one more with every refresh or reshare), and shares of two epochs never fit
together, which an answer's proof shows because the share keys differ. It holds nothing secret and
does not say which sharing is active: the ledger does.
"""

from __future__ import annotations

from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError
from bulwark.privacy.errors import EncodingRefused, SessionRefused, ThresholdKeyRefused
from bulwark.privacy.group import ELEMENT_BYTES, decode_element
from bulwark.privacy.threshold import ThresholdKey

MEMBER_ID_BYTES = 32
MAX_HOLDERS = 128
"""Holders of one sharing; every size and cost of a ceremony is bounded by it."""
MAX_COUNTER = (1 << 32) - 1
"""Largest key id and share epoch."""


class LiveSharing(Struct, frozen=True):
    """One sharing of one key: `members` are ids of 32 bytes by holder index, 1 to 128 of them.

    Raises `SessionRefused`.
    """

    key_id: int
    share_epoch: int
    members: tuple[bytes, ...]
    key: ThresholdKey

    def __post_init__(self) -> None:
        check_counter("key id", self.key_id)
        check_counter("share epoch", self.share_epoch)
        check_members(self.members)
        if len(self.members) != self.key.holders:
            raise SessionRefused(f"{len(self.members)} members and {self.key.holders} share keys")

    def index_of(self, member: bytes) -> int | None:
        """The holder index of a member id, or nothing."""
        return self.members.index(member) + 1 if member in self.members else None

    def encode(self) -> bytes:
        """Key id 4 | share epoch 4 | threshold 1 | holders 1 | ids | K | K_1..K_n."""
        writer = Writer().uint(self.key_id, 4).uint(self.share_epoch, 4)
        writer.uint(self.key.threshold, 1).uint(len(self.members), 1)
        for member in self.members:
            writer.fixed(member, MEMBER_ID_BYTES)
        for element in (self.key.public_key, *self.key.share_keys):
            writer.fixed(element.encoding, ELEMENT_BYTES)
        return writer.done()


def decode_live_sharing(data: bytes) -> LiveSharing:
    """The sharing of its encoding. Raises `DecodeError`."""
    reader = Reader(data, "live sharing")
    key_id, share_epoch = reader.uint(4, "key id"), reader.uint(4, "share epoch")
    threshold = reader.uint(1, "threshold", MAX_HOLDERS)
    count = reader.uint(1, "holders", MAX_HOLDERS)
    members = tuple(reader.fixed(MEMBER_ID_BYTES, "member") for _ in range(count))
    keys = [reader.fixed(ELEMENT_BYTES, "key") for _ in range(count + 1)]
    reader.end()
    try:
        public, *shared = (decode_element(key) for key in keys)
        key = ThresholdKey(threshold, public, tuple(shared))
        return LiveSharing(key_id, share_epoch, members, key)
    except (EncodingRefused, ThresholdKeyRefused, SessionRefused) as error:
        raise DecodeError("live sharing", str(error)) from None


def check_counter(what: str, value: int) -> None:
    """Refuse a key id or share epoch outside 0 to 2^32 - 1. Raises `SessionRefused`."""
    if not 0 <= value <= MAX_COUNTER:
        raise SessionRefused(f"{what} {value}, allowed 0 to {MAX_COUNTER}")


def check_members(members: tuple[bytes, ...]) -> None:
    """Refuse none, more than 128, another length than 32, or one twice. Raises `SessionRefused`."""
    if not 1 <= len(members) <= MAX_HOLDERS:
        raise SessionRefused(f"{len(members)} holders, allowed 1 to {MAX_HOLDERS}")
    if any(len(member) != MEMBER_ID_BYTES for member in members):
        raise SessionRefused(f"a member id is not of {MEMBER_ID_BYTES} bytes")
    if len(set(members)) != len(members):
        raise SessionRefused("a member comes twice")
