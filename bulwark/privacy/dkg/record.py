"""Everything the ledger has said so far in one ceremony, decoded and judged.

Rules owned here: what is kept is what a holder that was away needs to derive its share (the sealed
pairs of every dealer) and what a caught dealer's polynomial is interpolated from; both are bounded
by the session (`max_record_bytes`). Nothing here is secret. Only `intake` and `closing` write.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bulwark.privacy.dkg.extraction import Result, with_public_term
from bulwark.privacy.dkg.outcome import Fault, FaultKind
from bulwark.privacy.dkg.pedersen import Pair, PedersenCommitments
from bulwark.privacy.dkg.phases import Close, Phase
from bulwark.privacy.dkg.posts import DealPost, max_post_bytes
from bulwark.privacy.dkg.session import Session
from bulwark.privacy.group import Element

Opened = dict[int, dict[int, Pair]]
"""Published pairs: by dealer, then by holder."""


@dataclass(slots=True)
class Record:
    """The public state; lists of parties are ascending."""

    session: Session
    phase: Phase = Phase.COMMIT
    posted: dict[Phase, dict[int, bytes]] = field(
        default_factory=lambda: {phase: {} for phase in Phase}
    )
    """SHA-512 of every taken post."""
    closed: list[Close] = field(default_factory=list)
    dealing: tuple[int, ...] = ()
    """Dealers that are still in; QUAL once DEFEND is closed."""
    commits: dict[int, bytes] = field(default_factory=dict)
    deals: dict[int, DealPost] = field(default_factory=dict)
    pedersen: dict[int, PedersenCommitments] = field(default_factory=dict)
    complaints: dict[int, set[int]] = field(default_factory=dict)
    """By dealer, the holders that complain of it."""
    opened: Opened = field(default_factory=dict)
    """Pairs that fit their dealer's Pedersen commitments, by defence, accusation or opening."""
    feldman: dict[int, tuple[Element, ...]] = field(default_factory=dict)
    """All t Feldman commitments of dealers that were not caught so far."""
    accused: set[int] = field(default_factory=set)
    """Dealers whose Feldman commitments a holder has shown wrong."""
    caught: tuple[int, ...] = ()
    """Members of QUAL without valid Feldman commitments, whose polynomial the holders open; none
    in a refresh or reshare."""
    result: Result | None = None
    faults: list[Fault] = field(default_factory=list)

    def expected(self) -> frozenset[int]:
        """The parties whose post is due in the open phase, whether it has come or not."""
        match self.phase:
            case Phase.EXTRACT | Phase.ACCUSE | Phase.RECONSTRUCT if self.session.plain:
                return frozenset()
            case Phase.COMMIT | Phase.DEAL | Phase.EXTRACT:
                return frozenset(self.dealing)
            case Phase.DEFEND:
                return frozenset(i for i in self.dealing if self.complaints.get(i))
            case _:
                return frozenset(range(1, self.session.holders + 1))

    def awaiting(self) -> frozenset[int]:
        """The parties whose post is due and has not come."""
        return self.expected() - self.posted[self.phase].keys()

    def keep_pair(self, dealer: int, holder: int, pair: Pair) -> None:
        self.opened.setdefault(dealer, {})[holder] = pair

    def note(self, kind: FaultKind, *indices: int) -> None:
        """Hold a fault of the open phase against parties."""
        self.faults.extend(Fault(index, self.phase, kind) for index in indices)

    def keep_deal(self, dealer: int, post: DealPost) -> None:
        points = with_public_term(self.session, dealer, post.commitments)
        self.deals[dealer] = post
        self.pedersen[dealer] = PedersenCommitments(points, self.session.plain)


def max_record_bytes(session: Session) -> int:
    """Bytes of post content a record can ever keep: the longest posts of all parties in all phases.

    At 128 holders about 5 MB; Python's own objects come on top, some two or three times that.
    """
    per_party = sum(max_post_bytes(session, phase) for phase in Phase)
    return per_party * session.parties
