"""The facade: total on peer input, strict with its driver, deterministic, bounded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Height, ValidatorIndex
from bulwark.ledger.signing import SigningDomain, SigningKey
from bulwark.ledger.votes import VoteKind
from consensus.config import Config
from consensus.effects import CheckBatch, Effect, Execute, NeedProposal
from consensus.errors import ConfigInvalid, LocalProtocolError
from consensus.events import (
    BatchChecked,
    Event,
    Executed,
    PeerDown,
    PeerUp,
    ProposalReady,
    SyncFailed,
    TimerFired,
    TxPending,
)
from consensus.keyring import LocalKeyring
from consensus.messages import Body, Decision, Message, StableProof
from consensus.recovery import Recovery
from consensus.replica import Replica
from consensus.types import TimerName
from tests.unit.consensus.support import Subject, batch_of, header_of

BATCHES = [batch_of(b"tx %d" % i) for i in range(3)]


def test_a_key_outside_the_validator_set_is_refused() -> None:
    alliance = Subject().alliance
    stranger = LocalKeyring(SigningKey(sha256(b"stranger")), alliance.domain)
    recovery = Recovery(Height(0), alliance.genesis_hash)
    with pytest.raises(LocalProtocolError):
        Replica(Config(), alliance.terms, stranger, recovery)
    other = SigningDomain(1, alliance.domain.genesis_hash, 1)
    with pytest.raises(LocalProtocolError):
        Replica(
            Config(),
            structs.replace(alliance.terms, domain=other),
            alliance.keyrings[0],
            recovery,
        )


def test_time_that_goes_back_is_the_drivers_mistake() -> None:
    subject = Subject()
    subject.now -= 1
    with pytest.raises(LocalProtocolError):
        subject.give(TxPending(None, 0))


@pytest.mark.parametrize(
    "wrong",
    [
        {"pipeline": 0},
        {"pipeline": 9},
        {"checkpoint_interval": 17},
        {"max_timeout_ms": 10},
        {"heartbeat_ms": -1},
        {"rotation": 1.5},
    ],
)
def test_parameters_outside_their_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigInvalid):
        Config(**wrong)


def test_the_window_is_8_or_4_checkpoint_intervals() -> None:
    assert [Config(checkpoint_interval=k).window for k in (1, 2, 3, 16)] == [8, 8, 12, 64]


def test_the_snapshot_is_frozen_and_plain() -> None:
    shot = Subject().replica.snapshot()
    with pytest.raises(AttributeError, match="immutable"):
        shot.view = 9  # type: ignore[misc, assignment]
    assert (shot.view, shot.executed, shot.high, shot.proposer) == (0, 0, 8, 0)


def peer_messages() -> st.SearchStrategy[Message]:
    """Correctly signed messages that say anything, as Byzantine validators may send them."""
    peers = Subject(start=False)
    view, height = st.integers(0, 5), st.integers(0, 20)
    batch, signer = st.sampled_from(BATCHES), st.sampled_from([0, 2, 3])
    kind = st.sampled_from(VoteKind)
    commits = {
        (h, b.digest): peers.certificate(VoteKind.COMMIT, 0, h, b.digest)
        for h in range(1, 18)
        for b in BATCHES[:1]
    }

    def vote(kind: VoteKind, v: int, h: int, b: int, s: int) -> Message:
        shown = 0 if kind is VoteKind.CHECKPOINT else v
        return peers.vote(kind, shown, h, BATCHES[b].digest, s)

    def change(v: int, s: int, h: int, top: int) -> Message:
        prepared = (peers.certificate(VoteKind.PREPARE, 0, top, BATCHES[0].digest),) if top else ()
        return peers.view_change(v + 1, s, None, prepared)

    return st.one_of(
        st.builds(vote, kind, view, height, st.integers(0, 2), signer),
        st.builds(peers.pre_prepare, view, height, batch, signer),
        st.builds(change, view, signer, height, st.integers(0, 8)),
        st.builds(
            lambda v, digests: peers.new_view(
                [peers.view_change(v + 1, i) for i in (0, 2, 3)], tuple(digests)
            ),
            view,
            st.lists(st.sampled_from([b.digest for b in BATCHES]), max_size=3),
        ),
        st.builds(peers.status, signer, view, height, height, st.booleans()),
        st.builds(lambda h, b: Body(Height(h), b), height, batch),
        st.builds(
            lambda h: Decision(commits[h, BATCHES[0].digest], BATCHES[0]), st.integers(1, 17)
        ),
        st.builds(
            lambda h: StableProof(peers.checkpoint(h, header_of(h, BATCHES[0].digest))),
            st.integers(1, 20),
        ),
    )


MOVES = st.one_of(
    peer_messages(),
    st.sampled_from(list(TimerName)).map(TimerFired),
    st.integers(0, 2).map(lambda c: ("pending", c)),
    st.sampled_from([PeerUp(ValidatorIndex(0)), PeerDown(ValidatorIndex(0)), SyncFailed()]),
    st.integers(1, 3_000),
)


def answers(effect: Effect) -> list[Event]:
    """What a driver answers."""
    match effect:
        case CheckBatch(digest=digest):
            return [BatchChecked(digest, digest != BATCHES[2].digest)]
        case Execute(height=height, batch=batch):
            return [Executed(height, header_of(height, batch.digest))]
        case NeedProposal(view=view, height=height):
            return [ProposalReady(view, height, BATCHES[1])]
        case _:
            return []


@given(st.lists(MOVES, max_size=40))
@settings(deadline=None, max_examples=120)
def test_step_is_total_on_peer_input_and_stays_bounded(moves: list[object]) -> None:
    one, twin = Subject(me=1), Subject(me=1)
    for move in moves:
        if isinstance(move, int):
            one.now += move
            twin.now += move
            continue
        queue: list[Event] = []
        if isinstance(move, tuple):
            queue = [TxPending(one.now if move[1] else None, move[1])]
        elif isinstance(move, TimerFired | PeerUp | PeerDown | SyncFailed):
            queue = [move]
        else:
            effects = one.hear(move)  # type: ignore[arg-type]
            assert effects == twin.hear(move)  # type: ignore[arg-type]
            queue = [event for effect in effects for event in answers(effect)]
        while queue:
            event = queue.pop(0)
            effects = one.give(event)
            assert effects == twin.give(event)
            queue += [answer for effect in effects for answer in answers(effect)]
        shot = one.replica.snapshot()
        assert len(shot.slots) <= 2 * 8 + 1
        assert shot.buffered <= 3 * 48
        assert len(shot.view_changes) <= 4
