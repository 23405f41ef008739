"""Puts backups of one node together: the desk that streams, and the homecoming after a restore."""

from __future__ import annotations

from collections.abc import Callable

from bulwark.ledger.accesslog import Head
from bulwark.ledger.epochs import EpochTerms
from bulwark.ledger.ids import Digest, Epoch, Height
from contracts.bindings import member_id_bytes
from contracts.privacy.query_log import read_access_anchor
from node.backup.desk import BackupDesk
from node.backup.homecoming import Homecoming, HomecomingParts
from node.ground import Ground
from node.sync.peers import Peers


def make_backup_desk(ground: Ground) -> BackupDesk:
    """The desk of a running node."""
    return BackupDesk(
        ground.store,
        lambda: ground.home.account_key.address,
        ground.home.config.backup,
        ground.clock.now_ms,
    )


def make_homecoming(
    ground: Ground, quorum_connected: Callable[[], bool], followed: Callable[[], Height]
) -> Homecoming:
    """What a restored node does before it answers. Raises StoreDamaged."""
    member = member_id_bytes(ground.home.member.id)

    def terms_of(epoch: Epoch) -> EpochTerms | None:
        try:
            return ground.executor.epochs.number(epoch).terms
        except LookupError:
            return None

    def anchored() -> Head | None:
        found = read_access_anchor(ground.executor.slot, member)
        return None if found is None else Head(found.count, Digest(found.root))

    return Homecoming(
        HomecomingParts(
            store=ground.store,
            chain=ground.chain,
            durability=ground.durability,
            peers=Peers(ground.mesh, wall_ms=ground.clock.wall_ms),
            terms_of=terms_of,
            quorum_connected=quorum_connected,
            is_syncing=lambda: ground.sync.target is not None,
            followed=followed,
            outbox=ground.outbox,
            account=ground.anchorer.address,
            access=ground.guarded.access,
            anchored=anchored,
            now_ms=ground.clock.wall_ms,
        )
    )
