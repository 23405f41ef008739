"""`select_new_view` against a slow reference, on every order and every quorum of VIEW-CHANGEs."""

from __future__ import annotations

from itertools import combinations, permutations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.ledger.batch import NULL_BATCH
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Height, ValidatorIndex, View
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from consensus.messages import ViewChange
from consensus.newview import first_plan, select_new_view


def certificate(kind: VoteKind, view: int, height: int, name: bytes) -> Certificate:
    """An unsigned certificate: selection trusts that signatures were checked."""
    return Certificate(VoteSubject(kind, View(view), Height(height), sha256(name)), ())


def change(signer: int, base: int, prepared: dict[int, tuple[int, bytes]]) -> ViewChange:
    """A VIEW-CHANGE with a checkpoint at `base` and height -> (view, batch name)."""
    checkpoint = certificate(VoteKind.CHECKPOINT, 0, base, b"c%d" % base) if base else None
    certificates = tuple(
        certificate(VoteKind.PREPARE, view, height, name)
        for height, (view, name) in sorted(prepared.items())
    )
    return ViewChange(View(99), checkpoint, certificates, ValidatorIndex(signer), b"")


def reference(changes: tuple[ViewChange, ...]) -> tuple[int, list[Digest]]:
    """The rule as the paper words it, without any cleverness."""
    base = max([c.base_above(Height(0)) for c in changes])
    tops = [p.subject.height for c in changes for p in c.prepared]
    digests = []
    for height in range(base + 1, max([base, *tops]) + 1):
        here = [p.subject for c in changes for p in c.prepared if p.subject.height == height]
        highest = max((s.view for s in here), default=-1)
        digests.append(
            next((s.digest for s in here if s.view == highest), NULL_BATCH.digest),
        )
    return base, digests


def test_nothing_prepared_starts_fresh_above_the_highest_checkpoint() -> None:
    plan = select_new_view([change(0, 0, {}), change(1, 7, {}), change(2, 5, {})])
    assert (plan.base, plan.digests, plan.first_fresh) == (7, (), 8)
    assert plan.checkpoint is not None
    assert plan.checkpoint.subject.height == 7


def test_view_0_starts_at_height_1() -> None:
    assert first_plan(Height(0)).first_fresh == 1
    assert first_plan(Height(0)).digest_at(Height(1)) is None


def test_a_prepared_batch_is_proposed_again_at_its_height() -> None:
    plan = select_new_view([change(0, 4, {6: (1, b"a")}), change(1, 4, {}), change(2, 4, {})])
    assert plan.digests == (NULL_BATCH.digest, sha256(b"a"))
    assert plan.digest_at(Height(6)) == sha256(b"a")
    assert plan.digest_at(Height(4)) is None
    assert plan.digest_at(Height(7)) is None


def test_of_two_views_the_higher_one_counts() -> None:
    plan = select_new_view([change(0, 0, {1: (1, b"a")}), change(1, 0, {1: (3, b"b")})])
    assert plan.digests == (sha256(b"b"),)


def test_what_lies_below_the_highest_checkpoint_is_left_out() -> None:
    plan = select_new_view([change(0, 0, {1: (1, b"a"), 5: (1, b"e")}), change(1, 4, {})])
    assert (plan.base, plan.digests) == (4, (sha256(b"e"),))


def with_checkpoint(signer: int, given: Certificate | None) -> ViewChange:
    """A VIEW-CHANGE with exactly this checkpoint."""
    return ViewChange(View(99), given, (), ValidatorIndex(signer), b"")


def test_of_two_certificates_for_one_checkpoint_every_order_chooses_the_same_l2() -> None:
    whole = certificate(VoteKind.CHECKPOINT, 0, 7, b"c7")
    variants = [replace(whole, signatures=((ValidatorIndex(i), bytes(65)),)) for i in range(3)]
    lowest = min(variants, key=lambda c: c.encode())
    for order in permutations(variants):
        plan = select_new_view([with_checkpoint(i, c) for i, c in enumerate(order)])
        assert plan.checkpoint == lowest


def test_a_certificate_of_the_epochs_start_is_kept_over_none_in_every_order_l2() -> None:
    start = Height(7)
    proved = with_checkpoint(0, certificate(VoteKind.CHECKPOINT, 0, start, b"c7"))
    bare = with_checkpoint(1, None)
    for order in ([proved, bare], [bare, proved], [bare, proved, bare]):
        plan = select_new_view(order, start)
        assert (plan.checkpoint, plan.base) == (proved.checkpoint, start)
    assert select_new_view([bare, bare], start).checkpoint is None


def test_the_plan_begins_above_the_start_of_the_epoch() -> None:
    plan = select_new_view([change(0, 0, {}), change(1, 0, {8: (1, b"a")})], Height(7))
    assert (plan.base, plan.digests, plan.first_fresh) == (7, (sha256(b"a"),), 9)


def test_two_digests_of_one_view_are_chosen_alike_in_every_order_l2() -> None:
    """More than f faulty validators: nothing is safe any more, yet all compute one O."""
    given = [change(i, 0, {1: (1, name)}) for i, name in enumerate((b"a", b"b", b"c"))]
    chosen = {select_new_view(order).digests for order in permutations(given)}
    assert chosen == {(max(sha256(b"a"), sha256(b"b"), sha256(b"c")),)}


def worlds() -> st.SearchStrategy[tuple[ViewChange, ...]]:
    """Four replicas that prepared consistently: one batch per (view, height)."""
    entry = st.dictionaries(st.integers(1, 4), st.integers(0, 3), max_size=4)
    one = st.tuples(st.integers(0, 4), entry)
    return st.lists(one, min_size=4, max_size=4).map(
        lambda drawn: tuple(
            change(
                signer,
                base,
                {base + h: (v, b"%d/%d" % (v, base + h)) for h, v in prepared.items()},
            )
            for signer, (base, prepared) in enumerate(drawn)
        )
    )


@given(worlds())
@settings(deadline=None, max_examples=60)
def test_every_order_of_every_quorum_yields_the_reference_plan(
    changes: tuple[ViewChange, ...],
) -> None:
    for quorum in combinations(changes, 3):
        base, digests = reference(quorum)
        plans = {select_new_view(order) for order in permutations(quorum)}
        (plan,) = plans
        assert (plan.base, list(plan.digests)) == (base, digests)
