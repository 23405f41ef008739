"""KeyCeremony: one ceremony from its opening to its end, phase by phase."""

from __future__ import annotations

import pytest
from eth_hash.auto import keccak

from contracts.bindings import encode_remove_member
from contracts.errors import OutOfRange
from contracts.privacy.bindings import (
    KEY_CEREMONY,
    MAX_POST_BYTES,
    NO_AGREEMENT,
    TOO_FEW_POSTS,
    CeremonyKind,
    CeremonyPhase,
    Confirmed,
    KeyPurpose,
    PhaseClosed,
    Posted,
    SessionFailed,
    SessionOpened,
    SharingActivated,
    encode_open,
    encode_post,
    read_confirmations,
    read_open_session,
    read_post_hash,
    read_session,
    read_session_count,
    session_id,
)
from tests.contracts.harness import CHAIN_ID, member, signer
from tests.unit.contracts.ceremony_steps import (
    OTHER,
    PHASE_SECONDS,
    PHASES,
    RESULT,
    TAG,
    advance,
    confirm,
    events,
    make_sharing,
    open_session,
    post,
    run_to,
    sharing,
    state,
    voter,
)
from tests.unit.contracts.privacy_harness import (
    REGULATOR,
    PrivacyChain,
    privacy_alliance,
    sealing,
    through_a_contract,
    validators,
)

COMMIT, DEAL, CONFIRM = CeremonyPhase.COMMIT, CeremonyPhase.DEAL, CeremonyPhase.CONFIRM
ACTIVE, FAILED = CeremonyPhase.ACTIVE, CeremonyPhase.FAILED
GENERATE = CeremonyKind.GENERATE
OPEN = encode_open(TAG, GENERATE)


def four() -> PrivacyChain:
    return privacy_alliance([*validators(4), REGULATOR])


def test_opening_fixes_members_sealing_keys_and_threshold():
    chain = four()
    block, now = chain.number, chain.now_s
    outcome = chain.send(voter(2), KEY_CEREMONY, OPEN)
    (event,) = events(outcome)
    assert isinstance(event, SessionOpened)
    assert event.holders == tuple(m.id for m in validators(4))
    assert event.sealing_keys == tuple(sealing(f"m{i}") for i in range(4))
    assert (event.threshold, event.leaving, event.previous) == (3, (), bytes(32))
    assert (event.number, event.key_id, event.share_epoch) == (1, 1, 0)
    assert event.deadline_s == now + PHASE_SECONDS
    assert event.session == outcome.output == session_id(event.terms(CHAIN_ID, block))
    found = state(chain, event.session)
    assert (found.phase, found.kind, found.purpose) == (COMMIT, GENERATE, TAG)
    assert (found.threshold, found.dealers_needed, found.opened_block) == (3, 3, block)
    assert found.index_of(member("m2").id) == 3
    assert found.index_of(REGULATOR.id) is None


def test_a_whole_ceremony_ends_with_an_active_sharing():
    chain = four()
    session = make_sharing(chain)
    found = sharing(chain)
    assert found is not None
    assert (found.session, found.result_hash) == (session, RESULT)
    assert (found.key_id, found.share_epoch) == (1, 0)
    assert (found.block_number, found.time_s) == (chain.number - 1, chain.now_s - 1)
    assert read_open_session(chain.state.get_storage, TAG) is None
    assert sharing(chain, KeyPurpose.COUNCIL) is None


def test_a_post_is_logged_with_its_bytes_and_kept_by_its_hash():
    chain = four()
    session = open_session(chain)
    outcome = post(chain, session, COMMIT, 2, b"commitment")
    assert events(outcome) == [Posted(session, COMMIT, 2, b"commitment")]
    read = chain.state.get_storage
    assert read_post_hash(read, session, COMMIT, 2) == keccak(b"commitment")
    assert read_post_hash(read, session, COMMIT, 1) is None
    assert read_post_hash(read, session, DEAL, 2) is None


def test_a_phase_closes_with_the_last_post_and_opens_the_next():
    chain = four()
    session = open_session(chain)
    for phase in PHASES:
        for index in (1, 2, 3):
            (only,) = events(post(chain, session, phase, index))
            assert isinstance(only, Posted)
        now = chain.now_s
        posted, closed = events(post(chain, session, phase, 4))
        assert isinstance(posted, Posted)
        assert closed == PhaseClosed(session, phase, 4, now + PHASE_SECONDS)
        found = state(chain, session)
        assert (found.phase, found.posts, found.spoken) == (phase + 1, 0, 0)
        assert found.deadline_s == now + PHASE_SECONDS


def test_nothing_to_say_closes_a_phase_of_few_bytes():
    chain = four()
    session = open_session(chain)
    run_to(chain, session, CeremonyPhase.COMPLAIN)
    for index in (1, 2, 3, 4):
        assert post(chain, session, CeremonyPhase.COMPLAIN, index, b"").ok
    assert state(chain, session).phase is CeremonyPhase.DEFEND
    read = chain.state.get_storage
    assert read_post_hash(read, session, CeremonyPhase.COMPLAIN, 4) == keccak(b"")


