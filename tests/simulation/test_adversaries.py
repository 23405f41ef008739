"""Every adversary does what its name says: its lies reach the others, who find the evidence that
the protocol promises, and the alliance goes on.
"""

from __future__ import annotations

import dataclasses
import random

import pytest
from msgspec.structs import replace

from bulwark.ledger.batch import Batch
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Height, TimestampMs, ValidatorIndex, View
from bulwark.ledger.votes import VoteKind
from consensus.authentication import authenticate
from consensus.errors import AuthenticationFailed
from consensus.messages import Message, NewView, PrePrepare, StatusReport, ViewChange, Vote
from tests.simulation.adversaries import KINDS, TWINS, Adversary, make_adversary
from tests.simulation.adversaries.twins import Twin
from tests.simulation.options import Options
from tests.simulation.planted.bug import liar
from tests.simulation.world import World

NOW_MS = 1_700_000_000_000
SEEDS = range(8)
PROMISED = {
    "equivocator": "DoubleVote",
    "double-voter": "DoubleVote",
    "checkpoint-liar": "DoubleVote",
    "forged-prepared": "ForgottenCommit",
    "wrong-o": "WrongNewView",
    "view-spammer": "ForgottenCommit",
    "mutator": "DoubleVote",
    "twin": "DoubleVote",
    "amnesiac-twin": "DoubleVote",
}
"""Evidence that must be found against a kind within some worlds of the swarm."""


@pytest.fixture(scope="module")
def world() -> World:
    """A world that has run, for its keys, blocks and certificates."""
    done = World(Options(blocks=12, seed=2))
    done.run()
    return done


def adversary(world: World, kind: str, seed: int = 1) -> Adversary:
    """Validator 0 as an adversary of a kind."""
    return make_adversary(random.Random(seed), 4, 0, world.keyring_of(0, world.first), kind)


def proposal(world: World, height: int = 20) -> PrePrepare:
    """An honest proposal of validator 0."""
    batch = Batch(TimestampMs(NOW_MS), (b"tx a", b"tx b"))
    return Adversary(random.Random(0), 4, 0, world.keyring_of(0, world.first)).proposal(
        0, height, batch
    )


def own_vote(world: World, kind: VoteKind = VoteKind.COMMIT, height: int = 20) -> Vote:
    """An honest vote of validator 0."""
    honest = Adversary(random.Random(0), 4, 0, world.keyring_of(0, world.first))
    return honest.vote(kind, 0, height, sha256(b"batch"))


def sent(liar: Adversary, message: Message, receivers: range = range(1, 4)) -> list[Message]:
    """Everything that the others get over forty tries, all of it signed rightly."""
    found = []
    for _ in range(40):
        for receiver in receivers:
            found += [m for _, m in liar.outgoing(receiver, message, NOW_MS)]
    return found


# -- in whole worlds -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_alliance_lives_with_a_liar_and_finds_the_promised_evidence(kind: str) -> None:
    lies, evidence = 0, set()
    for seed in SEEDS:
        world = World(dataclasses.replace(liar(kind), seed=seed).options())
        world.run()
        lies += sum(each.lies for each in world.byzantine.values())
        evidence |= set(world.checkers.duties.reports)
        if lies and PROMISED.get(kind) in evidence | {None}:
            break
    assert lies > 0
    assert PROMISED.get(kind) in evidence | {None}


def test_there_are_the_sixteen_kinds_of_the_plan_and_any_can_be_drawn(world: World) -> None:
    assert len(KINDS) >= 16
    assert set(TWINS) < set(KINDS)
    rng, keyring = random.Random(0), world.keyring_of(0, world.first)
    drawn = {make_adversary(rng, 4, 0, keyring).KIND for _ in range(400)}
    assert drawn == set(KINDS)


# -- one by one ----------------------------------------------------------------------------------


def test_the_silent_one_sends_nothing(world: World) -> None:
    assert sent(adversary(world, "silent"), proposal(world)) == []


