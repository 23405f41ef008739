"""Openings: any t of the council with the regulator find the member, and nobody else does."""

from __future__ import annotations

import functools
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.privacy import opening, sigma
from bulwark.privacy.errors import (
    BadPartial,
    CaseRefused,
    EncodingRefused,
    OpensToNobody,
    TooFewPartials,
)
from bulwark.privacy.group import (
    IDENTITY,
    ORDER,
    Element,
    Scalar,
    decode_element,
    multiply,
    random_scalar,
    weighted_sum,
)
from bulwark.privacy.memberkeys import RegulatorSecret
from bulwark.privacy.opening import (
    PartialOpening,
    check_partial,
    combine,
    decode_partial,
    find_member,
    open_partial,
    partial,
    partial_commitment,
    regulator_part,
    seal_partial,
    sort_partials,
)
from bulwark.privacy.openingcase import OpeningCase
from bulwark.privacy.sealing import SealingKey
from bulwark.privacy.sharing import lagrange_at_zero
from bulwark.privacy.threshold import EvaluatorShare
from tests.unit.privacy.opening_world import CHAIN, GENESIS, OpeningWorld

world_of = functools.cache(OpeningWorld.build)
WORLD = world_of(3, 4)
CASE = WORLD.case(member=1)
REGULATORS = WORLD.regulators(CASE)
PARTS = WORLD.parts(CASE, 1, 2, 3, 4)
SEALING = SealingKey(b"\x07" * 32)


@st.composite
def councils(draw: st.DrawFn) -> tuple[OpeningWorld, int, list[int]]:
    """A council, the member who asks, and some t of the council in any order."""
    threshold, holders = draw(st.sampled_from([(1, 1), (1, 3), (2, 3), (3, 4), (5, 7), (7, 10)]))
    chosen = draw(st.permutations(range(1, holders + 1)))[:threshold]
    return world_of(threshold, holders), draw(st.integers(0, holders - 1)), list(chosen)


class TestWhoCanOpen:
    @settings(deadline=None, max_examples=25)
    @given(councils())
    def test_any_t_of_the_council_and_the_regulator_open_to_the_member(
        self, drawn: tuple[OpeningWorld, int, list[int]]
    ) -> None:
        world, member, chosen = drawn
        case = world.case(member)
        key = combine(case, world.regulators(case), world.parts(case, *chosen))
        assert find_member(key, world.ring) == member

    def test_every_choice_of_t_gives_the_same_key(self) -> None:
        keys = {
            combine(CASE, REGULATORS, [PARTS[place] for place in chosen])
            for count in (3, 4)
            for chosen in combinations(range(4), count)
        }
        assert keys == {WORLD.ring[1]}

    @settings(deadline=None, max_examples=15)
    @given(councils())
    def test_fewer_than_t_are_refused_and_compute_a_key_of_no_ring(
        self, drawn: tuple[OpeningWorld, int, list[int]]
    ) -> None:
        world, member, chosen = drawn
        case = world.case(member)
        few = world.parts(case, *chosen[:-1])
        regulators = world.regulators(case)
        with pytest.raises(TooFewPartials) as refused:
            combine(case, regulators, few)
        assert (refused.value.held, refused.value.needed) == (len(few), len(few) + 1)
        weights = lagrange_at_zero(tuple(part.index for part in few)) if few else ()
        council = weighted_sum(weights, [decode_element(part.element) for part in few])
        found = case.statement.e2 - decode_element(regulators.element) - council
        with pytest.raises(OpensToNobody):
            find_member(found, world.ring)

    @settings(deadline=None, max_examples=15)
    @given(councils())
    def test_council_without_regulator_and_regulator_alone_compute_a_key_of_no_ring(
        self, drawn: tuple[OpeningWorld, int, list[int]]
    ) -> None:
        world, member, chosen = drawn
        case = world.case(member)
        parts = world.parts(case, *chosen)
        weights = lagrange_at_zero(tuple(chosen))
        council = weighted_sum(weights, [decode_element(part.element) for part in parts])
        alone = decode_element(world.regulators(case).element)
        for known in (council, alone, IDENTITY):
            with pytest.raises(OpensToNobody):
                find_member(case.statement.e2 - known, world.ring)

    def test_part_of_the_council_does_not_stand_in_for_the_regulators(self) -> None:
        with pytest.raises(BadPartial, match="in the place of the regulator's"):
            combine(CASE, PARTS[0], PARTS[1:])
        with pytest.raises(BadPartial, match="among those of the council"):
            combine(CASE, REGULATORS, [*PARTS[:2], REGULATORS])

    def test_one_part_given_twice_counts_once(self) -> None:
        with pytest.raises(
            BadPartial, match="part of council member 2 refused: its part comes twice"
        ):
            combine(CASE, REGULATORS, [PARTS[0], PARTS[1], PARTS[1]])

    def test_key_of_nobody_twice_in_a_ring_or_the_identity_is_nobody(self) -> None:
        key = WORLD.ring[0]
        for ring in ((), WORLD.ring[1:], (key, key)):
            with pytest.raises(OpensToNobody) as refused:
                find_member(key, ring)
            assert refused.value.ring_size == len(ring)
        with pytest.raises(OpensToNobody):
            find_member(IDENTITY, (IDENTITY,))


