"""Puts the ceremonies of one node together."""

from __future__ import annotations

import os
from collections.abc import Callable

from bulwark.ledger.ids import MemberId
from contracts.bindings import member_id_bytes
from contracts.slots import ReadSlot
from node.assembly import Home
from node.ceremony.ceremonies import Ceremonies, SlotAt
from node.ceremony.driver import CeremonyDriver
from node.ceremony.enrolment import Enrolment
from node.ceremony.keybook import KeyBook
from node.chain.store import ChainStore
from node.clock import Clock
from node.directory import Directory
from node.guarded.rings import RingBook
from node.reporting.anchorer import Anchorer


def make_ceremonies(
    *,
    home: Home,
    chain: ChainStore,
    read_slot: ReadSlot,
    slot_at: SlotAt,
    lane: Anchorer,
    directory: Directory,
    keys: KeyBook,
    rings: RingBook,
    clock: Clock,
    ring_changed: Callable[[], None],
    may_act: Callable[[], bool],
) -> Ceremonies:
    """The ceremonies of the node of this home. Raises KeystoreError."""
    home.shares.clear_leftovers()
    member = member_id_bytes(home.member.id)
    epoch_seconds = home.genesis.privacy.epoch_seconds

    def rank() -> int | None:
        voters = [known.id for known in directory.members if known.is_validator]
        return voters.index(home.member.id) if home.member.id in voters else None

    def is_member() -> bool:
        own = directory.member(MemberId(home.member.id))
        return own is not None and bool(own.roles)

    driver = CeremonyDriver(
        member=member,
        lane=lane,
        shares=home.shares,
        keys=keys,
        sealing_keys=home.keys.sealing_keys,
        read_slot=read_slot,
        epoch_seconds=epoch_seconds,
        rank=rank,
        random_bytes=os.urandom,
    )
    enrolment = Enrolment(
        member=member,
        chain_id=home.genesis.chain_id,
        lane=lane,
        keyset=home.keys,
        read_slot=read_slot,
        asks=is_member,
        random_bytes=os.urandom,
    )
    return Ceremonies(
        chain=chain,
        read_slot=read_slot,
        slot_at=slot_at,
        driver=driver,
        enrolment=enrolment,
        rings=rings,
        clock=clock,
        may_act=may_act,
        ring_changed=ring_changed,
    )
