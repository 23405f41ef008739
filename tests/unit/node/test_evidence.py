"""Evidence as bytes, as documents, on disk, and verified by somebody who has only genesis."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.ledger.epochs import EpochChange
from bulwark.ledger.ids import Digest, Epoch, Height, ValidatorIndex, View
from bulwark.ledger.validators import ValidatorSet
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from consensus.evidence import (
    DoubleNewView,
    DoubleViewChange,
    DoubleVote,
    ForgottenCommit,
    WrongNewView,
)
from consensus.keyring import LocalKeyring
from consensus.messages import NewView, ViewChange, Vote, encode_message
from consensus.terms import Terms
from contracts.evidence import EVIDENCE_REGISTRY
from node.evidence import (
    FORMAT,
    KINDS,
    Case,
    EvidenceInvalid,
    case_of_file,
    document,
    genesis_terms,
    verify_case,
)
from node.evidence_book import EVIDENCE, EvidenceBook
from node.execution.genesis import genesis_block
from node.guarded.accusation import KIND as WRONG_EVALUATION
from node.reporting.evidence_poster import EvidencePoster
from node.service import Conflict
from node.storage.memory import MemoryStore
from tests.unit.node.builders import ALICE, call
from tests.unit.node.execution.alliance import VOTE_KEYS, make_genesis

GENESIS = make_genesis()
TERMS = genesis_terms(GENESIS)


def keyring(index: int) -> LocalKeyring:
    return LocalKeyring(VOTE_KEYS[index], GENESIS.domain())


def vote(mark: bytes, signer: int = 1, kind: VoteKind = VoteKind.COMMIT, view: int = 0) -> Vote:
    subject = VoteSubject(kind, View(view), Height(3), Digest(mark * 32))
    return Vote(subject, ValidatorIndex(signer), keyring(signer).sign_vote(subject))


def view_change(view: int, signer: int = 1) -> ViewChange:
    unsigned = ViewChange(View(view), None, (), ValidatorIndex(signer), b"")
    signature = keyring(signer).sign(ViewChange.TAG, unsigned.signed_body())
    return replace(unsigned, signature=signature)


def new_view(digests: tuple[Digest, ...], changes: tuple[ViewChange, ...]) -> NewView:
    named = tuple((change.signer, change.hash()) for change in changes)
    unsigned = NewView(View(1), named, digests, ValidatorIndex(1), b"")
    signature = keyring(1).sign(NewView.TAG, unsigned.signed_body())
    return replace(unsigned, signature=signature)


CHANGES = tuple(view_change(1, signer) for signer in range(GENESIS.validator_set.quorum))
DOUBLE = DoubleVote(vote(b"a"), vote(b"b"))
NEW_VIEWS = (new_view((), CHANGES), new_view((Digest(bytes(32)),), CHANGES))
CASES = {
    "double-vote": DOUBLE,
    "wrong-new-view": WrongNewView(new_view((Digest(b"x" * 32),), CHANGES), CHANGES),
    "double-new-view": DoubleNewView(*NEW_VIEWS),
    "forgotten-commit": ForgottenCommit(vote(b"a"), view_change(1)),
}


@pytest.mark.parametrize("label", CASES)
def test_a_case_is_read_back_as_it_was_and_holds(label: str) -> None:
    case = Case(Epoch(0), CASES[label])
    assert case.label == label
    assert Case.decode(case.encode()) == case
    assert case.holds(TERMS)
    facts = verify_case(case, GENESIS.to_json())
    assert facts["culprit"] == GENESIS.validator_set.validators[1].member
    assert facts["kind"] == label and facts["id"] == case.id.hex()


def test_every_kind_has_one_number() -> None:
    change = view_change(2)
    cases = [*CASES.values(), DoubleViewChange(change, change)]
    numbers = [Case(Epoch(0), evidence).kind for evidence in cases]
    assert sorted([*numbers, WRONG_EVALUATION]) == sorted(KINDS)


def test_a_case_that_proves_nothing_does_not_hold() -> None:
    same = Case(Epoch(0), DoubleVote(vote(b"a"), vote(b"a")))
    other = Case(Epoch(0), DoubleVote(vote(b"a"), replace(vote(b"b"), signature=bytes(65))))
    far = Case(
        Epoch(0),
        DoubleVote(*(replace(v, signer=ValidatorIndex(99)) for v in (vote(b"a"), vote(b"b")))),
    )
    for case in (same, other, far):
        assert not case.holds(TERMS)
        with pytest.raises(EvidenceInvalid, match="do not prove"):
            verify_case(case, GENESIS.to_json())


def test_a_case_counts_in_its_own_epoch_only() -> None:
    case = Case(Epoch(1), DOUBLE)
    assert not case.holds(TERMS) and not case.holds(None)
    with pytest.raises(EvidenceInvalid, match="epoch 1"):
        verify_case(case, GENESIS.to_json())


def test_a_genesis_that_is_none_is_refused() -> None:
    with pytest.raises(EvidenceInvalid, match="genesis"):
        verify_case(Case(Epoch(0), DOUBLE), b"{}")


@pytest.mark.parametrize(
    ("kind", "count"), [(1, 1), (1, 3), (2, 0), (3, 2), (4, 2), (5, 2), (9, 2), (0, 0)]
)
def test_kinds_and_messages_that_do_not_fit_are_refused(kind: int, count: int) -> None:
    good = Case(Epoch(0), DOUBLE).encode()
    blob = encode_message(vote(b"a"))
    body = count.to_bytes(4, "big") + (len(blob).to_bytes(4, "big") + blob) * count
    with pytest.raises(EvidenceInvalid):
        Case.decode(bytes([kind]) + good[1:9] + body)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_evidence_or_a_typed_error(data: bytes) -> None:
    for given_bytes in (data, b"\x01" + bytes(8) + data, b"{" + data):
        try:
            case, _ = case_of_file(given_bytes)
        except EvidenceInvalid:
            continue
        assert case.encode() == given_bytes


def book() -> EvidenceBook:
    def terms_of(epoch: Epoch) -> Terms | None:
        return TERMS if epoch == 0 else None

    return EvidenceBook(MemoryStore(), terms_of)


def test_a_stored_case_names_its_culprit_and_is_shown_with_its_messages() -> None:
    kept = book()
    identity = kept.keep(DOUBLE, Epoch(0))
    assert identity == kept.keep(DOUBLE, Epoch(0)) and kept.count() == 1
    entry = kept.get(Digest(identity or b""))
    assert entry is not None and entry.holds and entry.posted == ""
    assert entry.culprit == GENESIS.validator_set.validators[1].member
    shown = document(entry)
    assert shown["format"] == FORMAT and len(shown["messages"]) == 2
    assert case_of_file(json.dumps(shown).encode()) == (entry.case, ())
    assert list(kept.entries()) == [entry]
    assert kept.get(Digest(bytes(32))) is None


def test_a_case_of_a_forgotten_epoch_is_shown_and_does_not_hold() -> None:
    kept = book()
    kept.keep(DOUBLE, Epoch(7))
    (entry,) = kept.entries()
    assert (entry.culprit, entry.node, entry.holds) == ("validator 1", "", False)


def test_damaged_entries_are_left_out() -> None:
    kept = book()
    kept._store.write({EVIDENCE + bytes(44): b"\xff", EVIDENCE + b"short": b""}, sync=True)
    assert list(kept.entries()) == []


def test_a_case_against_one_validator_too_many_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node.evidence_book.MAX_CASES", 1)
    kept = book()
    assert kept.keep(DOUBLE, Epoch(0)) is not None
    assert kept.keep(CASES["forgotten-commit"], Epoch(0)) is None
    assert kept.keep(DOUBLE, Epoch(1)) is not None


class OneLane:
    """Takes calls and writes what comes with them."""

    def __init__(self, kept: EvidenceBook) -> None:
        self.kept = kept
        self.sent: list[tuple[bytes, bytes, int]] = []

    def send(self, to, data, *, extra=None, gas=0):
        self.sent.append((to, data, gas))
        transaction = call(ALICE, len(self.sent))
        if extra is not None:
            self.kept._store.write(extra(transaction), sync=True)
        return transaction


@pytest.mark.parametrize("label", ["double-vote", "forgotten-commit"])
def test_a_case_is_posted_once(label: str) -> None:
    kept = book()
    lane = OneLane(kept)
    poster = EvidencePoster(kept, lane, GENESIS.hash)
    identity = Digest(kept.keep(CASES[label], Epoch(0)) or b"")
    first = poster.post(kept.get(identity))
    again = poster.post(kept.get(identity))
    assert first.posted and again.posted == first.posted
    ((to, data, gas),) = lane.sent
    assert to == EVIDENCE_REGISTRY and gas >= 400_000
    assert (DOUBLE.second.signature in data) == (label == "double-vote")


def test_what_does_not_verify_or_fit_is_not_posted() -> None:
    kept = book()
    poster = EvidencePoster(kept, OneLane(kept), GENESIS.hash)
    kept.keep(DOUBLE, Epoch(7))
    (entry,) = kept.entries()
    with pytest.raises(Conflict, match="does not verify"):
        poster.post(entry)


def next_epoch() -> tuple[EpochChange, Terms]:
    """Epoch 1 with the validators in another order, proven by a quorum of epoch 0."""
    old = GENESIS.validator_set
    turned = ValidatorSet(Epoch(1), old.validators[::-1])
    header = replace(
        genesis_block(GENESIS).header,
        height=Height(8),
        epoch=Epoch(0),
        epoch_end=Height(8),
        next_validators_hash=turned.hash(),
    )
    subject = VoteSubject(VoteKind.CHECKPOINT, View(0), Height(8), header.hash())
    votes = {ValidatorIndex(i): keyring(i).sign_vote(subject) for i in range(old.quorum)}
    certificate = Certificate.assemble(subject, votes, old.quorum)
    domain = GENESIS.domain(Epoch(1))
    return EpochChange(header, certificate, turned), Terms(turned, domain, start=Height(8))


def test_evidence_of_a_later_epoch_is_verified_from_genesis_through_proven_changes() -> None:
    change, terms = next_epoch()
    signer = LocalKeyring(VOTE_KEYS[1], terms.domain)
    votes = []
    for mark in (b"a", b"b"):
        subject = VoteSubject(VoteKind.PREPARE, View(0), Height(9), Digest(mark * 32))
        index = terms.validators.index_of(signer.address)
        assert index is not None
        votes.append(Vote(subject, index, signer.sign_vote(subject)))
    kept = EvidenceBook(MemoryStore(), lambda _: terms, lambda _: (change,))
    identity = kept.keep(DoubleVote(*votes), Epoch(1))
    entry = kept.get(Digest(identity or b""))
    assert entry is not None and entry.holds
    case, changes = case_of_file(json.dumps(document(entry)).encode())
    facts = verify_case(case, GENESIS.to_json(), changes)
    assert facts["culprit"] == GENESIS.validator_set.validators[1].member
    with pytest.raises(EvidenceInvalid, match="proven is epoch 0"):
        verify_case(case, GENESIS.to_json())
    forged = replace(change, validators=ValidatorSet(Epoch(1), terms.validators.validators[:1]))
    with pytest.raises(EvidenceInvalid, match="epoch changes"):
        verify_case(case, GENESIS.to_json(), (forged,))


@pytest.mark.parametrize("changes", [["zz"], "x", [1], ["00"], ["00"] * 2_000])
def test_malformed_epoch_changes_are_a_typed_error(changes: object) -> None:
    file = {"encoded": Case(Epoch(0), DOUBLE).encode().hex(), "epoch_changes": changes}
    with pytest.raises(EvidenceInvalid):
        case_of_file(json.dumps(file).encode())