def other_case(**changes: object) -> OpeningCase:
    fields: dict[str, object] = {
        "chain_id": CHAIN,
        "genesis_hash": GENESIS,
        "case_id": CASE.case_id,
        "statement": CASE.statement,
        "opener": CASE.opener,
    }
    return OpeningCase(**{**fields, **changes})  # type: ignore[arg-type]


def prove_as_second(share: EvaluatorShare, public: Element, e1: Element) -> PartialOpening:
    """A part under index 2 in the context of the case, from any share, key and E1."""
    context = b"Bulwark-v1-opening-council-\x02" + CASE.digest
    nonce = random_scalar(WORLD.random_bytes)
    element = multiply(share.secret_share, e1)
    proof = sigma.prove(context, share.secret_share, public, [e1], [element], nonce)
    return PartialOpening(2, element.encoding, proof.encode())


def test_the_context_of_a_part_is_label_index_and_digest_of_the_case() -> None:
    own = WORLD.shares[1]
    check_partial(CASE, prove_as_second(own, own.public_share, CASE.statement.e1))


def bad_parts() -> dict[str, PartialOpening]:
    """Parts of council member 2 that are wrong in one way each."""
    good, other = PARTS[1], PARTS[2]
    foreign = WORLD.parts(WORLD.case(member=2), 2)[0]
    e1, elsewhere = CASE.statement.e1, WORLD.statement(member=2).e1
    own, wrong = WORLD.shares[1], WORLD.shares[2]
    wrong_share = replace(PARTS[2], index=2)
    raised = int.from_bytes(good.proof[:32], "little") + ORDER
    top = good.element[:31] + bytes((good.element[31] | 0x80,))
    return {
        "the share of another": wrong_share,
        "another case and E1": foreign,
        "the share of another, proved for this index": prove_as_second(wrong, own.public_share, e1),
        "the share and key of another": prove_as_second(wrong, wrong.public_share, e1),
        "another E1, proved for this case": prove_as_second(own, own.public_share, elsewhere),
        "a part of the regulator's making": replace(REGULATORS, index=2),
        "the proof of another": replace(good, proof=other.proof),
        "the element of another": replace(good, element=other.element),
        "the element of another E1 with the right proof": replace(good, element=foreign.element),
        "challenge and response swapped": replace(good, proof=good.proof[32:] + good.proof[:32]),
        "a proof of zeros": replace(good, proof=bytes(64)),
        "the identity": replace(good, element=bytes(32)),
        "E1 itself": replace(good, element=CASE.statement.e1.encoding),
        "bit 255 set": replace(good, element=top),
        "an element that is not canonical": replace(good, element=b"\xff" * 32),
        "a challenge plus the order": replace(
            good, proof=raised.to_bytes(32, "little") + good.proof[32:]
        ),
        "a response over the order": replace(good, proof=good.proof[:32] + b"\xff" * 32),
        "a short element": replace(good, element=good.element[:31]),
        "a long proof": replace(good, proof=good.proof + b"\0"),
    }


