"""From a real ring proof to an opened member: the whole way, with nothing made by hand."""

from __future__ import annotations

import dataclasses
import functools
import hashlib

import pytest
from msgspec.structs import replace

from bulwark.ledger.ids import Digest
from bulwark.ledger.merkle import inclusion_path, leaf_hash, root_of
from bulwark.privacy.errors import (
    CaseRefused,
    ExculpationRefused,
    OpeningRefused,
    ProofRefused,
)
from bulwark.privacy.exculpation import check_exculpation, exculpate
from bulwark.privacy.group import GENERATOR
from bulwark.privacy.openingcase import Anchor, Anchorage, sides_of_path
from bulwark.privacy.openingresult import conclude, decode_result
from bulwark.privacy.provenquery import ProvenQuery
from bulwark.privacy.ring.prover import prove
from bulwark.privacy.ring.ristretto import member_ring
from bulwark.privacy.ring.statement import RingStatement
from tests.unit.privacy.opening_world import CASE_ID, CHAIN, EVALUATOR, GENESIS, OpeningWorld

WORLD = OpeningWorld.build(3, 4, seed="proven")


@functools.cache
def query(member: int, slot: int = 4, opener_epoch: int = 5) -> ProvenQuery:
    statement = RingStatement(
        chain_id=CHAIN,
        genesis_hash=GENESIS,
        ring_height=100,
        ring=member_ring(WORLD.ring),
        opener=WORLD.opener.public_key,
        opener_epoch=opener_epoch,
        epoch=3,
        scope=1,
        slot=slot,
        message=hashlib.sha512(b"request").digest(),
    )
    secret = WORLD.secrets[member].secret
    return ProvenQuery(statement, prove(statement, secret, member, WORLD.random_bytes))


def anchored(*queries: ProvenQuery) -> list[Anchorage]:
    """The queries between others in an evaluator's log."""
    leaves = [leaf_hash(b"before"), *(Digest(q.leaf) for q in queries), leaf_hash(b"after")]
    anchor = Anchor(EVALUATOR, 3, 17, root_of(leaves))
    return [
        Anchorage(anchor, sides_of_path(place, len(leaves)), tuple(inclusion_path(leaves, place)))
        for place in range(1, len(leaves) - 1)
    ]


@pytest.mark.parametrize("member", range(4))
def test_query_of_each_member_is_opened_and_convinces_a_court(member: int) -> None:
    asked = query(member)
    where = anchored(asked)[0]
    case = asked.case(CASE_ID, where, WORLD.opener)
    result = conclude(case, WORLD.regulators(case), WORLD.parts(case, 4, 2, 1), WORLD.ring)
    facts = asked.facts(CASE_ID, where.anchor, WORLD.opener)
    assert decode_result(result.encode()).verify(facts) == member


def test_record_of_one_query_says_nothing_about_another() -> None:
    mine, other = query(0), query(1)
    where = anchored(mine, other)
    case = mine.case(CASE_ID, where[0], WORLD.opener)
    result = conclude(case, WORLD.regulators(case), WORLD.parts(case, 1, 2, 3), WORLD.ring)
    again = query(0, slot=5)
    with pytest.raises(OpeningRefused, match="statement hash"):
        result.verify(again.facts(CASE_ID, where[0].anchor, WORLD.opener))


class TestRefusals:
    def test_ciphertext_of_another_query_makes_no_proven_query(self) -> None:
        """An evaluator that bends E to have another query opened has no proof for it."""
        mine, other = query(0), query(1)
        for change in (
            {"e1": other.proof.e1, "e2": other.proof.e2},
            {"e2": other.proof.e2 + GENERATOR},
            {"nullifier": other.proof.nullifier},
        ):
            with pytest.raises(ProofRefused):
                ProvenQuery(mine.statement, dataclasses.replace(mine.proof, **change))

    def test_query_under_another_opener_or_epoch_is_refused(self) -> None:
        asked = query(0)
        where = anchored(asked)[0]
        with pytest.raises(CaseRefused, match="opener epoch 5, not 6"):
            asked.case(CASE_ID, where, replace(WORLD.opener, epoch=6))
        other = replace(WORLD.opener, regulator=GENERATOR)
        with pytest.raises(CaseRefused, match="another opener's key"):
            asked.case(CASE_ID, where, other)
        with pytest.raises(CaseRefused, match="another opener's key"):
            asked.facts(CASE_ID, where.anchor, other)

    def test_query_that_was_not_anchored_is_refused(self) -> None:
        mine, other = query(0), query(1)
        with pytest.raises(CaseRefused, match="not under the anchored root"):
            mine.case(CASE_ID, anchored(other)[0], WORLD.opener)


class TestExculpation:
    def test_all_but_the_author_clear_themselves(self) -> None:
        asked = query(2)
        dispute = asked.disputed()
        for member, secret in enumerate(WORLD.secrets):
            if member == 2:
                with pytest.raises(ExculpationRefused, match="made with this key"):
                    exculpate(secret, dispute, WORLD.random_bytes)
            else:
                cleared = exculpate(secret, dispute, WORLD.random_bytes)
                check_exculpation(secret.public, dispute, cleared)

    def test_exculpation_shows_the_members_own_query_of_that_slot(self) -> None:
        """What it costs: T' is the nullifier of the member's own query, if it made one."""
        cleared = exculpate(WORLD.secrets[1], query(2).disputed(), WORLD.random_bytes)
        assert cleared.own_nullifier == query(1).proof.nullifier
        assert cleared.own_nullifier != query(1, slot=5).proof.nullifier
