"""Puts the audit desk together."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bulwark.ledger.ids import Height, MemberId
from node.audit.desk import AuditDesk, AuditGround
from node.chain.epochs import EpochBook
from node.chain.records import StoredRecord
from node.chain.store import ChainStore
from node.directory import Directory
from node.guarded.rings import RingBook
from node.storage.port import KeyValueStore


def make_audit(
    *,
    store: KeyValueStore,
    chain: ChainStore,
    directory: Directory,
    epochs: EpochBook,
    rings: RingBook,
    breach: Callable[[StoredRecord], str | None] | None = None,
) -> AuditDesk:
    """The desk of one node."""

    def quotas() -> Mapping[str, int]:
        view = rings.now
        known = {} if view is None else view.quotas
        return {scope.name.lower(): quota for scope, quota in known.items()}

    def is_regulator(member: MemberId, _height: Height) -> bool:
        found = directory.member(member)
        return found is not None and "regulator" in found.roles

    return AuditDesk(
        AuditGround(
            store=store,
            chain=chain,
            directory=directory,
            validators_at=lambda height: len(epochs.at(height).validators.validators),
            quotas=quotas,
            is_regulator=is_regulator,
            breach=breach,
        )
    )
