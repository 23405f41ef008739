"""Policies on a real chain: what is in force when, and what every node finds of a record."""

from __future__ import annotations

import dataclasses
import json
from hashlib import sha256

import msgspec
import pytest

from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.records import payload_of
from bulwark.ledger.genesis import Genesis, GenesisAccount
from bulwark.ledger.ids import Address, Height, Tag
from bulwark.ledger.lifecycle import Operation, reference_tag
from bulwark.ledger.record import Record, RecordPayload
from bulwark.ledger.sidecar import Sidecar
from bulwark.policies.document import canonical
from bulwark.policies.library import shipped
from bulwark.policies.rules import CUSTOMERS, KIND, NOT_IN_FORCE, RETENTION, TLP, UNREADABLE
from contracts.actions import Action, AdoptPolicy, WithdrawPolicy
from contracts.bindings import (
    GOVERNANCE,
    RECORD_REGISTRY,
    Member,
    Role,
    encode_anchor,
    encode_approve,
    encode_propose,
    governed_contracts,
    member_id_bytes,
)
from contracts.policies import POLICY_REGISTRY, PolicyState, encode_publish, publish_gas
from node.chain.policies import NO_POLICY, PolicyBook
from node.chain.records import StoredRecord
from node.chain.standings import StandingPorts, Standings
from node.screening.screener import Screener
from tests.unit.node.execution.alliance import (
    _BITS,
    ACCOUNTS,
    CREATED_MS,
    NAMES,
    Node,
    call,
    make_genesis,
)
from tests.unit.node.test_screener import QUESTION, KnownTag

ALPHA, BRAVO, CHARLIE, _ = ACCOUNTS
PSR = shipped("eu-psr-83")
DEFAULT = shipped("alliance-default")
TAG = Tag(b"\x42" * 32)
DAY = CREATED_MS // 86_400_000


def genesis_of(*policies: bytes) -> Genesis:
    genesis = make_genesis()
    members = [
        Member(member_id_bytes(m.id), m.node, m.account, Role(sum(_BITS[r] for r in m.roles)))
        for m in genesis.members
    ]
    placed = governed_contracts(members, {}, policies)
    alloc = {Address(c.address): GenesisAccount(c.nonce, 0, c.code, c.storage) for c in placed}
    return dataclasses.replace(genesis, alloc=alloc)


