"""What may be opened: only a statement with its way to an anchored root, and keys that fit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.ledger.merkle import inclusion_path, leaf_hash, node_hash, root_of
from bulwark.privacy.errors import CaseRefused, InputRefused
from bulwark.privacy.group import GENERATOR, IDENTITY
from bulwark.privacy.openingcase import (
    Anchor,
    Anchorage,
    CommittedStatement,
    Opener,
    OpeningCase,
    sides_of_path,
)
from tests.unit.privacy.opening_world import CHAIN, EVALUATOR, GENESIS, OpeningWorld, commit

WORLD = OpeningWorld.build(2, 3)
STATEMENT = WORLD.statement(member=0)


class TestCommittedStatement:
    @pytest.mark.parametrize(
        ("place", "count"), [(0, 1), (0, 2), (1, 2), (4, 5), (6, 7), (99, 256)]
    )
    def test_statement_at_any_place_of_a_log_is_accepted(self, place: int, count: int) -> None:
        made = commit(
            STATEMENT.statement_hash,
            STATEMENT.nullifier,
            STATEMENT.e1,
            STATEMENT.e2,
            place,
            min(count, 255),
        )
        assert made.e1 == STATEMENT.e1

    @pytest.mark.parametrize(
        "change",
        [
            {"statement_hash": b"\x01" * 32},
            {"nullifier": GENERATOR},
            {"e1": GENERATOR},
            {"e2": GENERATOR},
            {"e1": STATEMENT.e2, "e2": STATEMENT.e1},
        ],
        ids=["hash", "nullifier", "E1", "E2", "E1 and E2 swapped"],
    )
    def test_anything_else_under_the_same_path_is_refused(self, change: dict[str, object]) -> None:
        with pytest.raises(CaseRefused, match="not under the anchored root"):
            replace(STATEMENT, **change)  # type: ignore[arg-type]

    def test_another_root_side_or_sibling_is_refused(self) -> None:
        where = STATEMENT.anchorage
        swapped = (where.path[1], where.path[0], *where.path[2:])
        for bent in (
            replace(where, anchor=replace(where.anchor, root=b"\x01" * 32)),
            replace(where, lefts=where.lefts ^ 1),
            replace(where, path=swapped),
            replace(where, path=where.path[:-1], lefts=0),
        ):
            with pytest.raises(CaseRefused, match="not under the anchored root"):
                replace(STATEMENT, anchorage=bent)

    def test_identity_is_refused_as_e1_and_nullifier(self) -> None:
        for change in ({"e1": IDENTITY}, {"nullifier": IDENTITY}):
            with pytest.raises(CaseRefused, match="identity"):
                replace(STATEMENT, **change)

    def test_loose_points_make_no_statement(self) -> None:
        nowhere = Anchorage(Anchor(EVALUATOR, 0, 0, bytes(32)), 0, ())
        with pytest.raises(CaseRefused):
            CommittedStatement(bytes(32), GENERATOR, GENERATOR, GENERATOR, nowhere)

    def test_hash_of_another_length_is_refused(self) -> None:
        with pytest.raises(InputRefused, match="statement hash"):
            replace(STATEMENT, statement_hash=bytes(31))


class TestAnchorage:
    @settings(max_examples=150)
    @given(st.integers(1, 130).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))))
    def test_sides_follow_from_place_and_count_for_every_leaf(self, drawn: tuple[int, int]) -> None:
        count, place = drawn
        leaves = [leaf_hash(number.to_bytes(2, "big")) for number in range(count)]
        path = tuple(inclusion_path(leaves, place))
        where = Anchorage(
            Anchor(EVALUATOR, 0, 0, root_of(leaves)), sides_of_path(place, count), path
        )
        assert where.root_from(leaves[place]) == where.anchor.root

    def test_bit_of_a_side_says_left(self) -> None:
        leaf, sibling = leaf_hash(b"a"), leaf_hash(b"b")
        anchor = Anchor(EVALUATOR, 0, 0, bytes(32))
        assert Anchorage(anchor, 0, (sibling,)).root_from(leaf) == node_hash(leaf, sibling)
        assert Anchorage(anchor, 1, (sibling,)).root_from(leaf) == node_hash(sibling, leaf)

    def test_fields_out_of_bounds_are_refused(self) -> None:
        anchor = STATEMENT.anchorage.anchor
        for lefts, path in (
            (1, ()),
            (-1, (bytes(32),)),
            (2, (bytes(32),)),
            (0, (bytes(31),)),
            (0, (bytes(32),) * 25),
        ):
            with pytest.raises(InputRefused):
                Anchorage(anchor, lefts, path)
        for change in (
            {"evaluator": bytes(31)},
            {"root": bytes(33)},
            {"epoch": -1},
            {"interval": 1 << 64},
        ):
            with pytest.raises(InputRefused):
                replace(anchor, **change)  # type: ignore[arg-type]
        for place, count in ((0, 0), (1, 1), (-1, 1), (0, (1 << 24) + 1)):
            with pytest.raises(InputRefused):
                sides_of_path(place, count)


class TestOpener:
    def test_key_is_the_sum_of_both_parts(self) -> None:
        council = WORLD.opener.council
        assert WORLD.opener.public_key == WORLD.regulator.public + council.public_key

    def test_parts_that_cancel_or_vanish_are_no_opener(self) -> None:
        """A regulator that names the negative of the council's key would let anybody decrypt."""
        council = WORLD.opener.council
        for regulator in (IDENTITY, IDENTITY - council.public_key):
            with pytest.raises(CaseRefused, match="identity"):
                Opener(5, regulator, council)

    def test_epoch_out_of_bounds_is_refused(self) -> None:
        with pytest.raises(InputRefused, match="epoch of the opener"):
            replace(WORLD.opener, epoch=-1)


class TestCase:
    def test_digest_covers_everything_but_the_share_keys(self) -> None:
        case = WORLD.case(member=0)
        other = OpeningWorld.build(2, 3, seed="other")
        digests = {case.digest}
        changes: list[dict[str, object]] = [
            {"chain_id": CHAIN + 1},
            {"genesis_hash": b"\x98" * 32},
            {"case_id": b"\x01" * 32},
            {"statement": WORLD.statement(member=0)},
            {
                "statement": replace(
                    case.statement,
                    anchorage=replace(
                        case.statement.anchorage,
                        anchor=replace(case.statement.anchorage.anchor, interval=18),
                    ),
                )
            },
            {"opener": replace(WORLD.opener, epoch=6)},
            {"opener": replace(WORLD.opener, regulator=GENERATOR)},
            {"opener": replace(WORLD.opener, council=other.opener.council)},
        ]
        for change in changes:
            digests.add(changed(case, change).digest)
        assert len(digests) == 1 + len(changes)
        assert all(len(digest) == 64 for digest in digests)

    def test_fields_out_of_bounds_are_refused(self) -> None:
        case = WORLD.case(member=0)
        for change in (
            {"chain_id": -1},
            {"chain_id": 1 << 64},
            {"genesis_hash": b""},
            {"case_id": bytes(31)},
        ):
            with pytest.raises(InputRefused):
                changed(case, change)


def changed(case: OpeningCase, change: dict[str, object]) -> OpeningCase:
    fields = {
        "chain_id": case.chain_id,
        "genesis_hash": GENESIS,
        "case_id": case.case_id,
        "statement": case.statement,
        "opener": case.opener,
    }
    return OpeningCase(**{**fields, **change})  # type: ignore[arg-type]