BAD = bad_parts()


class TestBadParts:
    @pytest.mark.parametrize("name", BAD)
    def test_wrong_part_names_its_maker(self, name: str) -> None:
        with pytest.raises(BadPartial, match="part of council member 2 refused") as refused:
            check_partial(CASE, BAD[name])
        assert refused.value.index == 2
        with pytest.raises(BadPartial):
            combine(CASE, REGULATORS, [PARTS[0], BAD[name], PARTS[2], PARTS[3]])

    @pytest.mark.parametrize("name", BAD)
    def test_opening_goes_on_with_the_other_parts(self, name: str) -> None:
        good, bad = sort_partials(CASE, [BAD[name], PARTS[3], PARTS[0], PARTS[2]])
        assert [part.index for part in good] == [1, 3, 4]
        assert [error.index for error in bad] == [2]
        assert find_member(combine(CASE, REGULATORS, good), WORLD.ring) == 1

    def test_bad_part_of_the_regulator_is_named(self) -> None:
        for bad in (
            replace(REGULATORS, element=PARTS[0].element),
            replace(REGULATORS, proof=PARTS[0].proof),
            replace(PARTS[0], index=0),
            replace(REGULATORS, element=bytes(32)),
        ):
            with pytest.raises(BadPartial, match="part of the regulator refused") as refused:
                combine(CASE, bad, PARTS)
            assert refused.value.index == opening.REGULATOR_INDEX

    def test_index_of_no_holder_is_refused(self) -> None:
        for index in (5, 255, 256, -1):
            with pytest.raises(BadPartial, match="no such council member, allowed 1 to 4"):
                check_partial(CASE, replace(PARTS[0], index=index))

    def test_regulators_part_and_a_second_good_part_are_sorted_out(self) -> None:
        again = WORLD.parts(CASE, 1)[0]
        good, bad = sort_partials(CASE, [PARTS[0], again, REGULATORS])
        assert good == (PARTS[0],)
        assert [error.index for error in bad] == [0]

    def test_every_bent_byte_of_a_part_is_found(self) -> None:
        encoding = PARTS[1].encode()
        for place in range(1, len(encoding)):
            for bit in (0x01, 0x80):
                bent = encoding[:place] + bytes((encoding[place] ^ bit,)) + encoding[place + 1 :]
                with pytest.raises(BadPartial):
                    check_partial(CASE, decode_partial(bent))


