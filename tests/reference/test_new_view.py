"""`select_new_view` against the slow reference: all permutations, all subsets, many random ones."""

from __future__ import annotations

import dataclasses
from itertools import combinations, permutations, product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.ledger.batch import NULL_BATCH
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Height, ValidatorIndex, View
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from consensus.messages import ViewChange
from consensus.newview import NewViewPlan, select_new_view
from tests.reference.new_view import (
    NULL_REQUEST,
    Ambiguous,
    Claim,
    Prepared,
    claim_of,
    max_s,
    reference_o,
)

CHECKPOINT_DIGESTS = {h: sha256(b"header %d" % h) for h in range(64)}


def digest_of(view: int, number: int) -> Digest:
    """What was prepared in a view at a number; one digest, as with at most f faulty."""
    return sha256(b"batch %d %d" % (view, number))


def change_of(claim: Claim, signer: int, view: int = 99) -> ViewChange:
    """A VIEW-CHANGE that says this; the rule looks at no signature."""
    checkpoint = None
    if claim.checkpoint:
        digest = CHECKPOINT_DIGESTS[claim.checkpoint]
        height = Height(claim.checkpoint)
        checkpoint = Certificate(VoteSubject(VoteKind.CHECKPOINT, View(0), height, digest), ())
    prepared = tuple(
        Certificate(
            VoteSubject(VoteKind.PREPARE, View(p.view), Height(p.number), Digest(p.digest)), ()
        )
        for p in claim.prepared
    )
    return ViewChange(View(view), checkpoint, prepared, ValidatorIndex(signer), b"")


def small_claims() -> list[Claim]:
    """Every claim with checkpoint 0 or 1 and heights up to checkpoint + 2, views 0 and 1."""
    found = []
    for checkpoint in (0, 1):
        for first, second in product((None, 0, 1), repeat=2):
            prepared = [
                Prepared(view, checkpoint + offset, digest_of(view, checkpoint + offset))
                for offset, view in ((1, first), (2, second))
                if view is not None
            ]
            found.append(Claim(checkpoint, tuple(prepared)))
    return found


def random_claim(rng: Random, window: int = 8) -> Claim:
    """Anything a validated VIEW-CHANGE may say."""
    checkpoint = rng.choice([0, 0, 1, 2, 5, 9])
    numbers = sorted(rng.sample(range(checkpoint + 1, checkpoint + window + 1), rng.randint(0, 4)))
    views = [rng.randint(0, 5) for _ in numbers]
    return Claim(
        checkpoint,
        tuple(Prepared(v, n, digest_of(v, n)) for v, n in zip(views, numbers, strict=True)),
    )


def agree(claims: list[Claim], plan: NewViewPlan) -> None:
    """The plan is the reference's."""
    base, digests = reference_o(claims)
    assert plan.base == base
    assert list(plan.digests) == digests
    assert plan.first_fresh == max_s(claims) + 1
    assert (plan.checkpoint is None) == (base == 0)


def test_the_null_request_is_the_null_batch() -> None:
    assert NULL_BATCH.digest == NULL_REQUEST


def test_every_small_v_gives_the_reference_o_in_every_order() -> None:
    for claims in product(small_claims(), repeat=3):
        changes = [change_of(claim, i) for i, claim in enumerate(claims)]
        plans = [select_new_view(order) for order in permutations(changes)]
        agree(list(claims), plans[0])
        assert all(plan == plans[0] for plan in plans)


def test_a_claim_survives_the_message() -> None:
    for claim in small_claims():
        assert claim_of(change_of(claim, 0)) == claim


@pytest.mark.parametrize(("n", "quorum"), [(4, 3), (5, 4), (6, 4), (7, 5)])
def test_every_quorum_subset_of_v_gives_the_reference_o(n: int, quorum: int) -> None:
    rng = Random(f"subsets {n}")
    for _ in range(60):
        claims = [random_claim(rng) for _ in range(n)]
        for chosen in combinations(range(n), quorum):
            named = [claims[i] for i in chosen]
            agree(named, select_new_view([change_of(claims[i], i) for i in chosen]))


@pytest.mark.parametrize("size", [3, 4])
def test_random_v_in_every_order_gives_one_plan(size: int) -> None:
    rng = Random(f"orders {size}")
    for _ in range(300):
        claims = [random_claim(rng) for _ in range(size)]
        changes = [change_of(claim, i) for i, claim in enumerate(claims)]
        plans = [select_new_view(order) for order in permutations(changes)]
        agree(claims, plans[0])
        assert all(plan == plans[0] for plan in plans)


def test_thousands_of_random_v_give_the_reference_o() -> None:
    rng = Random("new view")
    for _ in range(5_000):
        claims = [random_claim(rng) for _ in range(rng.randint(1, 11))]
        changes = [change_of(claim, i) for i, claim in enumerate(claims)]
        rng.shuffle(changes)
        agree(claims, select_new_view(changes))


def test_an_epoch_that_starts_later_has_its_start_as_lowest_base() -> None:
    rng = Random("epochs")
    for _ in range(500):
        start = rng.randint(1, 40)
        claims = [random_claim(rng) for _ in range(4)]
        moved = [
            Claim(
                claim.checkpoint + start,
                tuple(dataclasses.replace(p, number=p.number + start) for p in claim.prepared),
            )
            for claim in claims
        ]
        changes = [
            replace(change_of(claim, i), checkpoint=None)
            if claim.checkpoint == start
            else change_of(claim, i)
            for i, claim in enumerate(moved)
        ]
        plan = select_new_view(changes, Height(start))
        assert (plan.base, list(plan.digests)) == reference_o(
            [claim_of(change, start) for change in changes]
        )


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 2**32), st.integers(4, 10))
def test_what_f_plus_one_honest_prepared_in_a_quorum_is_never_dropped(seed: int, n: int) -> None:
    """OSDI'99 section 4.5.1: a number committed anywhere is prepared at f + 1 honest replicas."""
    rng = Random(seed)
    faulty = (n - 1) // 3
    quorum = (n + faulty + 2) // 2
    number, view = rng.randint(1, 4), rng.randint(0, 3)
    committed = Prepared(view, number, digest_of(view, number))
    holders = set(rng.sample(range(n), quorum))
    liars = set(rng.sample(range(n), faulty))
    claims = []
    for index in range(n):
        others = tuple(
            Prepared(0, h, digest_of(0, h))
            for h in range(1, 6)
            if h != number and rng.random() < 0.4
        )
        keep = index in holders - liars
        prepared = sorted((*others, committed) if keep else others, key=lambda p: p.number)
        claims.append(Claim(0, tuple(prepared)))
    for chosen in combinations(range(n), quorum):
        plan = select_new_view([change_of(claims[i], i) for i in chosen])
        assert plan.digest_at(Height(number)) == committed.digest


def test_two_digests_in_one_view_are_called_ambiguous() -> None:
    one = Claim(0, (Prepared(1, 1, b"a" * 32),))
    other = Claim(0, (Prepared(1, 1, b"b" * 32),))
    with pytest.raises(Ambiguous):
        reference_o([one, other])