class Play:
    """A node, its policy book, and the alliance's steps."""

    def __init__(self, *policies: bytes) -> None:
        self.node = Node(genesis=genesis_of(*policies))
        self.book = PolicyBook(self.node.executor.slot, self.node.chain)
        self.nonces = dict.fromkeys(ACCOUNTS, 0)
        self.proposals = 0
        self.salts = 0

    def send(self, key, to: bytes, data: bytes, gas: int = 2_500_000, sidecars=()) -> None:
        transaction = call(key, self.nonces[key], Address(to), data, gas=gas)
        self.nonces[key] += 1
        executed = self.node.block(transaction, sidecars=sidecars)
        assert executed.receipts[0].succeeded

    def publish(self, document: bytes = PSR.document) -> bytes:
        self.send(BRAVO, POLICY_REGISTRY, encode_publish(document), publish_gas(document))
        return sha256(document).digest()

    def vote(self, action: Action) -> None:
        self.proposals += 1
        self.send(ALPHA, GOVERNANCE, encode_propose(action, CREATED_MS // 1000 + 86_400))
        for key in (BRAVO, CHARLIE):
            self.send(key, GOVERNANCE, encode_approve(self.proposals))

    def adopt(self, document: bytes = PSR.document) -> bytes:
        policy_id = self.publish(document)
        self.vote(AdoptPolicy(policy_id))
        return policy_id

    def anchor(self, payload: RecordPayload, policy: bytes = NO_POLICY) -> StoredRecord:
        """A record that another member's node anchored without asking anybody."""
        self.salts += 1
        record = Record.of(sha256(b"%d" % self.salts).digest(), TAG, payload)
        sidecar = Sidecar((record,))
        data = encode_anchor(sidecar.root, 1, 1, policy)
        self.send(CHARLIE, RECORD_REGISTRY, data, 400_000, [sidecar])
        return self.node.records.records_of(TAG, 1)[0]


def payload(**more: object) -> RecordPayload:
    row = {
        "kind": "iban",
        "value": "x",
        "fraud_type": "mule_account",
        "evidence_level": "confirmed",
        "lawful_basis": "statutory_gateway",
        "distinct_customers": 2,
        **more,
    }
    report = IndicatorReport.from_mapping(row, now_ms=CREATED_MS)
    return payload_of(report, oprf_key_id=1)


def test_an_anchor_that_names_no_policy_is_under_the_default_of_genesis():
    play = Play(PSR.document)
    assert play.book.default.id == PSR.id
    assert play.book.breach(play.anchor(payload())) is None
    assert play.book.breach(play.anchor(payload(distinct_customers=1))) == CUSTOMERS
    assert play.book.breach(play.anchor(payload(), PSR.id)) is None


def test_without_a_policy_in_genesis_the_shipped_default_holds_under_zero_and_its_own_id():
    play = Play()
    assert play.book.default == DEFAULT
    assert play.book.breach(play.anchor(payload())) is None
    assert play.book.breach(play.anchor(payload(), DEFAULT.id)) is None
    assert play.book.breach(play.anchor(payload(tlp="red"))) == TLP
    (known,) = play.book.known()
    assert known.is_default and known.standing.in_force(1)


def test_a_policy_counts_for_anchors_of_later_blocks_than_its_adoption_and_for_no_older_ones():
    play = Play(DEFAULT.document)
    unknown = play.anchor(payload(), PSR.id)
    assert play.book.breach(unknown) == NOT_IN_FORCE
    play.publish()
    published = play.anchor(payload(), PSR.id)
    assert play.book.breach(published) == NOT_IN_FORCE
    play.vote(AdoptPolicy(PSR.id))
    adopted = play.anchor(payload(), PSR.id)
    assert play.book.breach(adopted) is None
    # What was settled stays settled, also for a node that looks for the first time now.
    for book in (play.book, PolicyBook(play.node.executor.slot, play.node.chain)):
        found = [book.breach(record) for record in (unknown, published, adopted)]
        assert found == [NOT_IN_FORCE, NOT_IN_FORCE, None]


def test_a_withdrawn_policy_voids_no_older_record_and_permits_no_later_one():
    play = Play(DEFAULT.document)
    play.adopt()
    older = play.anchor(payload(), PSR.id)
    play.vote(WithdrawPolicy(PSR.id))
    later = play.anchor(payload(), PSR.id)
    for book in (play.book, PolicyBook(play.node.executor.slot, play.node.chain)):
        assert [book.breach(record) for record in (older, later)] == [None, NOT_IN_FORCE]
        assert book.policy(PSR.id, older.height) == PSR
        assert book.policy(PSR.id, later.height) is None


@pytest.mark.parametrize(
    ("bent", "rule"),
    [
        ({"distinct_customers": 1}, CUSTOMERS),
        ({"kind": "wallet"}, KIND),
        ({"tlp": "red"}, TLP),
    ],
)
def test_a_record_that_somebody_anchored_against_its_policy_is_found_out(bent, rule):
    play = Play(DEFAULT.document, PSR.document)
    assert play.book.breach(play.anchor(payload(**bent), PSR.id)) == rule


def test_retention_is_counted_from_the_day_of_the_block_with_a_day_for_midnight():
    play = Play(DEFAULT.document, PSR.document)
    days = PSR.retention_days[payload().kind]
    kept = msgspec.structs.replace(payload(), valid_until_day=DAY + days + 1)
    over = msgspec.structs.replace(payload(), valid_until_day=DAY + days + 2)
    assert play.book.breach(play.anchor(kept, PSR.id)) is None
    assert play.book.breach(play.anchor(over, PSR.id)) == RETENTION


def test_a_policy_that_nobody_can_read_permits_nothing():
    play = Play(DEFAULT.document)
    bad = play.adopt(b'{"format":"bulwark-policy/1"}')
    assert play.book.breach(play.anchor(payload(), bad)) == UNREADABLE
    known = play.book.get(bad)
    assert known is not None and known.policy is None and "is missing" in known.fault
    assert play.book.titles() == ["alliance-default"]


def test_follow_ups_are_under_no_policy():
    play = Play(PSR.document)
    subject = play.anchor(payload()).record_id
    dispute = RecordPayload(
        operation=Operation.DISPUTE, kind=255, fraud_type=0, previous_record=subject
    )
    record = Record.of(b"\x07" * 32, reference_tag(subject), dispute)
    sidecar = Sidecar((record,))
    data = encode_anchor(sidecar.root, 1, 1, b"\x09" * 32)
    play.send(BRAVO, RECORD_REGISTRY, data, 400_000, [sidecar])
    (stored,) = play.node.records.records_of(reference_tag(subject), 5)
    assert play.book.breach(stored) is None


def test_new_records_find_a_policy_by_id_by_title_and_of_one_title_the_one_adopted_last():
    play = Play(DEFAULT.document)
    assert play.book.find("") == DEFAULT
    assert play.book.find("eu-psr-83") is None
    play.publish()
    assert play.book.find("eu-psr-83") is None
    assert play.book.find(PSR.id.hex()) is None
    play.vote(AdoptPolicy(PSR.id))
    assert play.book.find("eu-psr-83") == play.book.find(PSR.id.hex()) == PSR
    second = canonical(json.dumps(json.loads(PSR.document) | {"version": 2}).encode())
    newer = play.adopt(second)
    found = play.book.find("eu-psr-83")
    assert found is not None and (found.id, found.version) == (newer, 2)
    assert play.book.find(PSR.id.hex()) == PSR
    assert play.book.titles() == ["alliance-default", "eu-psr-83"]
    assert play.book.find("z" * 64) is None
    assert play.book.word_of(found) == newer
    assert play.book.word_of(DEFAULT) == NO_POLICY


def test_the_book_lists_policies_newest_first_with_where_they_stand():
    play = Play(DEFAULT.document)
    play.publish()
    shown = [(k.policy.title, k.standing.state) for k in play.book.known() if k.policy]
    assert shown == [
        ("eu-psr-83", PolicyState.PUBLISHED),
        ("alliance-default", PolicyState.ADOPTED),
    ]
    assert [k.is_default for k in play.book.known()] == [False, True]
    assert play.book.get(b"\x08" * 32) is None
    assert play.book.policy(PSR.id, Height(10**6)) is None


async def test_a_record_in_breach_answers_no_screening_and_scores_nowhere():
    play = Play(DEFAULT.document, PSR.document)
    node = play.node
    names = {account.address: name for account, name in zip(ACCOUNTS, NAMES, strict=True)}
    ports = StandingPorts(
        member_of=lambda account: names[Address(account)],
        consent_standing=node.consents.standing,
        breach=play.book.breach,
    )
    screener = Screener(
        tagger=KnownTag(),
        replica=node.records,
        standings=Standings(node.records, node.roles, ports),
        now_ms=lambda: node.chain.tip.timestamp_ms,
        lag=lambda: None,
    )
    play.anchor(payload(distinct_customers=1), PSR.id)
    (alone,) = await screener.screen([QUESTION])
    assert (alone.hit, alone.score) == (False, 0)
    assert [reason.code for reason in alone.reasons] == ["breach"]
    play.anchor(payload(), PSR.id)
    (both,) = await screener.screen([QUESTION])
    assert both.hit and both.score > 0
    assert {reason.code for reason in both.reasons} >= {"breach", "evidence"}
