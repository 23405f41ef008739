"""EvidenceRegistry: a double vote is believed only with two true signatures of one validator."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.ledger.ids import Digest, Epoch, Height, View
from bulwark.ledger.signing import SigningDomain, SigningKey
from bulwark.ledger.votes import VoteKind, VoteSubject
from contracts.bindings import (
    MEMBER_REGISTRY,
    encode_remove_member,
    encode_set_keys,
    member_id_bytes,
)
from contracts.errors import OutOfRange, WrongLength
from contracts.evidence import (
    DOUBLE_VOTE_PROVEN_TOPIC,
    EVIDENCE_FILED_TOPIC,
    EVIDENCE_GAS,
    EVIDENCE_REGISTRY,
    MAX_FILED_BYTES,
    DoubleVoteCall,
    FiledCase,
    decode_case,
    decode_double_vote_proven,
    encode_case,
    encode_double_vote,
    encode_unverified,
    evidence_registry_init_code,
    unverified_case_id,
    unverified_gas,
)
from tests.contracts.harness import CHAIN_ID, Chain, Outcome, alliance, signer

GENESIS = Digest(b"\x07" * 32)
ALPHA, BETA = signer("alpha"), signer("beta")
ALPHA_ID = member_id_bytes("alpha")
VOTES = SigningKey(signer("alpha node").key.to_bytes())
FIRST, SECOND = Digest(b"\x01" * 32), Digest(b"\x02" * 32)
HALF_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def proof(
    key: SigningKey = VOTES,
    *,
    epoch: int = 3,
    kind: VoteKind = VoteKind.COMMIT,
    view: int = 4,
    height: int = 99,
    chain_id: int = CHAIN_ID,
) -> DoubleVoteCall:
    """A call with two real votes, signed as the ledger signs them."""
    domain = SigningDomain(chain_id, GENESIS, Epoch(epoch))

    def sign(digest: Digest) -> bytes:
        subject = VoteSubject(kind, View(view), Height(height), digest)
        return key.sign(subject.signing_digest(domain))

    return DoubleVoteCall(
        ALPHA_ID, GENESIS, epoch, kind, view, height, FIRST, SECOND, sign(FIRST), sign(SECOND)
    )


def registry() -> Chain:
    chain = alliance()
    if not chain.state.get_code(EVIDENCE_REGISTRY):
        assert chain.place(EVIDENCE_REGISTRY, evidence_registry_init_code(MEMBER_REGISTRY)).ok
        chain.next_block()
    return chain


def submit(chain: Chain, call: DoubleVoteCall, by=BETA) -> Outcome:
    return chain.send(by, EVIDENCE_REGISTRY, encode_double_vote(call))


def case_of(chain: Chain, case_id: bytes) -> FiledCase | None:
    return decode_case(chain.view(EVIDENCE_REGISTRY, encode_case(case_id)))


@pytest.mark.parametrize("kind", list(VoteKind))
def test_two_true_votes_are_filed_with_culprit_and_first_reporter(kind):
    chain = registry()
    call = proof(kind=kind, view=0 if kind is VoteKind.CHECKPOINT else 4)
    outcome = submit(chain, call)
    assert outcome.ok, outcome.reason
    found = case_of(chain, call.case_id())
    assert found == FiledCase(ALPHA_ID, BETA.address, chain.number - 1, True)
    (entry,) = outcome.logs
    assert entry[1][0] == DOUBLE_VOTE_PROVEN_TOPIC
    event = decode_double_vote_proven(*entry)
    assert event is not None
    assert (event.culprit, event.node) == (ALPHA_ID, VOTES.address)
    assert (event.reporter, event.case_id) == (BETA.address, call.case_id())
    assert call.first_signature in entry[2] and call.second_signature in entry[2]
    assert outcome.gas_used < EVIDENCE_GAS


def test_a_case_is_filed_once_whoever_comes_and_with_whichever_votes():
    chain = registry()
    assert submit(chain, proof()).ok
    swapped = proof()
    swapped = replace(
        swapped,
        first=swapped.second,
        second=swapped.first,
        first_signature=swapped.second_signature,
        second_signature=swapped.first_signature,
    )
    for call in (proof(), swapped):
        assert submit(chain, call, ALPHA).reason == "bulwark: case known"
    found = case_of(chain, proof().case_id())
    assert found is not None and found.reporter == BETA.address


def test_equal_digests_are_no_double_vote():
    call = proof()
    call = replace(call, second=call.first, second_signature=call.first_signature)
    assert submit(registry(), call).reason == "bulwark: equal digests"


@pytest.mark.parametrize("place", ["first_signature", "second_signature"])
def test_one_vote_of_somebody_else_is_refused(place):
    other = proof(SigningKey(signer("beta node").key.to_bytes()))
    call = replace(proof(), **{place: getattr(other, place)})
    assert submit(registry(), call).reason == "bulwark: wrong signer"


@pytest.mark.parametrize(
    "change",
    [{"epoch": 4}, {"kind": 1}, {"view": 5}, {"height": 100}, {"genesis_hash": b"\x08" * 32}],
)
def test_votes_for_another_subject_are_refused(change):
    assert submit(registry(), replace(proof(), **change)).reason == "bulwark: wrong signer"


def test_votes_of_another_chain_are_refused():
    assert submit(registry(), proof(chain_id=CHAIN_ID + 1)).reason == "bulwark: wrong signer"


@pytest.mark.parametrize("kind", [0, 4, 255])
def test_another_kind_of_vote_is_refused(kind):
    assert submit(registry(), replace(proof(), kind=kind)).reason == "bulwark: no vote kind"


def test_the_second_form_of_a_signature_is_refused():
    call = proof()
    raw = call.first_signature
    s = HALF_ORDER - int.from_bytes(raw[32:64], "big")
    flipped = raw[:32] + s.to_bytes(32, "big") + bytes([raw[64] ^ 1])
    outcome = submit(registry(), replace(call, first_signature=flipped))
    assert outcome.reason == "bulwark: signature form"
    outcome = submit(registry(), replace(call, first_signature=raw[:64] + b"\x1b"))
    assert outcome.reason == "bulwark: signature form"


def test_an_unrecoverable_signature_is_refused():
    call = replace(proof(), first_signature=bytes(65))
    assert submit(registry(), call).reason == "bulwark: wrong signer"


def test_only_a_member_account_may_file():
    for name in ("stranger", "alpha node", "governor"):
        assert submit(registry(), proof(), signer(name)).reason == "bulwark: not a member"


def test_an_unknown_culprit_is_refused():
    call = replace(proof(), culprit=member_id_bytes("nobody"))
    assert submit(registry(), call).reason == "bulwark: unknown member"


def test_a_replaced_vote_key_and_a_removed_member_can_not_be_proven_any_more():
    chain = registry()
    keys = encode_set_keys(ALPHA_ID, signer("alpha node 2").address, ALPHA.address, bytes(32))
    assert chain.send(signer("governor"), MEMBER_REGISTRY, keys).ok
    assert submit(chain, proof()).reason == "bulwark: wrong signer"
    assert chain.send(signer("governor"), MEMBER_REGISTRY, encode_remove_member(ALPHA_ID)).ok
    assert submit(chain, proof()).reason == "bulwark: unknown member"


def test_other_evidence_is_filed_unverified_by_its_hash():
    chain = registry()
    data = b"\x02" + bytes(range(200))
    outcome = chain.send(BETA, EVIDENCE_REGISTRY, encode_unverified(ALPHA_ID, 2, data))
    assert outcome.ok, outcome.reason
    case_id = unverified_case_id(ALPHA_ID, data)
    found = case_of(chain, case_id)
    assert found == FiledCase(ALPHA_ID, BETA.address, chain.number - 1, False)
    (entry,) = outcome.logs
    assert entry[1][0] == EVIDENCE_FILED_TOPIC and entry[1][3] == case_id
    assert data in entry[2]
    again = chain.send(ALPHA, EVIDENCE_REGISTRY, encode_unverified(ALPHA_ID, 2, data))
    assert again.reason == "bulwark: case known"


def test_the_largest_unverified_case_stays_under_its_gas_limit():
    data = b"\xff" * MAX_FILED_BYTES
    outcome = registry().send(BETA, EVIDENCE_REGISTRY, encode_unverified(ALPHA_ID, 2, data))
    assert outcome.ok and outcome.gas_used < unverified_gas(data)


def test_unverified_evidence_is_bounded_and_not_empty():
    chain = registry()
    for data in (b"", bytes(MAX_FILED_BYTES + 1)):
        with pytest.raises(OutOfRange):
            encode_unverified(ALPHA_ID, 2, data)
    raw = encode_unverified(ALPHA_ID, 2, b"\x01")
    empty = raw[: -2 * 32] + bytes(32)
    assert chain.send(BETA, EVIDENCE_REGISTRY, empty).reason == "bulwark: no evidence"
    stranger = chain.send(signer("stranger"), EVIDENCE_REGISTRY, raw)
    assert stranger.reason == "bulwark: not a member"


def test_a_signature_of_another_length_is_refused_on_both_sides():
    with pytest.raises(WrongLength):
        encode_double_vote(replace(proof(), first_signature=bytes(64)))


def test_an_unknown_case_is_none():
    assert case_of(registry(), b"\x09" * 32) is None


@settings(deadline=None, max_examples=15)
@given(
    epoch=st.integers(0, 2**64 - 1),
    view=st.integers(0, 2**64 - 1),
    height=st.integers(0, 2**64 - 1),
)
def test_whatever_the_ledger_signs_the_contract_verifies(epoch, view, height):
    assert submit(registry(), proof(epoch=epoch, view=view, height=height)).ok
