"""The gatekeeper: keeps the mesh's member table in step with the ledger and the epochs.

Rules: who is a member now, or votes in the epoch that runs, is let in; who left is let in for a
while after the epoch ended, for it may still need the certificate that ended it. This node knows
itself by the keys it has, also before the ledger does: it may be about to join. Addresses are those
of the configuration; a member without one dials by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from bulwark.ledger.ids import MemberId
from node.chain.epochs import ChainEpoch
from node.directory import Directory
from node.logs import Log
from node.network.errors import IdentityInvalid
from node.network.identity import LocalIdentity, Member
from node.network.network import Network

FAREWELL_S: Final = 20
"""How long after an epoch began the members that left are still let in."""

log = Log("gatekeeper")


class Gatekeeper:
    """The member table over time."""

    def __init__(
        self,
        own: Member,
        directory: Directory,
        epoch: ChainEpoch,
        addresses: Mapping[MemberId, tuple[str, int]],
    ) -> None:
        self._own = own
        self._directory = directory
        self._epoch = epoch
        self._addresses = addresses
        self._network: Network | None = None
        self.table = self._made(())
        """Whom the mesh lets in now."""

    def addresses(self) -> dict[MemberId, tuple[str, int]]:
        """Where the members of the table are, as far as the configuration says."""
        return _known(self._addresses, self.table)

    def guard(self, network: Network) -> None:
        """Keep this network's table from now on."""
        self._network = network
        self._directory.changed = self._update

    def renew(self, own: Member, local: LocalIdentity) -> None:
        """This node shows other keys from now on. Raises IdentityInvalid, nothing changed then."""
        before, self._own = self._own, own
        table = self._made(self.table)
        try:
            if self._network is not None:
                self._network.renew(local, table)
        except IdentityInvalid:
            self._own = before
            raise
        self.table = table

    def entered(self, epoch: ChainEpoch) -> None:
        """An epoch begins to run here."""
        self._epoch = epoch
        asyncio.get_running_loop().call_later(FAREWELL_S, self._update)

    def _made(self, before: Iterable[Member]) -> list[Member]:
        return self._directory.table(self._epoch, before, self._own)

    def _update(self) -> None:
        self.table = self._made(self.table)
        try:
            if self._network is not None:
                self._network.set_members(self.table, self.addresses())
        except IdentityInvalid as error:
            log.error("this node can not meet the members any more", reason=str(error))


def _known(
    addresses: Mapping[MemberId, tuple[str, int]], table: Iterable[Member]
) -> dict[MemberId, tuple[str, int]]:
    ids = {member.id for member in table}
    return {member: at for member, at in addresses.items() if member in ids}
