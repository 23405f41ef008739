"""The terms of one epoch: who votes, under which domain, above which height.

One `Replica` serves one epoch. The epoch orders the heights above `start`; the driver says where
it ends. Every signature covers the epoch, so nothing of one epoch counts in another (S1).
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Height
from bulwark.ledger.signing import Check, SigningDomain, verify
from bulwark.ledger.validators import ValidatorSet
from consensus.types import MAX_WINDOW

GENESIS: Final = Height(0)


class Terms(Struct, frozen=True):
    """What the messages of one epoch are checked against."""

    validators: ValidatorSet
    domain: SigningDomain
    window: int = MAX_WINDOW
    """L: no prepared certificate may lie further above its checkpoint."""
    start: Height = GENESIS
    """Last height of the epoch before, 0 for the first: what a missing checkpoint stands for."""
    check: Check = verify
    """The signature scheme; a simulator brings a cheap one."""