def test_nobody_posts_twice_in_a_phase():
    chain = four()
    session = open_session(chain)
    assert post(chain, session, COMMIT, 1, b"one").ok
    assert post(chain, session, COMMIT, 1, b"two").reason == "bulwark: posted already"
    assert post(chain, session, COMMIT, 1, b"one").reason == "bulwark: posted already"
    run_to_confirm = open_session(chain, purpose=KeyPurpose.COUNCIL)
    run_to(chain, run_to_confirm)
    assert confirm(chain, run_to_confirm, 1).ok
    assert confirm(chain, run_to_confirm, 1, OTHER).reason == "bulwark: posted already"


def test_a_post_of_another_phase_is_refused():
    chain = four()
    session = open_session(chain)
    for phase in CeremonyPhase:
        if phase is not COMMIT:
            assert post(chain, session, phase, 1).reason == "bulwark: wrong phase"
    assert confirm(chain, session, 1).reason == "bulwark: wrong phase"
    run_to(chain, session)
    assert post(chain, session, CONFIRM, 1).reason == "bulwark: wrong phase"


@pytest.mark.parametrize("index", [0, 2, 5, 2**255])
def test_a_member_posts_under_its_own_index_alone(index):
    chain = four()
    session = open_session(chain)
    outcome = post(chain, session, COMMIT, index, by=voter(1))
    assert outcome.reason == "bulwark: not the holder"
    assert confirm(chain, session, index, by=voter(1)).reason == "bulwark: not the holder"


def test_strangers_and_other_members_take_no_part():
    chain = four()
    assert chain.send(signer("regulator"), KEY_CEREMONY, OPEN).reason == "bulwark: not a validator"
    assert chain.send(signer("nobody"), KEY_CEREMONY, OPEN).reason == "bulwark: not a validator"
    session = open_session(chain)
    for index in (1, 5):
        for name in ("regulator", "nobody"):
            outcome = post(chain, session, COMMIT, index, by=signer(name))
            assert outcome.reason == "bulwark: not the holder"
    assert advance(chain, session, signer("nobody")).reason == "bulwark: not a member"
    assert advance(chain, session, signer("regulator")).ok
    assert chain.govern(encode_remove_member(member("m3").id)).ok
    assert post(chain, session, COMMIT, 4).reason == "bulwark: not the holder"


def test_accounts_with_code_take_no_part():
    chain = four()
    session = open_session(chain)
    calls = [OPEN, encode_post(session, COMMIT, 1, b"x")]
    for data in calls:
        outcome = through_a_contract(chain, voter(1), KEY_CEREMONY, data)
        assert outcome.reason == "bulwark: not an account"


def test_unknown_sessions_and_purposes_are_refused():
    chain = four()
    assert post(chain, OTHER, COMMIT, 1).reason == "bulwark: unknown session"
    assert advance(chain, OTHER).reason == "bulwark: unknown session"
    assert read_session(chain.state.get_storage, OTHER) is None
    for purpose in (0, 3, 2**255):
        data = OPEN[:4] + purpose.to_bytes(32, "big") + OPEN[36:]
        assert chain.send(voter(1), KEY_CEREMONY, data).reason == "bulwark: unknown purpose"


def test_one_session_a_purpose_is_open_at_a_time():
    chain = four()
    first = open_session(chain)
    assert chain.send(voter(2), KEY_CEREMONY, OPEN).reason == "bulwark: session open"
    second = open_session(chain, purpose=KeyPurpose.COUNCIL)
    assert first != second
    assert read_session_count(chain.state.get_storage) == 2


def test_the_longest_post_is_accepted_and_a_longer_one_is_not():
    chain = four()
    session = open_session(chain)
    data = b"\xee" * MAX_POST_BYTES
    (event,) = events(post(chain, session, COMMIT, 1, data))
    assert isinstance(event, Posted)
    assert event.data == data
    with pytest.raises(OutOfRange, match="bytes of a post"):
        encode_post(session, COMMIT, 1, data + b"\0")
    call = bytearray(encode_post(session, COMMIT, 2, data) + bytes(32))
    call[132:164] = (MAX_POST_BYTES + 1).to_bytes(32, "big")
    assert not chain.send(voter(2), KEY_CEREMONY, bytes(call)).ok


def test_a_phase_stays_open_until_its_time_is_over():
    chain = four()
    session = open_session(chain)
    for index in (1, 2, 3):
        assert post(chain, session, COMMIT, index).ok
    before = state(chain, session)
    assert events(advance(chain, session)) == []
    assert state(chain, session) == before
    chain.wait(before.deadline_s - chain.now_s - 1)
    assert chain.now_s == before.deadline_s
    (closed,) = events(advance(chain, session))
    assert closed == PhaseClosed(session, COMMIT, 3, before.deadline_s + PHASE_SECONDS)
    after = state(chain, session)
    assert (after.phase, after.posts) == (DEAL, 0)
    assert events(advance(chain, session)) == []
    assert state(chain, session) == after


