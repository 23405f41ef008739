"""The follower: keeps an observer at the alliance's tip, without a vote.

Rules: an announcement is a hint and drives no number (pitfall S11): it only makes the node ask its
sender for the next block, and every block is verified by block sync as for anybody else.
"""

from __future__ import annotations

from bulwark.ledger.ids import Height, MemberId
from node.driver.ports import Chain
from node.driver.worker import Worker
from node.network.network import Network


class Follower:
    """Turns announcements into block sync."""

    def __init__(self, chain: Chain, worker: Worker, network: Network) -> None:
        self._chain = chain
        self._worker = worker
        self._network = network

    def announced(self, member: MemberId, payload: bytes) -> None:
        """A peer says that a height is final."""
        if len(payload) == 8 and int.from_bytes(payload, "big") > self._chain.applied:
            self._ask(member)

    def peer_up(self, member: MemberId) -> None:
        """A connection is there; its hello told a height."""
        for peer in self._network.peers():
            if peer.member == member and peer.height > self._chain.applied:
                self._ask(member)

    def _ask(self, member: MemberId) -> None:
        self._worker.catch_up(Height(self._chain.applied + 1), member)
