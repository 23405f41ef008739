"""Puts the audit desk together."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from node.assembly import Home
from node.audit.desk import AuditDesk, AuditGround
from node.chain.consents import ConsentReader
from node.chain.records import StoredRecord
from node.chain.roles import RoleBook
from node.chain.store import ChainStore
from node.directory import Directory
from node.execution.executor import Executor
from node.guarded.rings import RingBook
from node.rotation.keyline import first_key
from node.storage.port import KeyValueStore


def make_audit(
    *,
    home: Home,
    store: KeyValueStore,
    chain: ChainStore,
    directory: Directory,
    executor: Executor,
    rings: RingBook,
    breach: Callable[[StoredRecord], str | None] | None = None,
) -> AuditDesk:
    """The desk of one node."""
    epochs = executor.epochs

    def quotas() -> Mapping[str, int]:
        view = rings.now
        known = {} if view is None else view.quotas
        return {scope.name.lower(): quota for scope, quota in known.items()}

    return AuditDesk(
        AuditGround(
            store=store,
            chain=chain,
            directory=directory,
            own=home.member.id,
            first_members=frozenset(member.id for member in home.genesis.members),
            index_key=first_key(home.secrets.index_key),
            read_slot=executor.slot,
            validators_at=lambda height: len(epochs.at(height).validators.validators),
            quotas=quotas,
            # A book of its own: it is read on the desk's thread alone.
            is_regulator=RoleBook(home.genesis, store, chain).is_regulator,
            consent_standing=ConsentReader(store, chain).standing,
            breach=breach,
        )
    )
