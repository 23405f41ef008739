"""Each invariant fires on a planted violation, and none on a calm world or on worlds of the swarm.

The planted bugs (`test_planted`) show the same from the inside of the core; here each checker is
asked directly.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from bulwark.ledger.batch import Batch
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Epoch, Height, TimestampMs, ValidatorIndex, View
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from consensus.effects import EpochEnded, Execute, Halt, SetTimer
from consensus.evidence import DoubleVote
from consensus.journal import encode_new_view
from consensus.messages import NewView, ViewChange, Vote
from consensus.types import TimerName
from tests.simulation.checkers import Checkers, Violation
from tests.simulation.network import Weather
from tests.simulation.node import SimNode
from tests.simulation.options import Options
from tests.simulation.world import World

PREPARE, COMMIT, CHECKPOINT = VoteKind.PREPARE, VoteKind.COMMIT, VoteKind.CHECKPOINT
OTHER = sha256(b"something else")


@pytest.fixture
def world() -> World:
    """A calm world that has run."""
    done = World(Options(blocks=12, seed=2))
    done.run()
    return done


def fires(number: int, rule: str, action: Callable[[], object]) -> None:
    """The action violates this invariant by this rule."""
    with pytest.raises(Violation, match=f"invariant {number} {rule}"):
        action()


def vote(node: SimNode, kind: VoteKind, view: int, height: int, digest: Digest = OTHER) -> Vote:
    """A signed vote of a node."""
    subject = VoteSubject(kind, View(view), Height(height), digest)
    keyring = node.world.keyring_of(node.index, node.span)
    return Vote(subject, node.index, keyring.sign_vote(subject))


def certificate(world: World, subject: VoteSubject, signers: tuple[int, ...]) -> Certificate:
    """A certificate with these real signatures."""
    keys = [world.keyring_of(i, world.first) for i in signers]
    pairs = zip(signers, keys, strict=True)
    return Certificate(subject, tuple((ValidatorIndex(i), k.sign_vote(subject)) for i, k in pairs))


# -- 1 to 3: the chain ---------------------------------------------------------------------------


def test_another_batch_at_a_height_is_a_violation_of_agreement(world: World) -> None:
    node = world.nodes[1]
    forged = dataclasses.replace(
        node.ledger.blocks[0], batch=Batch(TimestampMs(1), (b"tx forged",))
    )
    fires(1, "agreement", lambda: world.checkers.on_block(node, forged))


def test_a_block_out_of_order_or_with_another_header_violates_total_order(world: World) -> None:
    node = world.nodes[1]
    last = node.ledger.blocks[-1]
    fires(2, "total order", lambda: world.checkers.on_block(node, last))
    order = Checkers(world).order
    order._record.chain.update(world.checkers.record.chain)
    forged = dataclasses.replace(node.ledger.blocks[0], header_hash=OTHER)
    fires(2, "total order", lambda: order.on_block(node, forged))


def test_a_transaction_that_nobody_submitted_violates_integrity(world: World) -> None:
    block = world.nodes[0].ledger.blocks[0]
    forged = dataclasses.replace(block, batch=Batch(TimestampMs(1), (b"tx forged",)))
    fires(3, "integrity", lambda: world.checkers.integrity.on_new_block(world.nodes[0], forged))
    world.checkers.integrity.repeated = 1
    fires(3, "integrity", world.checkers.integrity.at_end)


# -- 4 to 6: what is signed ----------------------------------------------------------------------


def test_two_digests_prepared_in_one_view_at_one_height_are_noticed(world: World) -> None:
    block = world.nodes[0].ledger.blocks[0]
    forged = replace(block.commit, subject=replace(block.commit.subject, digest=OTHER))
    unique = world.checkers.unique
    fires(4, "prepared-uniqueness", lambda: unique.on_certificate(0, forged))


@pytest.mark.parametrize("kind", list(VoteKind))
def test_a_second_vote_with_another_digest_is_equivocation(world: World, kind: VoteKind) -> None:
    node = world.nodes[2]
    fires(5, "non-equivocation", lambda: world.checkers.on_send(node, vote(node, kind, 0, 3)))


def test_a_second_view_change_for_one_view_is_equivocation(world: World) -> None:
    node, checkers = world.nodes[2], world.checkers
    first = ViewChange(View(1), None, (), node.index, b"")
    assert checkers.equivocation.on_view_change(node, first)
    second = replace(first, checkpoint=node.disk.best_stable())
    fires(5, "non-equivocation", lambda: checkers.equivocation.on_view_change(node, second))


def test_a_vote_in_a_view_that_was_left_is_noticed(world: World) -> None:
    node, views = world.nodes[2], world.checkers.views
    stable = node.disk.best_stable()
    views.on_view_change(node, ViewChange(View(2), stable, (), node.index, b""))
    fires(6, "V8", lambda: views.on_vote(node, vote(node, PREPARE, 1, 99)))


def test_a_view_change_that_hides_a_commit_is_noticed(world: World) -> None:
    node, views = world.nodes[2], world.checkers.views
    hides = ViewChange(View(2), None, (), node.index, b"")
    fires(6, "V2", lambda: views.on_view_change(node, hides))


def test_a_view_that_goes_back_is_noticed(world: World) -> None:
    world.checkers.views.on_snapshot(world.nodes[0], 5)
    fires(6, "S10", lambda: world.checkers.views.on_snapshot(world.nodes[0], 4))


# -- 7 and 8: views and certificates -------------------------------------------------------------


def new_view(world: World, digests: tuple[Digest, ...], base: Certificate | None) -> bytes:
    """The record of a NEW-VIEW 1 that stands on three VIEW-CHANGEs without certificates."""
    changes = tuple(ViewChange(View(1), base, (), ValidatorIndex(i), b"\0" * 65) for i in range(3))
    named = tuple((change.signer, change.hash()) for change in changes)
    message = NewView(View(1), named, digests, ValidatorIndex(1), b"\0" * 65)
    return encode_new_view(message, changes)


def test_a_new_view_with_another_o_is_noticed(world: World) -> None:
    node, checker = world.nodes[0], world.checkers.new_views
    stable = node.disk.best_stable()
    checker.on_record(node, new_view(world, (), stable))
    fires(7, "V6", lambda: checker.on_record(node, new_view(world, (OTHER,), stable)))


def test_a_new_view_that_drops_what_was_executed_is_noticed(world: World) -> None:
    node = world.nodes[0]
    fires(
        7, "V6.*replaces the executed", lambda: world.checkers.new_views.on_record(
            node, new_view(world, (), None)
        )
    )  # fmt: skip


def test_a_certificate_of_too_few_of_one_signer_twice_or_of_another_epoch_is_noticed(
    world: World,
) -> None:
    check, terms = world.checkers.certificates.check, world.terms
    subject = VoteSubject(CHECKPOINT, View(0), Height(5), OTHER)
    check(terms, certificate(world, subject, (0, 1, 2)))
    fires(8, "certificate", lambda: check(terms, certificate(world, subject, (0, 1))))
    fires(8, "certificate", lambda: check(terms, certificate(world, subject, (0, 1, 1))))
    later = replace(terms, domain=dataclasses.replace(terms.domain, epoch=Epoch(1)))
    fires(8, "certificate", lambda: check(later, certificate(world, subject, (0, 1, 2))))


def test_a_certificate_used_for_another_height_or_kind_is_noticed(world: World) -> None:
    node, use = world.nodes[0], world.checkers.certificates.on_use
    commit = node.ledger.blocks[3].commit
    fires(8, "certificate", lambda: use(node, commit, COMMIT, 5))
    fires(8, "certificate", lambda: use(node, commit, CHECKPOINT, 4))


# -- 9 and 10: disks and memory ------------------------------------------------------------------


@pytest.mark.parametrize("kind", [PREPARE, COMMIT])
def test_a_vote_that_leaves_before_its_record_is_noticed(world: World, kind: VoteKind) -> None:
    node = world.nodes[0]
    fires(9, "P1", lambda: world.checkers.durability.on_vote(node, vote(node, kind, 0, 99)))


def test_a_checkpoint_of_a_block_that_is_not_written_is_noticed(world: World) -> None:
    node = world.nodes[0]
    fires(9, "C1", lambda: world.checkers.durability.on_vote(node, vote(node, CHECKPOINT, 0, 99)))


def test_blocks_that_were_announced_and_are_gone_after_a_crash_are_noticed(world: World) -> None:
    node = world.nodes[0]
    del node.disk.ledger.blocks[5:]
    fires(9, "durability", lambda: world.checkers.on_crash(node))


def test_a_wiped_node_that_votes_too_early_is_noticed(world: World) -> None:
    node = world.nodes[0]
    world.crash(node)
    node.wipe()
    fires(9, "P6", lambda: world.checkers.durability.on_vote(node, vote(node, PREPARE, 0, 5)))


def test_a_prepare_for_a_time_ahead_of_the_clock_is_noticed(world: World) -> None:
    node = world.nodes[0]
    ahead = node.now() + 10_000
    fires(9, "O3", lambda: world.checkers.durability._time(node, 0, 99, ahead))


class Swollen:
    """A replica that keeps too much."""

    def __init__(self, replica: Any, **changes: Any) -> None:
        self._replica = replica
        self._changes = changes

    def snapshot(self) -> Any:
        """The true picture with some numbers changed."""
        return replace(self._replica.snapshot(), **self._changes)


@pytest.mark.parametrize("field", ["buffered", "live_records"])
def test_memory_above_its_bound_is_noticed(world: World, field: str) -> None:
    node = world.nodes[0]
    node.replica = Swollen(node.replica, **{field: 100_000})  # type: ignore[assignment]
    fires(10, "bounds", lambda: world.checkers.bounds.look(node))


# -- 11 to 13: progress --------------------------------------------------------------------------


def test_too_many_views_or_too_much_time_between_two_blocks_is_noticed(world: World) -> None:
    node, liveness = world.nodes[0], world.checkers.liveness
    block = node.ledger.blocks[-1]
    subject = replace(block.commit.subject, view=View(9))
    far = dataclasses.replace(block, commit=replace(block.commit, subject=subject))
    fires(11, "liveness", lambda: liveness.on_new_block(node, far))
    world.now += 10_000_000
    fires(11, "liveness", lambda: liveness.on_new_block(node, block))


def test_an_honest_node_that_ends_far_behind_is_noticed(world: World) -> None:
    del world.nodes[3].disk.ledger.blocks[1:]
    fires(11, "liveness", world.checkers.liveness.at_end)


def test_a_repeated_vote_or_a_view_change_in_a_calm_world_is_noticed(world: World) -> None:
    node, calm = world.nodes[0], world.checkers.calm
    calm.on_send(node, vote(node, COMMIT, 0, 3))
    fires(12, "calm", calm.at_end)
    change = ViewChange(View(1), None, (), node.index, b"")
    fires(12, "calm", lambda: calm.on_send(node, change))


def test_a_request_that_waits_for_more_than_f_plus_1_rotations_is_noticed(world: World) -> None:
    node, fairness = world.nodes[0], world.checkers.fairness
    world.submitted.append(b"tx late")
    block = node.ledger.blocks[-1]
    empty = dataclasses.replace(block, batch=Batch(TimestampMs(1), ()))
    fairness.on_new_block(node, empty)
    for _ in range(500):
        fairness.on_new_block(node, empty)
    late = dataclasses.replace(block, batch=Batch(TimestampMs(1), (b"tx late",)))
    fires(13, "fairness", lambda: fairness.on_new_block(node, late))


def test_blocks_that_a_new_view_had_to_carry_do_not_count_against_its_proposers(
    world: World,
) -> None:
    node, checkers = world.nodes[0], world.checkers
    world.submitted.append(b"tx behind O")
    block = node.ledger.blocks[-1]
    empty = dataclasses.replace(block, batch=Batch(TimestampMs(1), ()))
    checkers.fairness.on_new_block(node, empty)
    epoch = checkers.record.terms(node).domain.epoch
    checkers.record.first_fresh[epoch, block.commit.subject.view] = block.height + 1
    for _ in range(500):
        checkers.fairness.on_new_block(node, empty)
    served = dataclasses.replace(block, batch=Batch(TimestampMs(1), (b"tx behind O",)))
    checkers.fairness.on_new_block(node, served)


def test_a_request_that_starves_while_blocks_go_on_is_noticed(world: World) -> None:
    node, fairness = world.nodes[0], world.checkers.fairness
    world.submitted.append(b"tx starved")
    empty = dataclasses.replace(node.ledger.blocks[-1], batch=Batch(TimestampMs(1), ()))
    fairness.on_new_block(node, empty)
    world.now += 10_000_000
    fires(13, "fairness", lambda: fairness.on_new_block(node, empty))


# -- beside the fourteen -------------------------------------------------------------------------


def test_a_halt_of_an_honest_node_is_noticed(world: World) -> None:
    halt = [Halt("its own fault")]
    fires(0, "halt", lambda: world.checkers._effect(world.nodes[0], halt[0]))


def test_evidence_against_an_honest_node_or_that_proves_nothing_is_noticed(world: World) -> None:
    node = world.nodes[0]
    evidence = DoubleVote(vote(node, PREPARE, 0, 1), vote(node, PREPARE, 0, 1))
    fires(0, "evidence", lambda: world.checkers.on_report(world.nodes[1], evidence))
    world.byzantine[0] = world.byzantine.get(0)  # type: ignore[assignment]
    fires(0, "evidence", lambda: world.checkers.on_report(world.nodes[1], evidence))


def test_an_epoch_that_ends_where_nothing_decided_it_is_noticed(world: World) -> None:
    node = world.nodes[0]
    stable = node.disk.best_stable()
    assert stable is not None
    fires(0, "E3", lambda: world.checkers._effect(node, EpochEnded(stable)))


def test_execution_out_of_order_and_timers_without_a_quorum_are_noticed(world: World) -> None:
    node, checkers = world.nodes[0], world.checkers
    block = node.ledger.blocks[0]
    again = Execute(Height(1), block.batch, block.commit)
    fires(0, "O9", lambda: checkers._effect(node, again))
    early = SetTimer(TimerName.NEW_VIEW, node.now() + 5)
    fires(0, "T3", lambda: checkers._effect(node, early))
    late = SetTimer(TimerName.PROGRESS, node.now() + 10_000_000)
    fires(0, "T4", lambda: checkers._effect(node, late))


def test_a_record_that_goes_before_its_height_is_final_is_noticed(world: World) -> None:
    node = world.nodes[0]
    key = b"vote/\x01" + (99).to_bytes(8, "big")
    fires(9, "P3", lambda: world.checkers.deletions.on_delete(node, key))


def test_block_sync_that_goes_back_or_hurries_is_noticed(world: World) -> None:
    node, execution = world.nodes[0], world.checkers.execution
    execution.on_sync_to(node, 20)
    fires(0, "C4", lambda: execution.on_sync_to(node, 21))
    execution.on_synced(node)
    execution.on_sync_to(node, 10)


# -- nothing fires falsely, and 14 ---------------------------------------------------------------


def test_a_calm_world_of_constant_delays_sends_exactly_what_three_phases_cost() -> None:
    world = World(Options(blocks=30, seed=5, weather=Weather(0), fsync_ms=0))
    world.lasts.execution = lambda: 1  # type: ignore[method-assign]
    world.lasts.check = lambda: 1  # type: ignore[method-assign]
    world.run()
    world.checkers.at_end(exact=True)
    assert world.checkers.reports == 0


@pytest.mark.parametrize(("n", "seed"), [(4, 3), (5, 1), (6, 2), (7, 4), (10, 1)])
def test_no_checker_fires_in_a_sound_world_of_the_swarm(n: int, seed: int) -> None:
    World(Options.from_seed(seed, n, 12)).run()


PROGRAM = """
from tests.simulation.options import Options
from tests.simulation.world import World
world = World(Options.from_seed(7, 4, 10))
world.run()
print(world.trace, world.now, world.steps, world.sent)
"""


def test_the_same_seed_is_the_same_run_whatever_the_hash_seed_is() -> None:
    """Invariant 14."""
    answers = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("0", "1", "4242")
    }
    assert len(answers) == 1
