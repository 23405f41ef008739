"""What can go wrong in a sync, and which of it is a peer's fault.

Rules: a `PeerFault` names one member and is answered by leaving it out; `SyncImpossible` means that
nobody is left to ask; what contradicts this node's own chain halts the node.
"""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """Why a member was left out of a sync; the value is in logs, metrics and status."""

    SILENT = "silent"
    """It did not answer in time, refused, or its connection ended."""
    WITHHELD = "withheld"
    """It has not what it was asked for: it may be behind, or have synced past that state."""
    LIED = "lied"
    """It sent what certificates or hashes contradict, or bytes that are no answer at all."""


class SyncImpossible(Exception):
    """No connected peer serves usable blocks and state up to the target."""


class PeerLied(Exception):
    """A peer's answer contradicts a certificate or a hash, or proves nothing."""


class PeerWithholds(Exception):
    """A peer does not have, or does not give, what was asked for."""


class SelfContradicted(Exception):
    """Certified blocks do not fit this node's own chain: its state or code is wrong."""
