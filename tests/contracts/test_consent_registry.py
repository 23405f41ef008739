"""ConsentRegistry on py-evm: the path none, given, renewed, withdrawn, and every refusal."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.bindings import (
    CONSENT_REGISTRY,
    MEMBER_REGISTRY,
    ConsentAnchored,
    ConsentState,
    ConsentStatus,
    Role,
    consent_registry_init_code,
    decode_consent_anchored,
    decode_status,
    encode_add_member,
    encode_give,
    encode_remove_member,
    encode_renew,
    encode_set_keys,
    encode_set_roles,
    encode_status,
    encode_withdraw,
    load_artifact,
    member_id_bytes,
)
from tests.contracts.harness import Chain, Outcome, alliance, member, signer

ANCHOR = b"\x0a" * 32
COMMITMENT = b"\x0c" * 32
DAY = 20_500
ALPHA = signer("alpha")
BETA = signer("beta")
GOVERNOR = signer("governor")
OTHER = b"\x0d" * 32
GIVE = encode_give(ANCHOR, COMMITMENT, 3, 4, DAY)
WITHDRAW = encode_withdraw(ANCHOR, 9)
RENEW = encode_renew(ANCHOR, OTHER, DAY + 365)


def _send(chain: Chain, by, data: bytes) -> Outcome:
    return chain.send(by, CONSENT_REGISTRY, data)


def _status(chain: Chain, anchor_id: bytes = ANCHOR) -> ConsentStatus:
    return decode_status(chain.view(CONSENT_REGISTRY, encode_status(anchor_id)))


def _event(outcome: Outcome) -> ConsentAnchored | None:
    (entry,) = outcome.logs
    return decode_consent_anchored(*entry)


def _given() -> Chain:
    chain = alliance()
    assert _send(chain, ALPHA, GIVE).ok
    return chain


def _govern(chain: Chain, data: bytes) -> None:
    assert chain.send(GOVERNOR, MEMBER_REGISTRY, data).ok


def _replace_account(chain: Chain, name: str, account: bytes) -> None:
    node = signer(f"{name} node").address
    _govern(chain, encode_set_keys(member_id_bytes(name), node, account, bytes(32)))


def test_unknown_anchor_has_no_state():
    assert _status(alliance()) == ConsentStatus(ConsentState.NONE, bytes(20), bytes(32), 0)


def test_gift_is_logged_once_and_kept():
    chain = alliance()
    event = _event(_send(chain, ALPHA, GIVE))
    assert event == ConsentAnchored(
        ALPHA.address, ANCHOR, COMMITMENT, ConsentState.GIVEN, 3, 4, 0, DAY
    )
    assert _status(chain) == ConsentStatus(ConsentState.GIVEN, ALPHA.address, COMMITMENT, DAY)


def test_withdrawal_repeats_the_gift_and_carries_the_reason():
    chain = _given()
    event = _event(_send(chain, ALPHA, WITHDRAW))
    assert event == ConsentAnchored(
        ALPHA.address, ANCHOR, COMMITMENT, ConsentState.WITHDRAWN, 3, 0, 9, DAY
    )
    assert _status(chain) == ConsentStatus(ConsentState.WITHDRAWN, ALPHA.address, COMMITMENT, DAY)


@settings(deadline=None, max_examples=25)
@given(
    commitment=st.binary(min_size=32, max_size=32).filter(any),
    codes=st.tuples(*[st.integers(0, 2**16 - 1)] * 3),
    day=st.integers(0, 2**32 - 1),
)
def test_every_field_survives_packing_and_withdrawal(commitment, codes, day):
    chain = alliance()
    purpose, basis, reason = codes
    gift = _event(_send(chain, ALPHA, encode_give(ANCHOR, commitment, purpose, basis, day)))
    assert gift is not None
    assert (gift.purpose, gift.basis, gift.valid_until_day) == (purpose, basis, day)
    assert _status(chain) == ConsentStatus(ConsentState.GIVEN, ALPHA.address, commitment, day)
    end = _event(_send(chain, ALPHA, encode_withdraw(ANCHOR, reason)))
    assert end is not None
    assert (end.commitment, end.purpose, end.reason) == (commitment, purpose, reason)
    assert _status(chain) == ConsentStatus(ConsentState.WITHDRAWN, ALPHA.address, commitment, day)


@pytest.mark.parametrize("by", [ALPHA, BETA])
@pytest.mark.parametrize("withdrawn", [False, True])
def test_anchor_id_is_used_once_for_ever(by, withdrawn):
    chain = _given()
    if withdrawn:
        assert _send(chain, ALPHA, WITHDRAW).ok
    before = _status(chain)
    assert _send(chain, by, GIVE).reason == "bulwark: anchor id taken"
    assert _status(chain) == before


def test_nothing_is_withdrawn_twice():
    chain = _given()
    assert _send(chain, ALPHA, WITHDRAW).ok
    assert _send(chain, ALPHA, WITHDRAW).reason == "bulwark: already withdrawn"


def test_renewal_brings_receipt_and_last_day_and_keeps_purpose_and_basis():
    chain = _given()
    event = _event(_send(chain, ALPHA, RENEW))
    assert event == ConsentAnchored(
        ALPHA.address, ANCHOR, OTHER, ConsentState.RENEWED, 3, 4, 0, DAY + 365
    )
    assert _status(chain) == ConsentStatus(ConsentState.GIVEN, ALPHA.address, OTHER, DAY + 365)
    end = _event(_send(chain, ALPHA, WITHDRAW))
    assert end == ConsentAnchored(
        ALPHA.address, ANCHOR, OTHER, ConsentState.WITHDRAWN, 3, 0, 9, DAY + 365
    )


@settings(deadline=None, max_examples=25)
@given(
    codes=st.tuples(*[st.integers(0, 2**16 - 1)] * 2),
    days=st.lists(st.integers(30_000, 2**32 - 1) | st.just(0), min_size=2, max_size=5),
)
def test_renewals_change_the_last_day_and_nothing_else(codes, days):
    chain = alliance()
    assert _send(chain, ALPHA, encode_give(ANCHOR, COMMITMENT, *codes, days[0])).ok
    for day in days[1:]:
        event = _event(_send(chain, ALPHA, encode_renew(ANCHOR, OTHER, day)))
        assert event is not None
        assert (event.purpose, event.basis, event.valid_until_day) == (*codes, day)
        assert _status(chain) == ConsentStatus(ConsentState.GIVEN, ALPHA.address, OTHER, day)


def test_consent_is_renewed_on_its_last_day_and_not_after_it():
    today = alliance().now_s // 86_400
    for last, reason in [(today, None), (today - 1, "bulwark: expired"), (0, None)]:
        chain = alliance()
        assert _send(chain, ALPHA, encode_give(ANCHOR, COMMITMENT, 3, 4, last)).ok
        assert _send(chain, ALPHA, RENEW).reason == reason


def test_what_is_withdrawn_or_unknown_is_not_renewed():
    chain = _given()
    assert _send(chain, ALPHA, WITHDRAW).ok
    assert _send(chain, ALPHA, RENEW).reason == "bulwark: already withdrawn"
    assert _send(alliance(), ALPHA, RENEW).reason == "bulwark: unknown anchor id"


def test_another_member_does_not_renew_and_a_new_account_of_the_issuer_does():
    chain = _given()
    assert _send(chain, BETA, RENEW).reason == "bulwark: not the issuer"
    fresh = signer("alpha 2")
    _replace_account(chain, "alpha", fresh.address)
    assert _send(chain, fresh, RENEW).ok
    assert _status(chain).issuer == ALPHA.address


def test_renewal_without_a_commitment_is_refused():
    data = encode_renew(ANCHOR, bytes(32), DAY)
    assert _send(_given(), ALPHA, data).reason == "bulwark: zero commitment"


def test_unknown_anchor_is_not_withdrawn():
    assert _send(alliance(), ALPHA, WITHDRAW).reason == "bulwark: unknown anchor id"


def test_another_member_does_not_withdraw():
    chain = _given()
    assert _send(chain, BETA, WITHDRAW).reason == "bulwark: not the issuer"
    assert _status(chain).state is ConsentState.GIVEN


def test_member_withdraws_what_its_former_account_gave():
    chain = _given()
    fresh = signer("alpha 2")
    _replace_account(chain, "alpha", fresh.address)
    assert _send(chain, ALPHA, WITHDRAW).reason == "bulwark: not a reporter"
    event = _event(_send(chain, fresh, WITHDRAW))
    assert event is not None
    assert event.issuer == ALPHA.address
    assert _status(chain).issuer == ALPHA.address


def test_another_member_cannot_take_over_a_former_account():
    chain = _given()
    _replace_account(chain, "alpha", signer("alpha 2").address)
    data = encode_set_keys(
        member_id_bytes("beta"), signer("beta node").address, ALPHA.address, bytes(32)
    )
    assert chain.send(GOVERNOR, MEMBER_REGISTRY, data).reason == "bulwark: account taken"


def test_member_that_left_withdraws_only_after_it_joined_again():
    chain = _given()
    _govern(chain, encode_remove_member(member_id_bytes("alpha")))
    assert _send(chain, ALPHA, WITHDRAW).reason == "bulwark: not a reporter"
    _govern(chain, encode_add_member(member("alpha")))
    assert _send(chain, ALPHA, WITHDRAW).ok


@pytest.mark.parametrize("roles", range(16))
def test_exactly_the_reporter_role_permits_the_calls(roles):
    chain = _given()
    _govern(chain, encode_set_roles(member_id_bytes("alpha"), roles))
    expected = None if roles & Role.REPORTER else "bulwark: not a reporter"
    other = encode_give(b"\x0b" * 32, COMMITMENT, 1, 1, 0)
    assert _send(chain, ALPHA, other).reason == expected
    assert _send(chain, ALPHA, RENEW).reason == expected
    assert _send(chain, ALPHA, WITHDRAW).reason == expected


@pytest.mark.parametrize("data", [GIVE, RENEW, WITHDRAW])
@pytest.mark.parametrize("name", ["stranger", "alpha node", "governor", "gamma"])
def test_keys_without_the_role_are_refused(name, data):
    assert _send(_given(), signer(name), data).reason == "bulwark: not a reporter"


@pytest.mark.parametrize(
    ("anchor_id", "commitment", "reason"),
    [
        (bytes(32), COMMITMENT, "bulwark: zero anchor id"),
        (ANCHOR, bytes(32), "bulwark: zero commitment"),
    ],
)
def test_zero_ids_and_commitments_are_refused(anchor_id, commitment, reason):
    data = encode_give(anchor_id, commitment, 1, 1, DAY)
    assert _send(alliance(), ALPHA, data).reason == reason


@pytest.mark.parametrize("data", [GIVE, RENEW, WITHDRAW])
@pytest.mark.parametrize("tail", [b"\0", b"someone@example.org"])
def test_calldata_with_a_tail_is_refused(data, tail):
    assert _send(alliance(), ALPHA, data + tail).reason == "bulwark: calldata length"


@pytest.mark.parametrize("data", [GIVE, RENEW, WITHDRAW])
def test_account_with_delegated_code_is_refused(data):
    chain = alliance()
    chain.state.set_code(ALPHA.address, b"\xef\x01\x00" + b"\x11" * 20)
    chain.next_block()
    assert _send(chain, ALPHA, data).reason == "bulwark: not an account"


@pytest.mark.parametrize("data", [GIVE, RENEW, WITHDRAW])
def test_calls_through_a_contract_are_refused(data):
    # PUSH everything of the calldata to memory, CALL the registry, bubble its revert up.
    forward = bytes.fromhex("365f5f375f5f365f5f73") + CONSENT_REGISTRY
    forward += bytes.fromhex("5af1503d5f5f3e3d5ffd")
    chain = alliance()
    init = bytes.fromhex("60") + bytes([len(forward)]) + bytes.fromhex("80600a5f395ff3")
    proxy = chain.deploy(ALPHA, init.ljust(10, b"\0") + forward)
    assert chain.send(ALPHA, proxy, data).reason == "bulwark: not an account"


@pytest.mark.parametrize(
    "data",
    [GIVE[:-1], WITHDRAW[:-1], b"", b"\xff\xff\xff\xff", WITHDRAW[:36] + b"\1" + WITHDRAW[37:]],
)
def test_malformed_call_is_refused_by_the_compiler_without_a_reason(data):
    outcome = _send(alliance(), ALPHA, data)
    assert (outcome.ok, outcome.reason) == (False, "")


def test_registry_without_a_member_registry_cannot_be_made():
    outcome = alliance().place(b"\x77" * 20, consent_registry_init_code(bytes(20)))
    assert outcome.reason == "bulwark: zero members"


def test_registry_names_its_member_registry():
    selector = load_artifact("ConsentRegistry").method_identifiers["members()"]
    assert alliance().view(CONSENT_REGISTRY, selector)[12:] == MEMBER_REGISTRY