class TestBoundToTheCase:
    @pytest.mark.parametrize(
        "case",
        [
            other_case(case_id=b"\xcb" * 32),
            other_case(chain_id=CHAIN + 1),
            other_case(genesis_hash=b"\x98" * 32),
            other_case(opener=replace(WORLD.opener, epoch=6)),
        ],
        ids=["case id", "chain", "genesis", "opener epoch"],
    )
    def test_part_of_one_case_proves_nothing_in_another(self, case: OpeningCase) -> None:
        for part in (PARTS[0], REGULATORS):
            with pytest.raises(BadPartial):
                check_partial(case, part)

    def test_share_of_another_key_or_share_epoch_is_refused_before_it_is_used(self) -> None:
        refreshed = world_of(3, 4, seed="another sharing")
        with pytest.raises(CaseRefused, match="share 1 is not one of the council's key"):
            partial(CASE, refreshed.shares[0], WORLD.random_bytes)
        larger = world_of(5, 7)
        with pytest.raises(CaseRefused, match="share 7"):
            partial(CASE, larger.shares[6], WORLD.random_bytes)

    def test_key_that_is_not_the_regulators_of_the_case_is_refused(self) -> None:
        with pytest.raises(CaseRefused, match="not the regulator's"):
            regulator_part(CASE, RegulatorSecret(Scalar.from_int(7)), WORLD.random_bytes)

    def test_the_same_broken_randomness_gives_each_case_a_nonce_of_its_own(self) -> None:
        def zeros(count: int) -> bytes:
            return bytes(count)

        share = WORLD.shares[0]
        first = partial(CASE, share, zeros)
        second = partial(other_case(case_id=b"\xcb" * 32), share, zeros)
        assert first.element == second.element
        assert first.proof[32:] != second.proof[32:]
        challenges, responses = (
            [Scalar.from_int(int.from_bytes(part.proof[at : at + 32], "little")) for part in pair]
            for at, pair in ((0, (first, second)), (32, (first, second)))
        )
        gap = (challenges[1] - challenges[0]).inverse()
        assert (responses[0] - responses[1]) * gap != share.secret_share


class TestTransport:
    def test_part_travels_sealed_and_held_to_its_commitment(self) -> None:
        sealed = seal_partial(CASE, PARTS[1], SEALING.public)
        assert len(sealed) == 145
        commitment = partial_commitment(CASE, PARTS[1])
        assert len(commitment) == opening.COMMITMENT_BYTES
        assert open_partial(CASE, SEALING, 2, commitment, sealed) == PARTS[1]

    def test_part_posted_by_another_member_or_for_another_case_names_who_posted_it(self) -> None:
        sealed = seal_partial(CASE, PARTS[1], SEALING.public)
        commitment = partial_commitment(CASE, PARTS[1])
        with pytest.raises(BadPartial, match="council member 3"):
            open_partial(CASE, SEALING, 3, commitment, sealed)
        with pytest.raises(BadPartial, match="council member 2"):
            open_partial(other_case(case_id=b"\xcb" * 32), SEALING, 2, commitment, sealed)
        with pytest.raises(BadPartial, match="council member 2"):
            open_partial(CASE, SEALING, 2, commitment, sealed[:-1] + b"\0")

    def test_part_of_another_index_inside_is_refused(self) -> None:
        subject = replace(PARTS[1], index=3)
        info = opening.sealing_info(
            b"opening-partial", CHAIN, GENESIS, CASE.digest + (3).to_bytes(4, "big")
        )
        for plaintext, reason in (
            (PARTS[1].encode(), "it sealed a part of index 2"),
            (PARTS[1].encode()[:-1], "must be 97 bytes"),
            (subject.encode(), "it committed to another part"),
        ):
            sealed = opening.sealing.seal(SEALING.public, info, plaintext)
            with pytest.raises(BadPartial, match=reason) as refused:
                open_partial(CASE, SEALING, 3, bytes(32), sealed)
            assert refused.value.index == 3

    def test_wrong_part_that_was_committed_to_is_refused(self) -> None:
        wrong = BAD["the share of another"]
        sealed = seal_partial(CASE, wrong, SEALING.public)
        with pytest.raises(BadPartial, match="the proof does not hold"):
            open_partial(CASE, SEALING, 2, partial_commitment(CASE, wrong), sealed)

    def test_commitment_depends_on_case_and_part(self) -> None:
        again = WORLD.parts(CASE, 2)[0]
        commitments = {
            partial_commitment(CASE, PARTS[1]),
            partial_commitment(CASE, again),
            partial_commitment(other_case(case_id=b"\xcb" * 32), PARTS[1]),
        }
        assert len(commitments) == 3

    @pytest.mark.parametrize("length", [0, 96, 98])
    def test_part_of_another_length_is_refused(self, length: int) -> None:
        with pytest.raises(EncodingRefused, match="must be 97 bytes"):
            decode_partial(bytes(length))
