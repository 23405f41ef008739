"""The mesh as the parts of the node use it: consensus frames, gossip, announcements, questions.

It turns the network's errors into the one that askers handle, and decides nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable

from bulwark.ledger.ids import Height, MemberId
from node.network.errors import PayloadTooLarge, RequestError
from node.network.kinds import Kind
from node.network.network import Network
from node.requests import PeerUnavailable, Topic


class NetworkMesh:
    """The ports of driver, sync and tagging over one Network."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def send(self, member: MemberId, payload: bytes) -> bool:
        """Queue a consensus message for a member; False if it could not be queued."""
        return self._network.send(member, Kind.CONSENSUS, payload)

    def gossip(self, payload: bytes, members: Iterable[MemberId] | None = None) -> int:
        """Queue a transaction parcel for these members, all by default; how many were queued."""
        return self._network.broadcast(Kind.TRANSACTION, payload, members)

    def announce(self, height: Height) -> None:
        """Tell everybody that a height is final, so that observers fetch it."""
        self._network.broadcast(Kind.ANNOUNCE, height.to_bytes(8, "big"))

    def connected(self) -> list[MemberId]:
        """Members with a live connection, sorted."""
        return sorted(self._network.connected())

    def levels(self) -> dict[MemberId, int]:
        """Highest protocol level that the build of each connected member knows."""
        return {peer.member: peer.level for peer in self._network.peers()}

    async def ask(self, member: MemberId, topic: Topic, body: bytes, timeout_ms: int) -> bytes:
        """Ask a member; raises PeerUnavailable."""
        try:
            return await self._network.request(member, topic, body, timeout_ms)
        except (RequestError, PayloadTooLarge) as error:
            raise PeerUnavailable(member, str(error)) from error

    def drop(self, member: MemberId, reason: str, for_ms: int) -> None:
        """Refuse a member that was caught in a lie for so long."""
        self._network.drop(member, reason, for_ms)
