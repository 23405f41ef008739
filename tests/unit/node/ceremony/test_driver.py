"""Members' drivers over the real contract: the keys come out whatever f of them do."""

from __future__ import annotations

from pathlib import Path

import pytest

from bulwark.privacy.group import multiply_base
from bulwark.privacy.sharing import Share, recover
from contracts.bindings import encode_set_roles
from contracts.members import Role
from contracts.privacy.bindings import CeremonyPhase, KeyPurpose, read_open_session, read_session
from node.ceremony.keybook import KeyBook
from node.guarded.ports import LiveKey
from tests.unit.node.ceremony.world import World


def live(book: KeyBook, purpose: KeyPurpose) -> LiveKey | None:
    return book.tag_key() if purpose is KeyPurpose.TAG else book.council_key()


def in_force(world: World, share_epoch: int = 0) -> bool:
    """Whether everybody who is not silent has both keys of this share epoch."""
    keys = [
        live(party.keys, purpose)
        for party in world.parties
        if not party.silent
        for purpose in KeyPurpose
    ]
    return all(key is not None and key.share_epoch >= share_epoch for key in keys)


def check(world: World, purpose: KeyPurpose, holders: set[str] | None = None) -> bytes:
    """All parties have one key, and t shares of it are the key; its public key."""
    keys = [live(party.keys, purpose) for party in world.parties if not party.silent]
    assert len({key.key.public_key for key in keys if key is not None}) == 1
    shares = {
        party.name: key.share
        for party in world.parties
        if (key := live(party.keys, purpose)) is not None and key.share is not None
    }
    if holders is not None:
        assert set(shares) == holders
    key = keys[0]
    assert key is not None
    some = [Share(s.index, s.secret_share) for s in shares.values() if s is not None]
    assert multiply_base(recover(some[: key.key.threshold])) == key.key.public_key
    return key.key.public_key.encoding


@pytest.mark.parametrize("count", [1, 4, 7])
def test_both_keys_come_out_of_a_new_alliance(count: int, tmp_path: Path) -> None:
    world = World(count, tmp_path)
    world.run(lambda: in_force(world))
    everyone = {party.name for party in world.parties}
    assert check(world, KeyPurpose.TAG, everyone) != check(world, KeyPurpose.COUNCIL, everyone)
    assert not world.reverted
    for party in world.parties:
        assert not party.shares._states


def test_silent_members_only_take_time(tmp_path: Path) -> None:
    world = World(7, tmp_path)
    for name in ("m0", "m4"):
        world.party(name).silent = True
    world.run(lambda: in_force(world))
    # Who saw the ceremony without taking part has its share as well.
    check(world, KeyPurpose.TAG, {party.name for party in world.parties})


def test_a_member_that_took_no_part_gets_its_share_of_every_ceremony(tmp_path: Path) -> None:
    world = World(4, tmp_path)
    world.party("m3").silent = True
    world.run(lambda: in_force(world))
    # In a refresh it needs the share before: one missed share would be missed for good.
    world.chain.parameter("refresh_order", 1)
    world.run(lambda: in_force(world, 1))
    late = world.party("m3")
    late.silent = False
    late.start()
    for purpose in KeyPurpose:
        check(world, purpose, {"m0", "m1", "m2", "m3"})


def test_a_member_that_never_saw_a_refresh_has_a_share_again_after_the_next_one(
    tmp_path: Path,
) -> None:
    world = World(4, tmp_path)
    world.run(lambda: in_force(world))
    before = check(world, KeyPurpose.TAG)
    late = world.party("m3")
    late.away = late.silent = True
    world.chain.parameter("refresh_order", 1)
    world.run(lambda: in_force(world, 1))
    # It comes back by state sync: it has the state and no block of the ceremony.
    late.away = late.silent = False
    late.start()
    now = late.keys.tag_key()
    assert now is not None
    assert now.share is None
    world.chain.parameter("refresh_order", 2)
    world.run(lambda: in_force(world, 2))
    assert check(world, KeyPurpose.TAG, {"m0", "m1", "m2", "m3"}) == before


@pytest.mark.parametrize("phase", list(CeremonyPhase)[:8])
def test_everybody_restarts_in_a_phase_and_the_ceremony_goes_on(
    phase: CeremonyPhase, tmp_path: Path
) -> None:
    world = World(4, tmp_path)

    def is_there() -> bool:
        session = read_open_session(world.read_slot, KeyPurpose.TAG)
        found = None if session is None else read_session(world.read_slot, session)
        return found is not None and found.phase >= phase

    world.run(is_there)
    for party in world.parties:
        party.start()
    world.run(lambda: in_force(world))
    check(world, KeyPurpose.TAG, {"m0", "m1", "m2", "m3"})


def test_a_refresh_changes_the_shares_and_not_the_key(tmp_path: Path) -> None:
    world = World(4, tmp_path)
    world.run(lambda: in_force(world))
    before = check(world, KeyPurpose.TAG)
    first = world.party("m0").keys.tag_key()
    world.chain.parameter("refresh_order", 1)
    world.run(lambda: in_force(world, 1))
    assert check(world, KeyPurpose.TAG) == before
    second = world.party("m0").keys.tag_key()
    assert first is not None
    assert second is not None
    assert first.share != second.share
    assert world.party("m0").shares._shares.keys() == set(world.party("m0").keys.sessions())


def test_a_member_that_leaves_hands_its_part_on(tmp_path: Path) -> None:
    world = World(5, tmp_path)
    world.run(lambda: in_force(world))
    before = check(world, KeyPurpose.TAG)
    assert world.chain.govern(encode_set_roles(world.party("m1").id, Role.REPORTER)).ok
    world.run(lambda: in_force(world, 1))
    assert check(world, KeyPurpose.TAG, {"m0", "m2", "m3", "m4"}) == before
    gone = world.party("m1").keys.tag_key()
    assert gone is not None
    assert gone.share is None
    assert not world.party("m1").shares._shares