def test_a_post_after_the_deadline_closes_the_phase_itself():
    chain = four()
    session = open_session(chain)
    for index in (1, 2, 3):
        assert post(chain, session, COMMIT, index).ok
    chain.wait(PHASE_SECONDS)
    assert post(chain, session, COMMIT, 4).reason == "bulwark: wrong phase"
    closed, posted = events(post(chain, session, DEAL, 4, b"late in COMMIT, not in DEAL"))
    assert isinstance(closed, PhaseClosed)
    assert isinstance(posted, Posted)
    assert state(chain, session).posts == 1


@pytest.mark.parametrize("phase", [COMMIT, DEAL, CeremonyPhase.EXTRACT])
@pytest.mark.parametrize("spoken", [2, 3])
def test_too_few_dealers_end_the_session(phase, spoken):
    chain = four()
    session = open_session(chain)
    run_to(chain, session, phase)
    for index in range(1, spoken + 1):
        assert post(chain, session, phase, index).ok
    chain.wait(PHASE_SECONDS)
    (event,) = events(advance(chain, session))
    if spoken == 3:
        assert isinstance(event, PhaseClosed)
        return
    assert event == SessionFailed(session, phase, TOO_FEW_POSTS)
    assert state(chain, session).phase is FAILED
    assert read_open_session(chain.state.get_storage, TAG) is None
    assert post(chain, session, phase, 3).reason == "bulwark: closed"
    assert events(advance(chain, session)) == []
    assert open_session(chain) != session


def test_empty_posts_are_no_dealings():
    chain = four()
    session = open_session(chain)
    for index in (1, 2):
        assert post(chain, session, COMMIT, index).ok
    assert post(chain, session, COMMIT, 3, b"").ok
    posted, failed = events(post(chain, session, COMMIT, 4, b""))
    assert isinstance(posted, Posted)
    assert failed == SessionFailed(session, COMMIT, TOO_FEW_POSTS)


@pytest.mark.parametrize("phase", [p for p in PHASES if p not in (COMMIT, DEAL, 5)])
def test_silence_where_nobody_must_speak_only_takes_time(phase):
    chain = four()
    session = open_session(chain)
    run_to(chain, session, phase)
    chain.wait(PHASE_SECONDS)
    assert events(advance(chain, session)) == [
        PhaseClosed(session, phase, 0, chain.now_s - 1 + PHASE_SECONDS)
    ]


def confirming() -> tuple[PrivacyChain, bytes]:
    chain = four()
    session = open_session(chain)
    run_to(chain, session)
    return chain, session


def test_all_confirmations_of_one_result_activate_at_once():
    chain, session = confirming()
    for index in (1, 2, 3):
        assert events(confirm(chain, session, index)) == [Confirmed(session, index, RESULT)]
        assert sharing(chain) is None
    assert events(confirm(chain, session, 4)) == [
        Confirmed(session, 4, RESULT),
        SharingActivated(TAG, session, RESULT, 1, 0, 4),
    ]
    assert confirm(chain, session, 4).reason == "bulwark: closed"


def test_n_minus_f_confirmations_activate_after_the_deadline_only():
    chain, session = confirming()
    for index in (1, 2, 4):
        assert confirm(chain, session, index).ok
    assert events(advance(chain, session)) == []
    assert sharing(chain) is None
    chain.wait(PHASE_SECONDS)
    assert events(advance(chain, session)) == [SharingActivated(TAG, session, RESULT, 1, 0, 3)]
    assert state(chain, session).phase is ACTIVE
    assert confirm(chain, session, 3).reason == "bulwark: closed"


def test_fewer_confirmations_never_activate():
    chain, session = confirming()
    for index in (1, 2):
        assert confirm(chain, session, index).ok
    chain.wait(PHASE_SECONDS)
    assert events(advance(chain, session)) == [SessionFailed(session, CONFIRM, NO_AGREEMENT)]
    assert sharing(chain) is None


@pytest.mark.parametrize("last", [2, 3, 4])
def test_different_results_never_activate(last):
    chain, session = confirming()
    for index in range(1, last + 1):
        result = RESULT if index % 2 else OTHER
        assert confirm(chain, session, index, result).ok
    chain.wait(PHASE_SECONDS)
    advance(chain, session)
    assert state(chain, session).phase is FAILED
    assert sharing(chain) is None


@pytest.mark.parametrize("odd", [1, 2, 4])
def test_one_odd_result_does_not_hinder_the_others(odd):
    chain, session = confirming()
    for index in (1, 2, 3, 4):
        assert confirm(chain, session, index, OTHER if index == odd else RESULT).ok
    found = sharing(chain)
    assert found is not None
    assert found.result_hash == RESULT
    read = chain.state.get_storage
    assert read_confirmations(read, session, RESULT) == 3
    assert read_confirmations(read, session, OTHER) == 1
    assert read_post_hash(read, session, CONFIRM, odd) == OTHER


def test_a_zero_result_is_refused():
    chain, session = confirming()
    assert confirm(chain, session, 1, bytes(32)).reason == "bulwark: zero result"
