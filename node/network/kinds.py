"""The kinds of frames, how long each may be, and in which lane it waits to be sent.

Rules: a frame's announced length is held against its kind before a byte of it is stored; before the
hello is complete only HELLO is allowed. Lanes are strict: a vote never waits behind gossip that has
not yet been written. What is inside a frame is the affair of whoever registered for its kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from bulwark.ledger.limits import MAX_SIDECAR_BYTES, MAX_TRANSACTION_BYTES

KIB: Final = 1024
MIB: Final = 1024 * 1024
MAX_PAYLOAD_BYTES: Final = 8 * MIB
"""The longest payload of any kind."""


class Kind(IntEnum):
    """What a frame is; the number is on the wire."""

    HELLO = 1
    """A step of the handshake, allowed only before the connection counts."""
    PING = 2
    """8 bytes to be sent back."""
    PONG = 3
    """The 8 bytes of a PING."""
    CONSENSUS = 4
    """A consensus message."""
    REQUEST = 5
    """A question with a correlation id."""
    RESPONSE = 6
    """The answer to a REQUEST."""
    TRANSACTION = 7
    """A transaction with its sidecar, gossiped."""
    ANNOUNCE = 8
    """A short notice, as of a new height."""


class Lane(IntEnum):
    """Sending order: a lower lane goes first whenever something can be written."""

    VOTES = 0
    CALLS = 1
    GOSSIP = 2


SIZE_LIMITS: Final[Mapping[int, int]] = MappingProxyType(
    {
        Kind.HELLO: 1 * KIB,
        Kind.PING: 8,
        Kind.PONG: 8,
        Kind.CONSENSUS: 2 * MIB,
        Kind.REQUEST: 1 * MIB,
        Kind.RESPONSE: MAX_PAYLOAD_BYTES,
        Kind.TRANSACTION: MAX_SIDECAR_BYTES + MAX_TRANSACTION_BYTES + 4 * KIB,
        Kind.ANNOUNCE: 4 * KIB,
    }
)
"""Payload bytes allowed in one frame, by kind."""

HELLO_LIMITS: Final[Mapping[int, int]] = MappingProxyType({Kind.HELLO: SIZE_LIMITS[Kind.HELLO]})
"""What an unproved peer may send."""

LANES: Final[Mapping[Kind, Lane]] = MappingProxyType(
    {
        Kind.HELLO: Lane.VOTES,
        Kind.PING: Lane.VOTES,
        Kind.PONG: Lane.VOTES,
        Kind.CONSENSUS: Lane.VOTES,
        Kind.REQUEST: Lane.CALLS,
        Kind.RESPONSE: Lane.CALLS,
        Kind.TRANSACTION: Lane.GOSSIP,
        Kind.ANNOUNCE: Lane.GOSSIP,
    }
)

APPLICATION_KINDS: Final = frozenset({Kind.CONSENSUS, Kind.TRANSACTION, Kind.ANNOUNCE})
"""Kinds that the rest of the node sends and receives directly; the others are the mesh's own."""
