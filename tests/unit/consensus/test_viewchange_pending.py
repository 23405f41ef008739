"""NEW-VIEWs that come early, late, twice or after a refusal; what entering forgets (V3, V7, V9)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bulwark.ledger.ids import Digest, Height, View
from bulwark.ledger.votes import VoteKind
from consensus.config import Config
from consensus.effects import Effect, Persist, Report, Send, SyncTo
from consensus.errors import InvariantViolation
from consensus.events import TimerFired, TxPending
from consensus.journal import body_key
from consensus.log import MAX_VOUCHED_BODIES
from consensus.messages import NewView, ViewChange, ViewChangeRequest
from consensus.newview import first_plan
from consensus.recovery import NewViewProof, Recovery
from consensus.types import Status, TimerName
from tests.unit.consensus.support import Subject, batch_of, only, sent


def changes(subject: Subject, view: int, signers: tuple[int, ...] = (0, 2, 3)) -> list[ViewChange]:
    """VIEW-CHANGEs for a view."""
    return [subject.view_change(view, signer) for signer in signers]


def active(subject: Subject) -> int:
    """The view entered last."""
    return subject.replica.snapshot().active_view


# -- leaving ---------------------------------------------------------------------------------------


def test_a_replica_leaves_only_for_a_view_above_its_own_v2() -> None:
    subject = Subject()
    subject.replica._changer.start(View(0))
    assert subject.replica.snapshot().status is Status.NORMAL
    for signer in (0, 3):
        subject.hear(subject.view_change(4, signer))
    for view in (3, 4):
        subject.replica._changer.start(View(view))
    assert (subject.replica.snapshot().view, subject.replica._state.outbox) == (4, [])


def alone(subject: Subject) -> list[Effect]:
    """Let the only validator's progress timer run out."""
    subject.give(TxPending(subject.now, 1))
    subject.now += Config().base_timeout_ms
    return subject.give(TimerFired(TimerName.PROGRESS))


def test_one_validator_alone_is_the_quorum_of_its_view_change_v5() -> None:
    subject = Subject(me=0, n=1)
    effects = alone(subject)
    assert [m.view for m in sent(effects, NewView)] == [1]
    assert (active(subject), subject.replica.snapshot().status) == (1, Status.NORMAL)


def test_a_crash_before_the_own_new_view_loses_no_view_change_p4() -> None:
    subject = Subject(me=0, n=1)
    first = next(effect for effect in alone(subject) if isinstance(effect, Persist))
    subject.records = {key: value for key, value in first.records if value is not None}
    again = subject.recover(0, subject.alliance.genesis_hash)
    assert [m.view for m in sent(again.started, NewView)] == [1]
    assert active(again) == 1


def test_without_a_view_change_under_way_none_is_sent_again_t5() -> None:
    subject = Subject()
    subject.replica._changer.resend()
    assert subject.replica._state.outbox == []


# -- collecting ------------------------------------------------------------------------------------


def test_the_checkpoint_in_a_view_change_is_learned_from_its_signer_c4() -> None:
    subject = Subject()
    certificate = subject.checkpoint(9)
    (sync,) = only(subject.hear(subject.view_change(1, 2, certificate)), SyncTo)
    assert (sync.certificate, sync.from_) == (certificate, 2)


def test_an_own_view_change_that_comes_back_is_not_taken_v3() -> None:
    subject = Subject()
    for signer in (0, 3):
        subject.hear(subject.view_change(4, signer))
    own = subject.replica._changer.own
    subject.hear(subject.view_change(7, subject.me), sender=2)
    assert subject.replica._changer.own == own


def test_a_view_change_for_the_active_view_or_below_is_late_v3() -> None:
    subject = Subject()
    subject.enter(2)
    for view in (1, 2):
        subject.hear(subject.view_change(view, 0))
    assert subject.replica.snapshot().view_changes == ()
    subject.hear(subject.view_change(3, 0))
    assert subject.replica.snapshot().view_changes == ((0, 3),)