def test_the_slow_one_delays_proposals_below_the_timeout_and_nothing_else(world: World) -> None:
    slow, message = adversary(world, "slow"), proposal(world)
    delays = {delay for delay, m in slow.outgoing(1, message, NOW_MS) if m == message}
    assert 0 < delays.pop() < 1_000
    assert (0, own_vote(world)) in slow.outgoing(1, own_vote(world), NOW_MS)


def test_the_partial_sender_serves_some_and_not_others(world: World) -> None:
    partial, message = adversary(world, "partial"), proposal(world)
    served = {r for r in range(1, 4) if partial.change(r, message, NOW_MS)}
    assert 0 < len(served) < 3


def test_the_equivocator_shows_two_valid_batches_for_one_height(world: World) -> None:
    messages = sent(adversary(world, "equivocator"), proposal(world))
    digests = {m.digest for m in messages if isinstance(m, PrePrepare)}
    assert len(digests) == 2
    for message in messages:
        authenticate(message, world.terms)


def test_the_double_voter_votes_for_a_digest_that_others_propose(world: World) -> None:
    double = adversary(world, "double-voter")
    heard = own_vote(world)
    other = replace(heard, subject=replace(heard.subject, digest=sha256(b"theirs")))
    double.observe(replace(other, signer=ValidatorIndex(2)))
    digests = {m.subject.digest for m in sent(double, heard) if isinstance(m, Vote)}
    assert digests == {heard.subject.digest, sha256(b"theirs")}


def test_the_body_withholder_shows_its_batch_to_one_and_votes_before_all(world: World) -> None:
    kinds = [type(m) for m in sent(adversary(world, "body-withholder"), proposal(world))]
    assert kinds.count(PrePrepare) < kinds.count(Vote)


def test_the_seq_jumper_proposes_beyond_the_window(world: World) -> None:
    messages = sent(adversary(world, "seq-jumper"), proposal(world))
    assert max(m.height for m in messages if isinstance(m, PrePrepare)) > 20 + 16


def test_the_clock_liar_proposes_another_time(world: World) -> None:
    message = proposal(world)
    times = {
        m.batch.timestamp_ms
        for m in sent(adversary(world, "clock-liar"), message)
        if isinstance(m, PrePrepare)
    }
    assert times - {message.batch.timestamp_ms} or adversary(world, "clock-liar").clock_skew_ms()


def test_the_checkpoint_liar_vouches_for_a_header_that_nobody_executed(world: World) -> None:
    vote = own_vote(world, VoteKind.CHECKPOINT)
    liar = adversary(world, "checkpoint-liar")
    lies = [m for r in range(1, 4) for _, m in liar.change(r, vote, NOW_MS)]
    assert {type(lie) for lie in lies} == {Vote}
    assert vote not in lies
    for lie in lies:
        authenticate(lie, world.terms)


def view_change(world: World) -> ViewChange:
    """A VIEW-CHANGE of validator 0 that shows a prepared height."""
    commit = world.nodes[0].ledger.blocks[0].commit
    subject = replace(commit.subject, kind=VoteKind.PREPARE)
    keys = [world.keyring_of(i, world.first) for i in range(3)]
    signed = tuple((ValidatorIndex(i), k.sign_vote(subject)) for i, k in enumerate(keys))
    prepared = replace(commit, subject=subject, signatures=signed)
    honest = Adversary(random.Random(0), 4, 0, keys[0])
    unsigned = ViewChange(View(1), None, (prepared,), ValidatorIndex(0), b"")
    return honest.sign_view_change(unsigned)


def test_forged_certificates_are_refused_whole_and_omissions_pass(world: World) -> None:
    message = view_change(world)
    authenticate(message, world.terms)
    passed, refused = 0, 0
    for seed in range(40):
        liar = adversary(world, "forged-prepared", seed)
        for lie in (m for _, m in liar.change(1, message, NOW_MS) if m != message):
            try:
                authenticate(lie, world.terms)
                passed += 1
            except AuthenticationFailed:
                refused += 1
    assert passed > 0
    assert refused > 0


