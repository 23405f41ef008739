"""How a key ceremony stands: running, done or failed, and what is held against whom.

A fault is named with the party's index and the phase in which it shows. Silence is a fault too, and
a post that was refused counts as silence: the ledger shows which it was. Naming is evidence for
people; it punishes nobody by itself.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from bulwark.privacy.dkg.live import LiveSharing
from bulwark.privacy.dkg.phases import Phase
from bulwark.privacy.threshold import ThresholdKey


class FaultKind(Enum):
    """What a party did."""

    SILENT = "no acceptable post where one was due"
    MANY_COMPLAINTS = "more than f holders complained of its pairs"
    WRONG_FELDMAN = "a holder showed its Feldman commitments wrong"


class Fault(Struct, frozen=True):
    """One fault of the party `index` in `phase`."""

    index: int
    phase: Phase
    kind: FaultKind


class FailureReason(Enum):
    """Why a ceremony failed; the old sharing stays live in every case."""

    TOO_FEW_DEALERS = "too few dealers stayed in"
    NOT_RECONSTRUCTED = "too few holders opened their pairs of a dealer that was caught"
    KEY_REFUSED = "the resulting key is not usable"
    NOT_CONFIRMED = "too few holders confirmed the result"
    ABORTED = "the members gave it up"


class Running(Struct, frozen=True):
    """`awaiting` are the parties whose post in `phase` is due and has not come."""

    phase: Phase
    awaiting: frozenset[int]


class Done(Struct, frozen=True):
    """The new sharing; `dealers` are those whose dealings are in it (QUAL), `unconfirmed` the
    holders that did not confirm in time: they may lack their share."""

    sharing: LiveSharing
    dealers: tuple[int, ...]
    unconfirmed: tuple[int, ...]
    faults: tuple[Fault, ...]

    @property
    def key(self) -> ThresholdKey:
        """K, K_1..K_n and the threshold."""
        return self.sharing.key


class Failed(Struct, frozen=True):
    """`named` are the parties whose silence or fault is the reason, ascending."""

    reason: FailureReason
    phase: Phase
    named: tuple[int, ...]
    faults: tuple[Fault, ...]


Outcome = Running | Done | Failed