def lure(subject: Subject, change: ViewChange, view: int) -> NewView:
    """A faulty leader's NEW-VIEW that names a VIEW-CHANGE for another view."""
    leader = view % subject.n
    others = [subject.view_change(view, i) for i in range(4) if i != change.signer]
    message = subject.new_view(others)
    named = sorted([(change.signer, change.hash()), *message.view_changes[:2]])
    unsigned = replace(message, view_changes=tuple(named))
    signature = subject.alliance.keyrings[leader].sign(NewView.TAG, unsigned.signed_body())
    return replace(unsigned, signature=signature)


def test_a_view_change_that_two_new_views_name_counts_for_both_v7() -> None:
    subject = Subject(me=1)
    given = changes(subject, 2)
    subject.hear(lure(subject, given[0], 4))
    for change in given[1:]:
        subject.hear(change)
    subject.hear(subject.new_view(given))
    subject.hear(given[0])
    assert active(subject) == 2


def test_a_view_entered_with_a_view_change_ends_the_wait_of_lower_ones_v9() -> None:
    subject = Subject(me=1)
    given = changes(subject, 4)
    subject.hear(lure(subject, given[2], 3))
    for change in given[:2]:
        subject.hear(change)
    subject.hear(subject.new_view(given))
    assert not only(subject.hear(given[2]), Report)
    assert active(subject) == 4
    assert subject.replica._changer._pending == {}


# -- NEW-VIEWs that wait ---------------------------------------------------------------------------


def test_a_new_view_does_not_displace_a_later_one_of_its_leader_v7() -> None:
    subject = Subject(me=0)
    later = changes(subject, 6, (1, 2, 3))
    assert sent(subject.hear(subject.new_view(later)), ViewChangeRequest)
    assert not subject.hear(subject.new_view(changes(subject, 2, (1, 2, 3))))
    for change in later:
        subject.hear(change, 2)
    assert active(subject) == 6


def test_a_later_new_view_displaces_an_earlier_one_of_its_leader_v7() -> None:
    subject = Subject(me=0)
    subject.hear(subject.new_view(changes(subject, 2, (1, 2, 3))))
    later = changes(subject, 6, (1, 2, 3))
    (request,) = sent(subject.hear(subject.new_view(later)), ViewChangeRequest)
    assert request.hashes == tuple(change.hash() for change in later)


def test_a_repeated_new_view_asks_again_for_what_is_still_missing_only_v7() -> None:
    subject = Subject()
    given = changes(subject, 2)
    message = subject.new_view(given)
    subject.hear(message)
    subject.hear(given[1], 2)
    (send,) = only(subject.hear(message, 3), Send)
    assert send.to == 3
    assert isinstance(send.message, ViewChangeRequest)
    assert (send.message.view, send.message.signer) == (2, subject.me)
    assert send.message.hashes == (given[0].hash(), given[2].hash())


def test_a_refused_new_view_does_not_block_its_leader_v7() -> None:
    subject = Subject()
    wrong = [subject.view_change(6, 0), subject.view_change(7, 2), subject.view_change(6, 3)]
    message = subject.new_view(wrong)
    subject.hear(message)
    for change in wrong:
        subject.hear(change, 2)
    assert active(subject) == 0
    right = changes(subject, 2)
    subject.hear(subject.new_view(right))
    for change in right:
        subject.hear(change, 2)
    assert active(subject) == 2


def test_a_new_view_completed_after_leaving_for_a_higher_view_is_not_entered_s10() -> None:
    subject = Subject()
    given = changes(subject, 2)
    subject.hear(subject.new_view(given))
    for signer in (0, 3):
        subject.hear(subject.view_change(3, signer))
    effects = [effect for change in given for effect in subject.hear(change, 2)]
    shot = subject.replica.snapshot()
    assert (shot.view, shot.active_view, shot.status) == (3, 0, Status.CHANGING)
    assert not only(effects, Report)


def test_a_view_that_is_not_above_the_active_one_is_never_entered_s10() -> None:
    subject = Subject()
    given = changes(subject, 2)
    subject.enter(2, given)
    proof = NewViewProof(subject.new_view(given), tuple(given))
    with pytest.raises(InvariantViolation, match="S10"):
        subject.replica._changer._enter(proof, first_plan(Height(0)), announce=False)


