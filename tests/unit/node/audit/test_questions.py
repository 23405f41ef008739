"""Reports and samples about questions: what evaluators anchored, access logs, openings."""

from __future__ import annotations

import dataclasses
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from bulwark.audit.report import Report
from bulwark.audit.sampling import Sample
from bulwark.ledger.genesis import GenesisAccount
from bulwark.ledger.ids import Address, Height, MemberId
from contracts.members import Member, Role, member_id_bytes
from contracts.placement import governed_contracts
from contracts.privacy.bindings import privacy_contracts
from contracts.privacy.openings import (
    OPENINGS,
    CaseRequest,
    encode_open_case,
    encode_vote,
)
from contracts.privacy.query_log import (
    QUERY_LOG,
    StatementProof,
    encode_anchor,
    encode_anchor_access,
    statement_leaf,
)
from node.audit.port import ReportWish, SampleWish
from tests.contracts.harness import PARAMETERS
from tests.unit.node.audit.test_reports import (
    ALPHA,
    BRAVO,
    CHARLIE,
    DELTA,
    Ledger,
    cells,
    desk_of,
    report,
    statement,
)
from tests.unit.node.audit.test_sample import drawn
from tests.unit.node.execution.alliance import CREATED_MS, Node, call, make_genesis

EPOCH_S = 86_400
EPOCH = CREATED_MS // 1000 // EPOCH_S
_WORDS = [sha256(bytes((n,))).digest() for n in range(6)]
CASE = CaseRequest(
    case_id=_WORDS[0],
    statement_hash=_WORDS[1],
    nullifier=_WORDS[2],
    e1=_WORDS[3],
    e2=_WORDS[4],
    basis_hash=_WORDS[5],
    evaluator=member_id_bytes("alpha"),
)


class Questions(Ledger):
    """A ledger that has the privacy contracts too."""

    def __init__(self) -> None:
        super().__init__()
        genesis = make_genesis()
        members = [
            Member(
                member_id_bytes(m.id),
                m.node,
                m.account,
                Role(sum(Role[role.upper()] for role in m.roles)),
            )
            for m in genesis.members
        ]
        contracts = (
            *governed_contracts(members, PARAMETERS),
            *privacy_contracts([], None, EPOCH_S),
        )
        placed = {
            Address(c.address): GenesisAccount(c.nonce, 0, c.code, c.storage) for c in contracts
        }
        self.node = Node(genesis=dataclasses.replace(genesis, alloc={**genesis.alloc, **placed}))

    def send(self, key: Any, to: bytes, data: bytes, later_ms: int = 1_000) -> None:
        self.time_ms += later_ms
        sent = call(key, self._nonce(key), Address(to), data)
        block = self.node.block(sent, at_ms=self.time_ms)
        assert block.receipts[0].succeeded, "the contract refused it"

    def served(self, key: Any, interval: int, count: int, root: bytes) -> None:
        self.send(key, QUERY_LOG, encode_anchor(EPOCH, interval, count, root))

    def asked(self, key: Any, sequence: int, count: int) -> None:
        root = sha256(count.to_bytes(8, "big")).digest()
        self.send(key, QUERY_LOG, encode_anchor_access(sequence, count, root))


async def test_questions_served_are_added_up_by_evaluator_and_epoch() -> None:
    ledger = Questions()
    for interval, count in ((1, 4), (2, 7)):
        ledger.served(ALPHA, interval, count, bytes((interval,)) * 32)
    ledger.served(BRAVO, 2, 5, b"\x09" * 32)
    made = await report(ledger.node, "quotas")
    keys = ("epoch", "evaluator", "served", "intervals", "last_interval", "quota_small")
    assert cells(made, *keys) == [
        (EPOCH, "alpha", 11, 2, 2, 500),
        (EPOCH, "bravo", 5, 1, 2, 500),
    ]
    older = await report(ledger.node, "quotas", to_height=Height(1), member=MemberId("alpha"))
    assert cells(older, "evaluator", "served") == [("alpha", 4)]
    second: Report = await report(ledger.node, "quotas", after=1)
    assert cells(second, "evaluator") == [("bravo",)] and second.next is None


async def test_entries_of_an_access_log_are_drawn_up_to_the_anchors_of_the_block() -> None:
    ledger = Questions()
    ledger.asked(ALPHA, 1, 3)
    ledger.asked(ALPHA, 2, 10)
    ledger.asked(BRAVO, 1, 99)
    ledger.asked(ALPHA, 3, 400)
    for number in range(6):
        ledger.anchor(BRAVO, statement(f"calm {number}"), later_ms=2_000)
    ledger.anchor(CHARLIE, statement("honest"), later_ms=500)
    desk = desk_of(ledger.node)
    wish = SampleWish(population="access", to_height=Height(3), size=10, member=MemberId("alpha"))
    sample: Sample = await drawn(desk, wish)
    (stratum,) = sample.strata
    assert (stratum.member, stratum.size) == ("alpha", 10)
    numbers = sorted(int(item.name) for item in stratum.items)
    assert numbers == list(range(1, 11))
    assert {item.height for item in stratum.items if int(item.name) <= 3} == {1}
    assert {item.height for item in stratum.items if int(item.name) > 3} == {2}
    nobody = await drawn(desk, replace(wish, member=MemberId("delta")))
    assert nobody.strata[0].size == 0
    desk.close()


async def test_openings_show_who_asked_every_vote_and_the_result() -> None:
    ledger = Questions()
    request = CASE
    leaf = statement_leaf(request.statement_hash, request.nullifier, request.e1, request.e2)
    ledger.served(ALPHA, 1, 1, leaf)
    ledger.send(DELTA, OPENINGS, encode_open_case(request, StatementProof(0, ())))
    keys = ("case", "regulator", "evaluator", "needed", "approvals", "rejections", "state")
    case = request.case_id.hex()
    assert cells(await report(ledger.node, "openings"), *keys) == [
        (case, "delta", "alpha", 3, "", "", "open")
    ]
    ledger.send(ALPHA, OPENINGS, encode_vote(request.case_id, True))
    ledger.send(CHARLIE, OPENINGS, encode_vote(request.case_id, False))
    ledger.send(BRAVO, OPENINGS, encode_vote(request.case_id, True))
    made = await report(ledger.node, "openings")
    assert cells(made, *keys) == [(case, "delta", "alpha", 3, "alpha bravo", "charlie", "open")]
    assert cells(made, "statement", "basis", "result") == [
        (request.statement_hash.hex(), request.basis_hash.hex(), None)
    ]
    ledger.rest(60 * EPOCH_S * 1000)
    assert cells(await report(ledger.node, "openings"), "state") == [("expired",)]
    older = await report(ledger.node, "openings", to_height=Height(3))
    assert cells(older, "approvals", "state") == [("alpha", "open")]
    assert (await desk_report(ledger, MemberId("alpha"))).rows == ()


async def desk_report(ledger: Questions, member: MemberId) -> Report:
    desk = desk_of(ledger.node)
    made = await desk.report("openings", ReportWish(member=member))
    desk.close()
    return made
