"""Proofs: what an auditor with nothing but the genesis document accepts and refuses."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from copy import deepcopy

import pytest
from msgspec.structs import replace

from bulwark.ledger.anchor import Anchor, AnchorKind
from bulwark.ledger.epochs import EpochChange
from bulwark.ledger.errors import ProofInvalid
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Address, Epoch, Height, ValidatorIndex, View
from bulwark.ledger.merkle import (
    EMPTY_ROOT,
    consistency_path,
    inclusion_path,
    root_of,
)
from bulwark.ledger.proofs import (
    MAX_PROOF_BYTES,
    AnchorProof,
    ConsistencyProof,
    RecordProof,
    SealedHeader,
)
from bulwark.ledger.record import Record, RecordPayload
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.validators import ValidatorSet
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject

PAYLOAD = RecordPayload(operation=1, kind=2, country=b"DE", confidence=80)
SIDECAR = Sidecar(
    tuple(Record.of(sha256(b"salt %d" % i), sha256(b"tag %d" % i), PAYLOAD) for i in range(5))
)


class Log:
    """A record log of eleven anchors; number 6 is our batch, number 8 a consent."""

    def __init__(self, account: Address) -> None:
        self.anchors = [
            Anchor(
                kind=AnchorKind.RECORDS,
                height=Height(2 + i),
                transaction_index=0,
                log_index=0,
                account=account,
                digest=SIDECAR.root if i == 6 else sha256(b"root %d" % i),
                reference=sha256(b"policy"),
                count=5,
            )
            for i in range(11)
        ]
        self.anchors[8] = replace(self.anchors[8], kind=AnchorKind.CONSENT_GIVEN, count=0)
        self.leaves = [anchor.leaf_hash for anchor in self.anchors]


@pytest.fixture
def log(alliance):
    return Log(alliance.account_keys[1].address)


@pytest.fixture
def seal(alliance, header, log) -> Callable[[int], SealedHeader]:
    """Final header of the block after which the log has `size` anchors."""

    def make(size: int) -> SealedHeader:
        return alliance.seal(
            replace(
                header,
                height=Height(1 + size),
                record_log_size=size,
                record_log_root=root_of(log.leaves[:size]),
            )
        )

    return make


@pytest.fixture
def anchor_proof(log, seal) -> AnchorProof:
    return AnchorProof(log.anchors[6], 6, tuple(inclusion_path(log.leaves, 6)), seal(11))


@pytest.fixture
def record_proof(anchor_proof) -> RecordProof:
    return RecordProof(SIDECAR.entries[3], 3, tuple(SIDECAR.path(3)), anchor_proof)


@pytest.fixture
def growth(log, seal) -> ConsistencyProof:
    return ConsistencyProof(seal(4), seal(11), tuple(consistency_path(log.leaves, 4, 11)))


def test_record_proof_shows_the_record_and_its_reporter(record_proof, genesis, alliance, log):
    found = record_proof.verify(genesis)
    assert found.record_id == SIDECAR.entries[3].record_id
    assert (found.height, found.timestamp_ms) == (8, 1_700_000_009_000)
    assert found.account == alliance.account_keys[1].address
    assert found.member == "member-1"
    assert found.policy == log.anchors[6].reference
    assert found.payload == PAYLOAD


@pytest.fixture
def later_proof(record_proof, alliance, genesis) -> RecordProof:
    """The same record under a header of epoch 1, with the end of epoch 0 before it."""
    sealed = record_proof.anchored.sealed
    following = ValidatorSet(Epoch(1), genesis.validator_set.validators)
    end = replace(
        sealed.header,
        height=Height(10),
        epoch_end=Height(10),
        next_validators_hash=following.hash(),
    )
    change = EpochChange(end, alliance.seal(end).certificate, following)
    header = replace(sealed.header, epoch=Epoch(1))
    subject = VoteSubject(VoteKind.CHECKPOINT, View(0), header.height, header.hash())
    digest = subject.signing_digest(genesis.domain(Epoch(1)))
    signed = {ValidatorIndex(i): alliance.vote_keys[i].sign(digest) for i in range(3)}
    later = SealedHeader(header, Certificate.assemble(subject, signed, 3), (change,))
    return replace(record_proof, anchored=replace(record_proof.anchored, sealed=later))


def test_proof_of_a_later_epoch_carries_the_ends_of_those_before_e4(later_proof, genesis):
    assert later_proof.verify(genesis).payload == PAYLOAD
    assert RecordProof.from_json(later_proof.to_json()) == later_proof


def test_proof_of_a_later_epoch_without_those_ends_is_refused_e4(later_proof, genesis):
    sealed = replace(later_proof.anchored.sealed, epochs=())
    bare = replace(later_proof, anchored=replace(later_proof.anchored, sealed=sealed))
    with pytest.raises(ProofInvalid, match="is of epoch 1"):
        bare.verify(genesis)


def test_end_of_an_epoch_with_bytes_left_over_is_refused(later_proof):
    doc = json.loads(later_proof.to_json())
    doc["proof"]["anchored"]["sealed"]["epochs"][0] += "00"
    with pytest.raises(ProofInvalid, match="after the end"):
        RecordProof.from_json(json.dumps(doc).encode())


def test_erased_record_keeps_its_proof_and_shows_no_payload(record_proof, genesis):
    erased = replace(record_proof, entry=SIDECAR.erase(3).entries[3])
    found = RecordProof.from_json(erased.to_json()).verify(genesis)
    assert found.record_id == SIDECAR.entries[3].record_id
    assert found.payload is None
    assert SIDECAR.entries[3].salt.hex().encode() not in erased.to_json()


def test_anchor_of_an_account_that_joined_later_has_no_member(log, alliance, header, genesis):
    anchor = replace(log.anchors[6], account=Address(b"\x09" * 20))
    sealed = alliance.seal(replace(header, record_log_size=1, record_log_root=anchor.leaf_hash))
    found = AnchorProof(anchor, 0, (), sealed).verify(genesis)
    assert (found.member, found.anchor, found.sealed_height) == (None, anchor, 9)


def test_consent_anchor_is_proved_but_is_no_batch(log, seal, genesis, record_proof):
    proof = AnchorProof(log.anchors[8], 8, tuple(inclusion_path(log.leaves, 8)), seal(11))
    assert proof.verify(genesis).anchor.kind is AnchorKind.CONSENT_GIVEN
    with pytest.raises(ProofInvalid, match="CONSENT_GIVEN"):
        replace(record_proof, anchored=proof).verify(genesis)


@pytest.mark.parametrize("name", ["record_proof", "anchor_proof", "growth"])
def test_json_form_is_read_back(name, request, genesis):
    proof = request.getfixturevalue(name)
    data = proof.to_json()
    again = type(proof).from_json(json.dumps(json.loads(data), indent=2).encode())
    assert again == proof
    assert again.to_json() == data
    again.verify(genesis)


def leaves_of(value, path=()):
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, child in pairs:
            yield from leaves_of(child, (*path, key))
    else:
        yield path, value


def damaged(value):
    """Other values for one field of a proof."""
    if isinstance(value, int):
        return [value + 1, value - 1, str(value), 2**53]
    places = range(0, len(value), max(1, len(value) // 24))
    flips = [value[:i] + ("0" if value[i] != "0" else "1") + value[i + 1 :] for i in places]
    return [*flips, value[:-2], value + "00", value.upper() + "A", None, 7]


@pytest.mark.parametrize("name", ["record_proof", "anchor_proof", "growth"])
def test_no_damaged_proof_is_accepted(name, request, genesis):
    proof = request.getfixturevalue(name)
    document = json.loads(proof.to_json())
    tried = 0
    for path, value in leaves_of(document):
        for other in damaged(value):
            changed = deepcopy(document)
            place = changed
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = other
            with pytest.raises(ProofInvalid):
                type(proof).from_json(json.dumps(changed).encode()).verify(genesis)
            tried += 1
    assert tried > 100


def test_proof_for_another_alliance_is_refused(record_proof, genesis):
    other = dataclasses.replace(genesis, alliance="Another alliance")
    with pytest.raises(ProofInvalid, match="header 12"):
        record_proof.verify(other)


@pytest.mark.parametrize("kind", [VoteKind.PREPARE, VoteKind.COMMIT])
def test_only_a_checkpoint_certificate_makes_a_header_final(alliance, header, genesis, kind):
    with pytest.raises(ProofInvalid, match="not CHECKPOINT"):
        alliance.seal(header, kind).verify(genesis)


def test_checkpoint_of_a_view_is_refused(alliance, header, genesis):
    with pytest.raises(ProofInvalid, match="header 9"):
        alliance.seal(header, view=1).verify(genesis)


def test_certificate_of_another_header_is_refused(alliance, header, genesis):
    sealed = alliance.seal(header)
    for other in (replace(header, gas_used=1), replace(header, height=Height(10))):
        with pytest.raises(ProofInvalid, match="another header"):
            replace(sealed, header=other).verify(genesis)


@pytest.mark.parametrize("height", [0, 13])
def test_anchor_outside_the_heights_of_its_log_is_refused(alliance, header, genesis, log, height):
    anchor = replace(log.anchors[6], height=Height(height))
    sealed = alliance.seal(replace(header, record_log_size=1, record_log_root=anchor.leaf_hash))
    with pytest.raises(ProofInvalid, match="under a header"):
        AnchorProof(anchor, 0, (), sealed).verify(genesis)


def test_log_that_only_grew_is_shown_to_have_only_grown(log, seal, genesis):
    for first in range(12):
        for second in range(first, 12):
            path = consistency_path(log.leaves, first, second) if first else []
            ConsistencyProof(seal(first), seal(second), tuple(path)).verify(genesis)


def test_log_that_lost_an_anchor_is_found_out(alliance, header, log, seal, genesis):
    rewritten = [*log.leaves[:2], *log.leaves[3:]]
    later = alliance.seal(
        replace(header, height=Height(20), record_log_size=10, record_log_root=root_of(rewritten))
    )
    for first in range(3, 10):
        for leaves in (rewritten, log.leaves):
            path = tuple(consistency_path(leaves, first, 10))
            with pytest.raises(ProofInvalid, match="does not lead to"):
                ConsistencyProof(seal(first), later, path).verify(genesis)


def test_two_final_headers_of_one_height_are_refused(alliance, seal, genesis, growth):
    first = seal(4)
    twin = alliance.seal(replace(first.header, gas_used=1))
    with pytest.raises(ProofInvalid, match="does not follow"):
        ConsistencyProof(first, twin, ()).verify(genesis)
    with pytest.raises(ProofInvalid, match="does not follow"):
        ConsistencyProof(growth.second, growth.first, growth.path).verify(genesis)


def test_empty_log_has_the_empty_root_and_no_path(alliance, header, seal, genesis):
    with pytest.raises(ProofInvalid, match="empty log"):
        ConsistencyProof(seal(0), seal(3), (EMPTY_ROOT,)).verify(genesis)
    wrong = alliance.seal(replace(header, height=Height(1), record_log_root=sha256(b"x")))
    with pytest.raises(ProofInvalid, match="empty log"):
        ConsistencyProof(wrong, seal(3), ()).verify(genesis)


def test_proof_of_another_format_or_over_its_bound_is_refused(record_proof, anchor_proof):
    with pytest.raises(ProofInvalid, match="record-proof"):
        RecordProof.from_json(anchor_proof.to_json())
    with pytest.raises(ProofInvalid, match="at most"):
        RecordProof.from_json(b" " * (MAX_PROOF_BYTES + 1))
