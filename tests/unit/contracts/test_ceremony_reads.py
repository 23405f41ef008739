"""Reads of the ceremony's storage equal the contract's own views at every step."""

from __future__ import annotations

import pytest

from bulwark.ledger.ids import Address
from contracts.artifact import load_artifact
from contracts.bindings import Role, encode_set_roles
from contracts.errors import DamagedStorage
from contracts.privacy.bindings import (
    KEY_CEREMONY,
    OPENINGS,
    CeremonyKind,
    CeremonyPhase,
    KeyPurpose,
    read_case,
    read_confirmations,
    read_open_session,
    read_post_hash,
    read_session,
    read_sharing,
    read_vote,
)
from contracts.privacy.ceremony import (
    CONFIRM_SELECTOR,
    OPEN_SELECTOR,
)
from tests.contracts.harness import member
from tests.unit.contracts.ceremony_steps import (
    OTHER,
    RESULT,
    TAG,
    confirm,
    fail,
    make_sharing,
    open_session,
    run_to,
    state,
    voter,
)
from tests.unit.contracts.privacy_harness import PrivacyChain, privacy_alliance, validators


def view(chain: PrivacyChain, signature: str, *words: bytes) -> list[bytes]:
    selector = load_artifact("KeyCeremony").method_identifiers[signature]
    output = chain.view(KEY_CEREMONY, selector + b"".join(words))
    return [output[at : at + 32] for at in range(0, len(output), 32)]


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def assert_reads_are_views(chain: PrivacyChain, session: bytes) -> None:
    read = chain.state.get_storage
    found = state(chain, session)
    packed, opened, roster, leading = view(chain, "session(bytes32)", session)
    assert (roster, leading) == (found.roster_hash, found.leading)
    assert int.from_bytes(opened) == found.opened_block | found.refresh_order << 64
    assert packed[-1] == found.phase
    assert packed[-4] == len(found.holders)
    assert packed[3] == len(found.holders) + len(found.leaving)
    assert view(chain, "holders(bytes32)", session)[2:] == list(found.holders)
    assert view(chain, "leaving(bytes32)", session)[2:] == list(found.leaving)
    for purpose in KeyPurpose:
        (open_id,) = view(chain, "open_session(uint256)", word(purpose))
        assert open_id == (read_open_session(read, purpose) or bytes(32))
        active = read_sharing(read, purpose)
        words = view(chain, "sharing(uint256)", word(purpose))
        assert words[:2] == (
            [active.session, active.result_hash] if active else [bytes(32), bytes(32)]
        )
    for phase in CeremonyPhase:
        for index in range(6):
            (kept,) = view(
                chain, "post_hash(bytes32,uint256,uint256)", session, word(phase), word(index)
            )
            assert kept == (read_post_hash(read, session, phase, index) or bytes(32))
    for result in (RESULT, OTHER):
        (count,) = view(chain, "confirmations(bytes32,bytes32)", session, result)
        assert int.from_bytes(count) == read_confirmations(read, session, result)


def test_reads_are_views_all_through_a_ceremony():
    chain = privacy_alliance(validators(4))
    session = open_session(chain)
    assert_reads_are_views(chain, session)
    run_to(chain, session, CeremonyPhase.DEAL)
    fail(chain, session, 2)
    assert_reads_are_views(chain, session)
    run_to(chain, session)
    confirm(chain, session, 1)
    confirm(chain, session, 2, OTHER)
    assert_reads_are_views(chain, session)
    confirm(chain, session, 3)
    confirm(chain, session, 4)
    assert_reads_are_views(chain, session)


def test_reads_are_views_of_a_session_in_which_somebody_leaves():
    chain = privacy_alliance(validators(5))
    make_sharing(chain)
    assert chain.govern(encode_set_roles(member("m4").id, Role.REPORTER)).ok
    session = open_session(chain, CeremonyKind.RESHARE, TAG)
    assert state(chain, session).leaving == (member("m4").id,)
    assert_reads_are_views(chain, session)


@pytest.mark.parametrize("damage", [1, 11, 1 | 3 << 8, 1 | 1 << 8 | 4 << 16])
def test_a_session_that_the_contract_never_writes_is_refused(damage):
    def read_slot(contract: Address, slot: int) -> int:
        return damage

    with pytest.raises(DamagedStorage, match="session"):
        read_session(read_slot, RESULT)


def test_a_case_or_vote_that_the_contract_never_writes_is_refused():
    def read_slot(contract: Address, slot: int) -> int:
        assert contract == OPENINGS
        return 9

    with pytest.raises(DamagedStorage, match="state 9"):
        read_case(read_slot, RESULT, 0)
    with pytest.raises(DamagedStorage, match="vote 9"):
        read_vote(read_slot, RESULT, OTHER)


def test_other_calls_and_values_are_refused_by_the_compiler_without_a_reason():
    chain = privacy_alliance(validators(4))
    for data in (b"", b"\x00\x00\x00\x01", OPEN_SELECTOR + word(1), CONFIRM_SELECTOR + word(1)):
        outcome = chain.send(voter(1), KEY_CEREMONY, data)
        assert (outcome.ok, outcome.reason) == (False, "")
