"""The follower: keeps an observer at the alliance's tip, without a vote.

Rules: an announcement, or a frame of an epoch that did not begin here, is a hint and drives no
number (pitfall S11): it only makes the node ask its sender for the next block, and every block is
verified by block sync as for anybody else. A sender that kept its word is asked again as long as it
claims more; one that did not is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bulwark.ledger.ids import Height, MemberId
from consensus.events import Event, StateInstalled
from node.driver.ports import Chain
from node.driver.worker import Worker


class Neighbour(Protocol):
    """A connected member as its hello showed it."""

    @property
    def member(self) -> MemberId:
        """Who it is."""
        ...

    @property
    def height(self) -> int:
        """Its last executed height, as it says."""
        ...


class Neighbours(Protocol):
    """What the follower needs of the network."""

    def peers(self) -> Sequence[Neighbour]:
        """Every connection."""
        ...


class Follower:
    """Turns announcements into block sync."""

    def __init__(self, chain: Chain, worker: Worker, network: Neighbours) -> None:
        self._chain = chain
        self._worker = worker
        self._network = network
        self._claims: dict[MemberId, int] = {}
        """Heights that members named and did not show yet: one number a member."""

    def announced(self, member: MemberId, payload: bytes) -> None:
        """A peer says that a height is final."""
        if len(payload) == 8:
            self._claimed(member, int.from_bytes(payload, "big"))

    def peer_up(self, member: MemberId) -> None:
        """A connection is there; its hello told a height."""
        for peer in self._network.peers():
            if peer.member == member:
                self._claimed(member, peer.height)

    def ahead(self, member: MemberId) -> None:
        """A peer speaks in a later epoch: there is at least one block more.

        Its announcement may be lost, and no other comes where this node's vote is waited for.
        """
        self._claimed(member, max(self._claims.get(member, 0), self._chain.applied + 1))

    def _claimed(self, member: MemberId, height: int) -> None:
        if height > self._chain.applied:
            self._claims[member] = height
            self._ask(member)

    def answered(self, event: Event) -> None:
        """The worker's sync ended: go on with who claims more, if it brought blocks."""
        if not isinstance(event, StateInstalled):
            self._claims.clear()
            return
        applied = self._chain.applied
        self._claims = {m: height for m, height in self._claims.items() if height > applied}
        if self._claims:
            self._ask(max(self._claims, key=lambda member: self._claims[member]))

    def _ask(self, member: MemberId) -> None:
        self._worker.catch_up(Height(self._chain.applied + 1), member)
