"""The record of an opening convinces whoever knows the ledger, and nobody by itself."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.privacy.errors import (
    BadPartial,
    EncodingRefused,
    OpeningRefused,
    OpensToNobody,
    PrivacyError,
    TooFewPartials,
)
from bulwark.privacy.group import GENERATOR
from bulwark.privacy.openingcase import OpeningCase
from bulwark.privacy.openingresult import (
    MAX_RESULT_BYTES,
    OpeningResult,
    conclude,
    decode_result,
)
from tests.unit.privacy.opening_world import OpeningWorld

WORLD = OpeningWorld.build(3, 4)
CASE = WORLD.case(member=2)
FACTS = WORLD.facts(CASE)
PARTS = WORLD.parts(CASE, 1, 2, 3, 4)
RESULT = conclude(CASE, WORLD.regulators(CASE), PARTS, WORLD.ring)
ENCODED = RESULT.encode()


@settings(deadline=None, max_examples=15)
@given(st.sampled_from([(1, 1), (2, 3), (3, 4), (5, 7)]), st.data())
def test_record_of_any_opening_travels_and_convinces(
    size: tuple[int, int], data: st.DataObject
) -> None:
    threshold, holders = size
    world = OpeningWorld.build(threshold, holders)
    member = data.draw(st.integers(0, holders - 1))
    given_parts = data.draw(st.permutations(range(1, holders + 1)))
    case = world.case(member)
    parts = world.parts(case, *given_parts)
    result = conclude(case, world.regulators(case), parts, world.ring)
    again = decode_result(result.encode())
    assert again == result
    assert again.verify(world.facts(case)) == member
    assert again.result_hash == hashlib.sha256(result.encode()).digest()


def test_record_holds_the_t_good_parts_of_the_lowest_indices() -> None:
    assert [part.index for part in RESULT.partials] == [1, 2, 3]
    bent = replace(PARTS[1], element=PARTS[0].element)
    without = conclude(
        CASE, WORLD.regulators(CASE), [PARTS[3], bent, PARTS[2], PARTS[0]], WORLD.ring
    )
    assert [part.index for part in without.partials] == [1, 3, 4]
    assert without.verify(FACTS) == 2


class TestConclusion:
    def test_with_too_few_good_parts_is_refused(self) -> None:
        bent = replace(PARTS[1], element=PARTS[0].element)
        with pytest.raises(TooFewPartials) as refused:
            conclude(CASE, WORLD.regulators(CASE), [PARTS[0], bent, PARTS[2]], WORLD.ring)
        assert (refused.value.held, refused.value.needed) == (2, 3)

    def test_with_a_wrong_part_of_the_regulator_is_refused(self) -> None:
        with pytest.raises(BadPartial, match="the regulator"):
            conclude(CASE, replace(PARTS[0], index=0), PARTS, WORLD.ring)

    def test_that_leads_to_nobody_of_the_ring_is_refused(self) -> None:
        with pytest.raises(OpensToNobody):
            conclude(CASE, WORLD.regulators(CASE), PARTS, WORLD.ring[:2])


class TestCourt:
    @pytest.mark.parametrize(
        ("what", "change"),
        [
            ("chain id", {"chain_id": 1}),
            ("genesis hash", {"genesis_hash": bytes(32)}),
            ("case id", {"case_id": bytes(32)}),
            ("statement hash", {"statement_hash": bytes(32)}),
            ("opener", {"opener": replace(WORLD.opener, epoch=6)}),
            ("opener", {"opener": OpeningWorld.build(3, 4, seed="made up").opener}),
            ("anchor", {"anchor": replace(FACTS.anchor, root=bytes(32))}),
            ("anchor", {"anchor": replace(FACTS.anchor, evaluator=bytes(32))}),
            ("anchor", {"anchor": replace(FACTS.anchor, interval=18)}),
        ],
    )
    def test_record_that_differs_from_the_ledger_is_refused_by_name(
        self, what: str, change: dict[str, object]
    ) -> None:
        with pytest.raises(OpeningRefused, match=f"its {what} is not the ledger's"):
            RESULT.verify(replace(FACTS, **change))  # type: ignore[arg-type]

    def test_ring_without_the_key_is_refused(self) -> None:
        with pytest.raises(OpensToNobody):
            RESULT.verify(replace(FACTS, ring=(*WORLD.ring[:2], WORLD.ring[3])))

    def test_regulator_that_names_another_member_is_found_out(self) -> None:
        accused = replace(RESULT, member_key=WORLD.ring[0])
        with pytest.raises(OpeningRefused, match="lead to another key"):
            accused.verify(FACTS)

    def test_regulator_that_makes_up_a_whole_opener_is_found_out(self) -> None:
        """The record alone would hold: all of its keys and proofs fit. The ledger says no."""
        made_up = OpeningWorld.build(3, 4, seed="made up")
        case = OpeningCase(
            CASE.chain_id, CASE.genesis_hash, CASE.case_id, CASE.statement, made_up.opener
        )
        parts = made_up.parts(case, 1, 2, 3)
        regulators = made_up.regulators(case)
        with pytest.raises(OpensToNobody):
            conclude(case, regulators, parts, WORLD.ring)
        forged = OpeningResult(case, regulators, tuple(parts), WORLD.ring[0])
        with pytest.raises(OpeningRefused, match="its opener is not the ledger's"):
            forged.verify(FACTS)

    def test_parts_of_another_number_or_order_are_refused(self) -> None:
        first, second, third, fourth = PARTS
        for parts in ((second, first, third), (first, first, second)):
            with pytest.raises(OpeningRefused, match="not in the order"):
                replace(RESULT, partials=parts).verify(FACTS)
        for parts in ((), (first, second), (first, second, third, fourth)):
            with pytest.raises(OpeningRefused, match="parts of the council, must be 3"):
                replace(RESULT, partials=parts).verify(FACTS)

    def test_wrong_part_is_refused_and_named(self) -> None:
        bent = replace(PARTS[1], proof=PARTS[2].proof)
        with pytest.raises(BadPartial) as refused:
            replace(RESULT, partials=(PARTS[0], bent, PARTS[2])).verify(FACTS)
        assert refused.value.index == 2


class TestWire:
    def test_every_bent_byte_is_found(self) -> None:
        for place in range(len(ENCODED)):
            bent = ENCODED[:place] + bytes((ENCODED[place] ^ 1,)) + ENCODED[place + 1 :]
            with pytest.raises(PrivacyError):
                decode_result(bent).verify(FACTS)

    def test_every_truncation_and_any_extension_is_refused(self) -> None:
        for length in (*range(0, len(ENCODED), 7), len(ENCODED) - 1):
            with pytest.raises(EncodingRefused):
                decode_result(ENCODED[:length])
        with pytest.raises(EncodingRefused, match="1 bytes after the end"):
            decode_result(ENCODED + b"\0")

    @settings(deadline=None)
    @given(st.binary(max_size=200))
    def test_any_other_bytes_are_refused(self, data: bytes) -> None:
        for encoding in (data, ENCODED[:60] + data):
            with pytest.raises(EncodingRefused):
                decode_result(encoding)

    def test_more_bytes_than_a_record_has_are_refused_at_once(self) -> None:
        with pytest.raises(EncodingRefused, match="at most 65536 bytes"):
            decode_result(bytes(MAX_RESULT_BYTES + 1))

    def test_statement_that_is_not_under_its_own_root_is_refused(self) -> None:
        at = ENCODED.index(CASE.statement.e2.encoding)
        bent = ENCODED[:at] + GENERATOR.encoding + ENCODED[at + 32 :]
        with pytest.raises(EncodingRefused, match="not under the anchored root"):
            decode_result(bent)

    def test_part_of_the_council_in_the_regulators_place_is_refused(self) -> None:
        bent = replace(RESULT, regulator_part=PARTS[3])
        with pytest.raises(EncodingRefused, match="another index"):
            decode_result(bent.encode())