def test_the_wrong_o_does_not_follow(world: World) -> None:
    named = tuple((ValidatorIndex(i), sha256(b"%d" % i)) for i in range(3))
    message = NewView(View(4), named, (sha256(b"a"), sha256(b"b")), ValidatorIndex(0), b"")
    lies = [m for m in sent(adversary(world, "wrong-o"), message) if isinstance(m, NewView)]
    assert {m.digests for m in lies} - {message.digests}
    for lie in lies:
        if lie.digests != message.digests:
            authenticate(lie, world.terms)


def status(world: World) -> StatusReport:
    """A STATUS of validator 0."""
    bare = StatusReport(View(0), False, Height(12), Height(12), False, (), ValidatorIndex(0), b"")
    return Adversary(random.Random(0), 4, 0, world.keyring_of(0, world.first)).sign_status(bare)


def test_the_view_spammer_asks_for_ever_higher_views(world: World) -> None:
    messages = sent(adversary(world, "view-spammer"), status(world))
    views = [m.view for m in messages if isinstance(m, ViewChange)]
    assert len(set(views)) > 20
    authenticate(next(m for m in messages if isinstance(m, ViewChange)), world.terms)


def test_the_sync_liar_serves_what_is_not_the_chain(world: World) -> None:
    blocks = list(world.nodes[0].ledger.blocks)
    certificate = world.nodes[0].disk.best_stable()
    assert certificate is not None
    liar = adversary(world, "sync-liar")
    for _ in range(10):
        served, proof = liar.serve_blocks(blocks, certificate)
        assert (served, proof) != (blocks, certificate)
    boasts = [m for m in sent(liar, status(world)) if isinstance(m, StatusReport)]
    assert max(m.executed for m in boasts) == 112


def test_the_mutator_changes_one_small_thing(world: World) -> None:
    vote = own_vote(world)
    near = set()
    for seed in range(20):
        for message in sent(adversary(world, "mutator", seed), vote, range(1, 2)):
            assert isinstance(message, Vote)
            near.add((message.subject.view, message.subject.height, message.signer))
    assert (0, 21, 0) in near
    assert (1, 20, 0) in near
    assert (0, 20, 1) in near  # in another's name, refused by everybody
    assert all(abs(view) <= 1 and abs(height - 20) <= 1 for view, height, _ in near)


def test_a_twin_talks_to_each_validator_with_one_half_or_both_and_turns(world: World) -> None:
    twin = adversary(world, "twin")
    assert isinstance(twin, Twin)
    heard = {
        tuple(twin.hears(half, peer, NOW_MS + turn * 10_000) for half in (0, 1))
        for peer in range(1, 4)
        for turn in range(50)
    }
    assert heard == {(True, False), (False, True), (True, True)}
    assert twin.forget_after_ms(1) is None
    amnesiac = adversary(world, "amnesiac-twin")
    assert isinstance(amnesiac, Twin)
    assert amnesiac.forget_after_ms(0) is None
    assert amnesiac.forget_after_ms(1) is not None


def test_an_adversary_repeats_what_it_saw_before(world: World) -> None:
    liar = Adversary(random.Random(0), 4, 0, world.keyring_of(0, world.first))
    old = own_vote(world, height=3)
    liar.observe(replace(old, signer=ValidatorIndex(2)))
    messages = [m for _ in range(400) for _, m in liar.outgoing(1, own_vote(world), NOW_MS)]
    assert len(messages) > 400


def test_what_an_adversary_says_in_anothers_name_is_refused(world: World) -> None:
    forged = replace(own_vote(world), signer=ValidatorIndex(1))
    with pytest.raises(AuthenticationFailed):
        authenticate(forged, world.terms)
