"""The phases of a key ceremony, why a phase is closed, and what is said of a post.

The order of `Phase` is the order in time; every phase is gone through once, also when nobody has
anything to say in it, so that a contract can count them without knowing what they mean.
"""

from __future__ import annotations

from enum import Enum, IntEnum


class Phase(IntEnum):
    """What parties post in it is written at each."""

    COMMIT = 1
    """A dealer: the hash of its coming DEAL post."""
    DEAL = 2
    """A dealer: Pedersen commitments and one sealed pair of shares for each holder."""
    COMPLAIN = 3
    """A holder: the dealers whose pair it could not open or that does not fit, maybe none."""
    DEFEND = 4
    """A dealer that was complained of: those pairs, in clear."""
    EXTRACT = 5
    """A qualified dealer of a generation: Feldman commitments with a proof of possession."""
    ACCUSE = 6
    """A holder, in a generation: pairs that fit the Pedersen and not the Feldman commitments, maybe
    none."""
    RECONSTRUCT = 7
    """A holder, in a generation: its pairs of the dealers whose secret must be opened, maybe
    none."""
    CONFIRM = 8
    """A holder that has its share: the hash of the result."""


class Close(Enum):
    """Why the caller closes a phase."""

    COMPLETE = "complete"
    """Everybody posted."""
    DEADLINE = "deadline"
    """Its time was over."""
    ABORTED = "aborted"
    """The members gave the whole ceremony up."""


class Verdict(Enum):
    """What became of a post; all but `TAKEN` leave the board as it was."""

    TAKEN = "taken"
    PASSED = "an empty post of a party that has nothing to post in this phase"
    OVER = "the ceremony is over"
    NOT_A_PARTY = "the sender takes no part"
    WRONG_PHASE = "another phase is open"
    DUPLICATE = "the sender has posted in this phase"
    NOT_EXPECTED = "the sender has nothing to post in this phase"
    TOO_LONG = "longer than any post of this phase"
    MALFORMED = "not the encoding of a post of this phase"
    NOT_COMMITTED = "not what the dealer committed to"
    WRONG_PAIR = "an opened pair does not fit the dealer's Pedersen commitments"
    CONTRADICTION = "Feldman commitments that do not fit a pair the dealer opened"
    NO_POSSESSION = "no proof that the dealer knows its secret"
    UNFOUNDED = "an accusation that its evidence does not bear out"
    OTHER_RESULT = "the hash of another result"
