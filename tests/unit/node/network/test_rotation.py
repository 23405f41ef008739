"""A member shows another certificate or vote key without that anybody loses it."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from bulwark.ledger.ids import MemberId
from bulwark.ledger.signing import SigningKey
from node.keys import NodeSecrets
from node.network.errors import IdentityInvalid, Reason
from node.network.identity import LocalIdentity, Member
from node.pki import certificate_pem, issue, spki_pin
from tests.unit.node.network.harness import (
    IDS,
    MEMBERS,
    Mesh,
    authority,
    eventually,
    local_of,
    member_of,
    now_ms,
)

NEW = NodeSecrets.generate(random.Random("new keys").randbytes)
OWN = IDS[0]
CERTIFICATE = issue(authority(), OWN, NEW.tls_public_key(), now_ms=now_ms())
NEW_PIN = spki_pin(CERTIFICATE)
NEW_VOTE = SigningKey(NEW.vote_key)


@pytest.fixture
async def mesh() -> AsyncIterator[Mesh]:
    made = await Mesh.start()
    made.connect()
    await made.whole()
    yield made
    await made.stop()


def new_certificate() -> LocalIdentity:
    pem = certificate_pem(CERTIFICATE)
    return dataclasses.replace(local_of(OWN), tls_key_pem=NEW.tls_key_pem, certificate_pem=pem)


def table(own: Member) -> list[Member]:
    return [own if member.id == own.id else member for member in MEMBERS]


def tell(mesh: Mesh, own: Member) -> None:
    """Everybody's ledger has this row for the member."""
    addresses = mesh.addresses()
    for member in IDS:
        mesh[member].network.set_members(table(own), addresses)


def downs(mesh: Mesh) -> int:
    return sum(event == "down" for member in IDS for event, _ in mesh[member].events)


async def test_a_next_pin_and_a_new_certificate_cost_no_connection(mesh: Mesh) -> None:
    old = member_of(OWN)
    tell(mesh, replace(old, pins=(*old.pins, NEW_PIN)))
    own = Member(OWN, old.address, (NEW_PIN,))
    mesh[OWN].network.renew(new_certificate(), table(own))
    await mesh.works()
    assert downs(mesh) == 0
    for member in IDS[1:]:
        mesh[OWN].network.disconnect(member)
    await eventually(lambda: downs(mesh) > 0)
    await mesh.whole()
    await mesh.works()


async def test_connections_proved_by_the_old_pin_end_when_it_is_dropped_and_come_back_by_the_new(
    mesh: Mesh,
) -> None:
    old = member_of(OWN)
    tell(mesh, replace(old, pins=(*old.pins, NEW_PIN)))
    own = Member(OWN, old.address, (NEW_PIN,))
    mesh[OWN].network.renew(new_certificate(), table(own))
    tell(mesh, own)
    await eventually(lambda: downs(mesh) > 0)
    await mesh.whole()
    await mesh.works()


async def test_the_old_certificate_is_refused_once_its_pin_is_dropped(mesh: Mesh) -> None:
    old = member_of(OWN)
    for member in IDS[1:]:
        mesh[member].network.set_members(table(replace(old, pins=(NEW_PIN,))), mesh.addresses())
    await mesh[IDS[1]].refuses(Reason.WRONG_PIN)
    assert OWN not in mesh[IDS[1]].network.connected()


async def test_a_vote_key_changes_while_both_addresses_count(mesh: Mesh) -> None:
    old = member_of(OWN)
    for member in IDS[1:]:
        mesh[member].network.set_members(
            table(replace(old, also=(NEW_VOTE.address,))), mesh.addresses()
        )
    own = replace(old, address=NEW_VOTE.address)
    mesh[OWN].network.renew(dataclasses.replace(local_of(OWN), vote_key=NEW_VOTE), table(own))
    assert downs(mesh) == 0
    tell(mesh, own)
    await eventually(lambda: downs(mesh) > 0)
    await mesh.whole()
    await mesh.works()


async def test_an_identity_that_does_not_fit_the_table_changes_nothing(mesh: Mesh) -> None:
    with pytest.raises(IdentityInvalid):
        mesh[OWN].network.renew(new_certificate(), MEMBERS)
    mesh[OWN].network.disconnect(MemberId(IDS[1]))
    await eventually(lambda: downs(mesh) > 0)
    await mesh.whole()
    await mesh.works()
