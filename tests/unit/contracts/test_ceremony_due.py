"""KeyCeremony: which session is due, who takes part, and how a session is given up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.bindings import (
    Role,
    encode_add_member,
    encode_remove_member,
    encode_set_roles,
)
from contracts.privacy.bindings import (
    DEFAULT_EPOCH_SECONDS,
    KEY_CEREMONY,
    CeremonyKind,
    CeremonyPhase,
    FailureNamed,
    KeyPurpose,
    SessionFailed,
    SessionOpened,
    encode_due,
    encode_open,
    encode_register,
    quota_epoch,
    read_due,
    read_failure,
    read_roster,
)
from contracts.privacy.keys import PRIVACY_KEYS
from tests.contracts.harness import member, signer
from tests.unit.contracts.ceremony_steps import (
    OTHER,
    PHASE_SECONDS,
    RESULT,
    TAG,
    advance,
    confirm,
    events,
    fail,
    make_sharing,
    open_session,
    post,
    run_to,
    sharing,
    state,
    voter,
)
from tests.unit.contracts.privacy_harness import (
    DAY,
    PrivacyChain,
    genesis_keys,
    privacy_alliance,
    prove,
    public,
    sealing,
    validators,
)

GENERATE, REFRESH, RESHARE = CeremonyKind
THIRTY_DAYS = 30 * DAY


def four() -> PrivacyChain:
    return privacy_alliance(validators(4))


def due(chain: PrivacyChain, purpose: KeyPurpose = TAG) -> CeremonyKind | None:
    """By the view, which must agree with the reads of storage."""
    kind = int.from_bytes(chain.view(KEY_CEREMONY, encode_due(purpose)), "big")
    epoch = quota_epoch(chain.now_s, DEFAULT_EPOCH_SECONDS)
    assert (read_due(chain.state.get_storage, purpose, chain.now_s, epoch) or 0) == kind
    return CeremonyKind(kind) if kind else None


def register(chain: PrivacyChain, name: str) -> None:
    proof = prove(b"ring-key", member(name).id, name)
    data = encode_register(public(name), proof, sealing(name))
    assert chain.send(signer(name), PRIVACY_KEYS, data).ok


def open_reason(chain: PrivacyChain, kind: CeremonyKind) -> str | None:
    return chain.send(voter(1), KEY_CEREMONY, encode_open(TAG, kind)).reason


def test_generation_is_due_until_there_is_a_sharing_and_never_again():
    chain = four()
    assert due(chain) is GENERATE
    for kind in (REFRESH, RESHARE):
        assert open_reason(chain, kind) == "bulwark: not due"
    make_sharing(chain)
    assert due(chain) is None
    for kind in CeremonyKind:
        assert open_reason(chain, kind) == "bulwark: not due"
    assert due(chain, KeyPurpose.COUNCIL) is GENERATE


def test_a_refresh_is_due_after_its_interval_and_counts_the_share_epoch():
    chain = four()
    make_sharing(chain)
    first = sharing(chain)
    assert first is not None
    chain.wait(THIRTY_DAYS - (chain.now_s - first.time_s) - 2)
    assert due(chain) is None
    chain.wait(0)
    assert due(chain) is REFRESH
    session = make_sharing(chain, REFRESH, result=OTHER)
    second = sharing(chain)
    assert second is not None
    assert (second.session, second.result_hash) == (session, OTHER)
    assert (second.key_id, second.share_epoch) == (1, 1)
    assert due(chain) is None


def test_nothing_opens_while_the_active_sharing_is_not_published():
    chain = four()
    make_sharing(chain)
    chain.parameter("refresh_order", 1)
    assert due(chain) is REFRESH
    # Any validator might open it at once, and then nobody would publish what came before.
    chain.published(bytes(32), TAG)
    assert due(chain) is None
    assert open_reason(chain, REFRESH) == "bulwark: not due"


def test_the_old_sharing_stays_while_a_refresh_runs_and_when_it_fails():
    chain = four()
    make_sharing(chain)
    before = sharing(chain)
    chain.wait(THIRTY_DAYS)
    session = open_session(chain, REFRESH)
    run_to(chain, session)
    assert confirm(chain, session, 1, OTHER).ok
    assert sharing(chain) == before
    chain.wait(PHASE_SECONDS)
    assert advance(chain, session).ok
    assert state(chain, session).phase is CeremonyPhase.FAILED
    assert sharing(chain) == before
    assert due(chain) is REFRESH


def test_a_holder_that_did_not_confirm_gets_a_share_by_a_reshare_in_place_of_the_refresh():
    chain = four()
    session = open_session(chain)
    run_to(chain, session)
    for index in (1, 2, 4):
        assert confirm(chain, session, index).ok
    chain.wait(PHASE_SECONDS)
    assert advance(chain, session).ok
    chain.published(session, TAG)
    assert due(chain) is None
    chain.parameter("refresh_order", 1)
    assert due(chain) is RESHARE
    assert open_reason(chain, REFRESH) == "bulwark: not due"
    again = make_sharing(chain, RESHARE)
    assert state(chain, again).holders == state(chain, session).holders
    chain.parameter("refresh_order", 2)
    assert due(chain) is REFRESH


def test_a_vote_forces_a_refresh_by_its_number_once():
    chain = four()
    chain.parameter("refresh_order", 3)
    make_sharing(chain)
    assert due(chain) is None
    chain.parameter("refresh_order", 4)
    assert due(chain) is REFRESH
    session = open_session(chain, REFRESH)
    chain.parameter("refresh_order", 5)
    run_to(chain, session)
    for index in (1, 2, 3, 4):
        assert confirm(chain, session, index).ok
    chain.published(session, TAG)
    found = sharing(chain)
    assert found is not None
    assert found.refresh_order == 4
    assert due(chain) is REFRESH
    chain.parameter("refresh_order", 2)
    assert due(chain) is None


def test_voted_intervals_take_the_place_of_the_defaults():
    chain = four()
    chain.parameter("refresh_seconds", 3_600)
    chain.parameter("ceremony_phase_seconds", 60)
    session = open_session(chain)
    assert state(chain, session).phase_seconds == 60
    assert state(chain, session).deadline_s == chain.now_s - 1 + 60
    run_to(chain, session)
    for index in (1, 2, 3, 4):
        assert confirm(chain, session, index).ok
    chain.published(session, TAG)
    chain.wait(3_600)
    assert due(chain) is REFRESH


def test_a_reshare_is_due_when_the_validators_are_others():
    chain = four()
    first = make_sharing(chain)
    assert chain.govern(encode_add_member(member("m4"))).ok
    assert due(chain) is None
    register(chain, "m4")
    assert due(chain) is None
    chain.wait(DAY)
    assert due(chain) is RESHARE
    assert open_reason(chain, REFRESH) == "bulwark: not due"
    (event,) = events(chain.send(voter(3), KEY_CEREMONY, encode_open(TAG, RESHARE)))
    assert isinstance(event, SessionOpened)
    assert event.holders == tuple(m.id for m in validators(5))
    assert (event.previous, event.key_id, event.share_epoch) == (first, 1, 1)
    assert state(chain, event.session).dealers_needed == 3
    assert state(chain, event.session).threshold == 4
    run_to(chain, event.session)
    for index in range(1, 6):
        assert confirm(chain, event.session, index).ok
    assert due(chain) is None


def test_a_validator_without_keys_changes_no_threshold():
    chain = privacy_alliance(validators(6))
    make_sharing(chain)
    assert chain.govern(encode_add_member(member("m6"))).ok
    assert due(chain) is None
    roster = read_roster(chain.state.get_storage, chain.epoch)
    assert (roster.threshold, roster.validators) == (4, 7)


def test_indices_are_given_anew_and_who_leaves_deals_last():
    chain = privacy_alliance(validators(5))
    make_sharing(chain)
    assert chain.govern(encode_set_roles(member("m1").id, Role.REPORTER)).ok
    assert chain.govern(encode_remove_member(member("m3").id)).ok
    assert due(chain) is RESHARE
    session = open_session(chain, RESHARE)
    found = state(chain, session)
    assert found.holders == tuple(member(name).id for name in ("m0", "m2", "m4"))
    assert found.leaving == (member("m1").id,)
    assert found.index_of(member("m1").id) == 4
    accounts = [signer(name) for name in ("m0", "m2", "m4", "m1")]
    assert post(chain, session, CeremonyPhase.COMMIT, 4, by=signer("m3")).reason is not None
    run_to(chain, session, accounts=accounts)
    outcome = confirm(chain, session, 4, by=signer("m1"))
    assert outcome.reason == "bulwark: not the holder"
    for index, by in enumerate(accounts[:3], 1):
        assert confirm(chain, session, index, by=by).ok
    assert state(chain, session).phase is CeremonyPhase.ACTIVE
    assert due(chain) is None


def test_validators_without_keys_are_left_out_and_taken_in_later():
    members = validators(4)
    chain = privacy_alliance(members, genesis_keys(members[:3]))
    session = open_session(chain)
    found = state(chain, session)
    assert found.holders == tuple(m.id for m in members[:3])
    assert (found.threshold, found.dealers_needed) == (2, 3)
    run_to(chain, session)
    for index in (1, 2, 3):
        assert confirm(chain, session, index).ok
    chain.published(session, TAG)
    register(chain, "m3")
    assert due(chain) is None
    chain.wait(DAY)
    assert due(chain) is RESHARE


@pytest.mark.parametrize(
    ("count", "keyed", "ok"),
    [(1, 0, False), (1, 1, True), (4, 2, False), (4, 3, True), (7, 4, False), (7, 5, True)],
)
def test_no_session_opens_that_could_not_reach_its_threshold(count, keyed, ok):
    members = validators(count)
    chain = privacy_alliance(members, genesis_keys(members[:keyed]))
    assert open_reason(chain, GENERATE) == (None if ok else "bulwark: too few keys")
    assert read_roster(chain.state.get_storage, chain.epoch).is_enough is ok


def test_a_threshold_of_holders_that_name_one_reason_end_a_session():
    chain = four()
    session = open_session(chain)
    assert events(fail(chain, session, 1)) == [FailureNamed(session, 1, OTHER, 1)]
    assert events(fail(chain, session, 2)) == [FailureNamed(session, 2, OTHER, 2)]
    assert fail(chain, session, 3, RESULT).ok
    assert state(chain, session).phase is CeremonyPhase.COMMIT
    assert events(fail(chain, session, 4)) == [
        FailureNamed(session, 4, OTHER, 3),
        SessionFailed(session, CeremonyPhase.COMMIT, OTHER),
    ]
    assert fail(chain, session, 3).reason == "bulwark: closed"
    assert open_session(chain) != session


def test_a_reason_can_be_replaced_but_counts_once():
    chain = four()
    session = open_session(chain)
    assert fail(chain, session, 1).ok
    assert fail(chain, session, 1).reason == "bulwark: posted already"
    assert fail(chain, session, 2).ok
    assert fail(chain, session, 1, RESULT).ok
    read = chain.state.get_storage
    assert read_failure(read, session, 1) == (RESULT, 1)
    assert read_failure(read, session, 2) == (OTHER, 1)
    assert read_failure(read, session, 3) is None
    assert fail(chain, session, 3).ok
    assert state(chain, session).phase is CeremonyPhase.COMMIT
    assert fail(chain, session, 1, bytes(32)).reason == "bulwark: zero reason"


def test_a_session_whose_result_stands_can_not_be_failed_after_its_time():
    chain = four()
    session = open_session(chain)
    run_to(chain, session)
    for index in (1, 2, 3):
        assert confirm(chain, session, index).ok
    assert fail(chain, session, 1).ok
    assert fail(chain, session, 2).ok
    chain.wait(PHASE_SECONDS)
    assert fail(chain, session, 4).reason == "bulwark: closed"
    assert advance(chain, session).ok
    assert state(chain, session).phase is CeremonyPhase.ACTIVE


STEPS = st.one_of(
    st.tuples(st.just("post"), st.integers(1, 4), st.sampled_from([b"", b"x", b"yy"])),
    st.tuples(st.just("confirm"), st.integers(1, 4), st.sampled_from([RESULT, OTHER])),
    st.tuples(st.just("fail"), st.integers(1, 4), st.sampled_from([RESULT, OTHER])),
    st.tuples(st.just("wait"), st.just(0), st.just(b"")),
    st.tuples(st.just("all"), st.just(0), st.just(b"")),
)


@settings(max_examples=12, deadline=None)
@given(st.booleans(), st.lists(STEPS, max_size=14))
def test_after_any_history_a_session_ends_once_and_activates_only_what_enough_confirmed(
    is_late, history
):
    chain = four()
    session = open_session(chain)
    if is_late:
        run_to(chain, session)
    said: dict[int, bytes] = {}
    for step, index, data in history:
        now = state(chain, session)
        if step == "post":
            post(chain, session, now.phase, index, data)
        elif step == "confirm":
            if confirm(chain, session, index, data).ok:
                said[index] = data
        elif step == "fail":
            fail(chain, session, index, data)
        elif step == "all" and now.phase < CeremonyPhase.CONFIRM:
            for party in (1, 2, 3, 4):
                post(chain, session, now.phase, party)
        elif step == "wait":
            chain.wait(PHASE_SECONDS)
            assert advance(chain, session).ok
        after = state(chain, session)
        assert after.phase >= now.phase
        if now.phase >= CeremonyPhase.ACTIVE:
            assert after.phase is now.phase
    active = sharing(chain)
    is_active = state(chain, session).phase is CeremonyPhase.ACTIVE
    assert (active is not None) == is_active
    if active is not None:
        assert list(said.values()).count(active.result_hash) >= 3
