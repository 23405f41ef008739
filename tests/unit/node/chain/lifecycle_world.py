"""A ledger about one indicator at three nodes, for tests of what answers follow from it.

`World` anchors what it is told at the first node one operation a block or several together; the
second node executes the same operations in other batches, the third gets blocks and state by sync.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from bulwark.indicators.model import ScreeningRequest
from bulwark.indicators.vocabulary import Kind, ObjectRole
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address, Height, RecordId, Tag
from bulwark.ledger.lifecycle import REFERENCE_KIND, Operation, reference_tag
from bulwark.ledger.record import Record, RecordPayload
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.transaction import Transaction
from contracts.bindings import CONSENT_REGISTRY, encode_give, encode_withdraw
from node.screening.screener import Screener
from node.service import ScreeningAnswer
from tests.unit.node.execution.alliance import ACCOUNTS, CREATED_MS, Node, anchor, call

TAG = Tag(b"\x42" * 32)
DAY_MS = 86_400_000
START_DAY = CREATED_MS // DAY_MS + 1
QUESTION = ScreeningRequest.from_mapping(
    {
        "kind": "phone",
        "value": "+442079460958",
        "purpose": "fraud_prevention",
        "lawful_basis": "legitimate_interests",
    }
)


class KnownTag:
    """A tagger that knows one tag."""

    def cached(self, kind: str, value: str) -> Tag:
        return TAG


def screener_of(node: Node) -> Screener:
    return Screener(
        tagger=KnownTag(),  # type: ignore[arg-type]
        replica=node.records,
        standings=node.standings,
        now_ms=lambda: 0,
        lag=lambda: None,
    )


def statement(
    number: int,
    role: int = ObjectRole.OFFENDER_CONTROLLED,
    *,
    valid_days: int = 10,
    consent: bytes | None = None,
    day: int = START_DAY,
    confidence: int = 90,
    evidence: int = 3,
    tag: Tag = TAG,
) -> Record:
    payload = RecordPayload(
        operation=Operation.ADD,
        kind=Kind.PHONE,
        fraud_type=2,
        object_role=role,
        evidence_level=evidence,
        confidence=confidence,
        first_seen_day=day,
        last_seen_day=day,
        valid_until_day=day + valid_days,
        consent_anchor=consent,
        tlp=3,
    )
    return Record.of(sha256(b"salt %d" % number).digest(), tag, payload)


def follow_up(number: int, subject: RecordId, operation: int, reason: int = 0) -> Record:
    payload = RecordPayload(
        operation=operation, kind=REFERENCE_KIND, reason=reason, previous_record=subject
    )
    return Record.of(sha256(b"follow %d" % number).digest(), reference_tag(subject), payload)


@dataclass
class World:
    """One ledger, grown operation by operation."""

    node: Node = field(default_factory=Node)
    now_ms: int = START_DAY * DAY_MS
    made: int = 0

    def number(self) -> int:
        self.made += 1
        return self.made

    def block(self, *work: tuple[int, Sidecar | bytes], at_ms: int | None = None) -> Height:
        """A block of (member, batch of records or call of the consent registry) in this order."""
        self.now_ms = max(self.now_ms + 1, at_ms or 0)
        transactions: list[Transaction] = []
        sidecars: list[Sidecar] = []
        nonces = [self.node.executor.nonce(key.address) for key in ACCOUNTS]
        for member, what in work:
            key, nonce = ACCOUNTS[member], nonces[member]
            nonces[member] += 1
            if isinstance(what, Sidecar):
                sidecars.append(what)
                transactions.append(anchor(key, nonce, what))
            else:
                transactions.append(call(key, nonce, Address(CONSENT_REGISTRY), what))
        executed = self.node.block(*transactions, sidecars=sidecars, at_ms=self.now_ms)
        assert all(receipt.succeeded for receipt in executed.receipts)
        return executed.header.height

    def say(self, member: int, *records: Record) -> Height:
        return self.block((member, Sidecar(records)))

    def follow(self, member: int, subject: RecordId, operation: int, reason: int = 0) -> Height:
        return self.say(member, follow_up(self.number(), subject, operation, reason))

    def give(self, member: int, anchor_id: bytes, valid_until_day: int = 0) -> Height:
        return self.block((member, encode_give(anchor_id, b"\x01" * 32, 1, 1, valid_until_day)))

    def withdraw(self, member: int, anchor_id: bytes) -> Height:
        return self.block((member, encode_withdraw(anchor_id, 1)))

    @property
    def tip(self) -> Header:
        return self.node.chain.tip


async def answer_of(node: Node, at: Height | None = None) -> ScreeningAnswer:
    (answer,) = await screener_of(node).screen([QUESTION], at=at)
    return answer
