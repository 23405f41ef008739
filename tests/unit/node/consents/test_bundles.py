"""A person's bundle verifies with the genesis alone, and every forgery is named with its place."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from bulwark.client.errors import VerificationFailed
from bulwark.client.verify_consents import verify_bundle
from bulwark.consents.bundle import MAX_BUNDLE_BYTES
from bulwark.indicators.vocabulary import Purpose
from bulwark.ledger.ids import Address
from contracts.bindings import CONSENT_REGISTRY, encode_give
from node.consents.port import PersonName
from node.service import Conflict, NotFound, Stage
from tests.consent_terms import TERMS, terms
from tests.unit.node.consents.world import World
from tests.unit.node.execution.alliance import ACCOUNTS, call

PERSON = PersonName(subject="pairwise-17")


@pytest.fixture
def world() -> World:
    return World()


async def exported(world: World) -> dict[str, Any]:
    """A person with a renewed and withdrawn consent and one that stands."""
    first = await world.give(TERMS)
    await world.desk.renew(
        first.consent_id, {"valid_until": "2030-01-01"}, wait=Stage.ACCEPTED, idempotency=None
    )
    world.settle()
    await world.end(first.consent_id)
    await world.give(terms(lawful_basis="legal_obligation"))
    await world.give(terms(subject="somebody else"))
    made: dict[str, Any] = json.loads(json.dumps(world.desk.export(PERSON)))
    return made


async def test_a_persons_bundle_verifies_with_nothing_but_the_genesis(world: World) -> None:
    bundle = await exported(world)
    found = verify_bundle(json.dumps(bundle).encode(), world.node.genesis.to_json())
    assert len(found) == 2
    ended = next(each for each in found if each.ending)
    assert (ended.versions, ended.given_height, ended.ended_height) == (2, 1, 3)
    assert (ended.ending, ended.issuer, ended.valid_until) == ("withdrawn", "alpha", "2030-01-01")
    other = next(each for each in found if not each.ending)
    assert (other.lawful_basis, other.versions) == ("legal_obligation", 1)
    with pytest.raises(NotFound):
        world.desk.export(PersonName(subject="nobody"))


def _ended(bundle: dict[str, Any]) -> dict[str, Any]:
    return next(each for each in bundle["consents"] if each["end"] is not None)


def _standing(bundle: dict[str, Any]) -> dict[str, Any]:
    return next(each for each in bundle["consents"] if each["end"] is None)


def _set(**more: Any) -> Callable[[dict[str, Any]], None]:
    return lambda bundle: bundle.update(more)


FORGERIES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "format": (_set(format="bulwark/consent-bundle/2"), "format"),
    "another alliance": (_set(genesis_hash="00" * 32), "genesis_hash"),
    "no consents": (_set(consents=[]), "consents"),
    "a changed receipt": (
        lambda b: _ended(b)["versions"][0]["receipt"].update(
            {"dct:created": "2026-01-01T00:00:00Z"}
        ),
        "do not open",
    ),
    "a bent receipt": (
        lambda b: _ended(b)["versions"][0]["receipt"].pop("dct:created"),
        "$['dct:created']",
    ),
    "another salt": (lambda b: _ended(b)["versions"][0].update(salt="00" * 32), "do not open"),
    "no salt": (lambda b: _ended(b)["versions"][0].update(salt=None), "salt"),
    "a dropped first version": (lambda b: _ended(b)["versions"].pop(0), "version 1 is needed"),
    "versions in another order": (lambda b: _ended(b)["versions"].reverse(), "version 1 is needed"),
    "a swapped proof": (
        lambda b: _ended(b)["versions"][0].update(proof=_standing(b)["versions"][0]["proof"]),
        "another consent",
    ),
    "a proof of another version": (
        lambda b: _ended(b)["versions"][1].update(proof=_ended(b)["versions"][0]["proof"]),
        "not of kind consent_renewed",
    ),
    "a missing proof": (
        lambda b: _ended(b)["versions"][0].update(proof=None),
        "not final when it was exported",
    ),
    "the end of another": (
        lambda b: _standing(b).update(end=_ended(b)["end"]),
        "end of another consent",
    ),
    "no end at all": (
        lambda b: _ended(b).update(end=_ended(b)["versions"][0]["proof"]),
        "not the end of a consent",
    ),
    "another id": (
        lambda b: _ended(b).update(consent_id="ab" * 32),
        "another consent",
    ),
    "a changed anchor": (
        lambda b: _ended(b)["versions"][0]["proof"]["proof"].update(
            anchor=_standing(b)["versions"][0]["proof"]["proof"]["anchor"]
        ),
        "proof",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_bundle_is_refused_with_its_place(world: World, name: str) -> None:
    forge, words = FORGERIES[name]
    bundle = copy.deepcopy(await exported(world))
    forge(bundle)
    with pytest.raises(VerificationFailed) as refused:
        verify_bundle(json.dumps(bundle).encode(), world.node.genesis.to_json())
    assert words in f"{refused.value.where}: {refused.value.reason}"


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (b"", "bundle"),
        (b"[]", "format"),
        (b"{}", "format"),
        (b"[" * 60_000, "bundle"),
        (b" " * (MAX_BUNDLE_BYTES + 1), "bundle"),
    ],
)
def test_what_is_no_bundle_is_refused(world: World, raw: bytes, where: str) -> None:
    with pytest.raises(VerificationFailed) as refused:
        verify_bundle(raw, world.node.genesis.to_json())
    assert refused.value.where == where
    with pytest.raises(VerificationFailed, match="genesis"):
        verify_bundle(b'{"format": "bulwark/consent-bundle/1"}', b"{}")


@pytest.mark.parametrize(
    ("bend", "where"),
    [
        (lambda c: c.update(consent_id=7), "consents[0].consent_id"),
        (lambda c: c.update(versions=[]), "consents[0].versions"),
        (lambda c: c.update(versions=[7]), "consents[0].versions[0]"),
        (lambda c: c["versions"][0].update(receipt=[]), "consents[0].versions[0].receipt"),
        (lambda c: c["versions"][0].update(salt="zz"), "consents[0].versions[0].salt"),
        (lambda c: c["versions"][0].update(version=2), "consents[0].versions[0].version"),
        (lambda c: c["versions"][0].update(proof=7), "consents[0].versions[0].proof"),
        (lambda c: c.update(end={}), "consents[0].end"),
    ],
)
async def test_a_bent_bundle_is_refused_with_its_place(
    world: World, bend: Callable[[dict[str, Any]], object], where: str
) -> None:
    await world.give(TERMS)
    bundle = json.loads(json.dumps(world.desk.export(PERSON)))
    bend(bundle["consents"][0])
    with pytest.raises(VerificationFailed) as refused:
        verify_bundle(json.dumps(bundle).encode(), world.node.genesis.to_json())
    assert refused.value.where.startswith(where)


async def test_a_receipt_that_names_another_publisher_than_its_account_is_refused() -> None:
    world = World(publisher="bravo")
    await world.give(TERMS)
    raw = json.dumps(world.desk.export(PERSON)).encode()
    with pytest.raises(VerificationFailed, match="publisher"):
        verify_bundle(raw, world.node.genesis.to_json())


async def test_a_receipt_that_says_other_terms_than_its_anchor_is_refused(world: World) -> None:
    sent = await world.desk.give(TERMS, wait=Stage.ACCEPTED, idempotency=None)
    own = world.sent.pop().transaction
    other = encode_give(sent.anchor_id, sent.commitment, int(Purpose.SUPERVISION), 1, 0)
    world.node.block(call(ACCOUNTS[0], own.nonce, Address(CONSENT_REGISTRY), other))
    raw = json.dumps(world.desk.export(PERSON)).encode()
    with pytest.raises(VerificationFailed, match="differ in purpose"):
        verify_bundle(raw, world.node.genesis.to_json())


async def test_a_bundle_made_before_finality_says_what_it_lacks(world: World) -> None:
    given = await world.desk.give(TERMS, wait=Stage.ACCEPTED, idempotency=None)
    world.settle(final=False)
    bundle = world.desk.export(PERSON)
    assert bundle["consents"][0]["versions"][0]["proof"] is None
    with pytest.raises(Conflict):
        world.desk.proof(given.consent_id)