# -- what entering keeps and forgets ---------------------------------------------------------------


def test_only_the_leader_announces_its_new_view_v5() -> None:
    subject = Subject()
    assert not sent(subject.enter(2), NewView)


def test_entering_gives_the_new_proposer_its_whole_time_t1_t4() -> None:
    subject = Subject()
    subject.give(TxPending(subject.now, 1))
    subject.now += 900
    subject.enter(2)
    timers = dict(subject.replica.snapshot().timers)
    assert timers[TimerName.PROGRESS] == subject.now + Config().timeout_ms(2)
    patience = Config().timeout_ms(2, Config().request_timeout_ms)
    assert timers[TimerName.FAIRNESS] == subject.now + patience
    assert TimerName.RESEND not in timers


def test_entering_forgets_view_changes_up_to_the_view_and_keeps_higher_ones_v9() -> None:
    subject = Subject(n=7)
    for signer, view in ((0, 2), (2, 2), (3, 2), (4, 2), (5, 2), (6, 5)):
        subject.hear(subject.view_change(view, signer))
    given = [subject.replica._changer.pool[signer] for signer in (0, 2, 3, 4, 5)]
    subject.hear(subject.new_view(given))
    assert active(subject) == 2
    assert subject.replica.snapshot().view_changes == ((6, 5),)


def test_entering_forgets_waiting_new_views_up_to_the_view_and_keeps_higher_ones_v9() -> None:
    subject = Subject()
    lower, higher = changes(subject, 4), changes(subject, 7)
    for waiting in (lower, higher):
        subject.hear(subject.new_view(waiting))
    assert set(subject.replica._changer._pending) == {0, 3}
    subject.enter(6)
    assert active(subject) == 6
    assert set(subject.replica._changer._pending) == {3}
    for change in higher:
        subject.hear(change, 3)
    assert active(subject) == 7


def test_an_own_forgotten_new_view_that_comes_back_ends_with_the_view_v9() -> None:
    subject = Subject(me=1)
    forgotten = subject.new_view(changes(subject, 1))
    subject.hear(forgotten, sender=3)
    assert set(subject.replica._changer._pending) == {subject.me}
    prepared = (subject.certificate(VoteKind.PREPARE, 0, 1, batch_of(b"tx").digest),)
    for signer in (0, 2):
        subject.hear(subject.view_change(1, signer, None, prepared))
    assert active(subject) == 1
    assert subject.replica._changer._pending == {}


def test_bodies_that_no_certificate_needs_are_deleted_from_disk_on_entering_v9() -> None:
    genesis = Subject(start=False).alliance.genesis_hash
    batches = [batch_of(b"tx %d" % i) for i in range(MAX_VOUCHED_BODIES + 2)]
    bodies = tuple((Height(1), batch) for batch in batches)
    subject = Subject(recovery=Recovery(Height(0), genesis, bodies=bodies))
    effects = subject.enter(2)
    gone = {k for e in only(effects, Persist) for k, v in e.records if v is None}
    assert gone - {b"view-change"} == {body_key(Height(1), b.digest) for b in batches[:2]}


def test_a_view_change_request_is_served_from_pool_and_proof_r5() -> None:
    subject = Subject()
    waiting = subject.view_change(4, 3)
    subject.hear(waiting)

    def ask(*hashes: Digest) -> list[Send]:
        unsigned = ViewChangeRequest(View(4), hashes, waiting.signer, b"")
        signed = subject.alliance.keyrings[3].sign(ViewChangeRequest.TAG, unsigned.signed_body())
        return only(
            subject.hear(ViewChangeRequest(View(4), hashes, waiting.signer, signed)),
            Send,
        )

    assert ask(waiting.hash()) == [Send(waiting.signer, waiting)]
    given = changes(subject, 2)
    subject.enter(2, given)
    assert ask(given[0].hash(), waiting.hash()) == [
        Send(waiting.signer, waiting),
        Send(waiting.signer, given[0]),
    ]
    assert ask(Digest(bytes(32))) == []
