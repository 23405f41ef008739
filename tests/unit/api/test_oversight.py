"""Diagnosis and evidence over HTTP: documents that fit their models, refusals by name."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from api.diagnosis_schemas import (
    DiagnosisOut,
    EvidenceListOut,
    EvidenceOut,
    EvidenceSummaryOut,
)
from bulwark.ledger.ids import Digest, Epoch, Height, MemberId, ValidatorIndex, View
from bulwark.ledger.votes import VoteKind, VoteSubject
from consensus.evidence import DoubleVote
from consensus.messages import Vote
from node.diagnosis.facts import MemberFacts
from node.evidence import Case, EvidenceEntry, case_of_file
from node.service import Readiness, Role
from tests.unit.api.world import World, problem_of


@pytest.fixture
def entry(world: World) -> EvidenceEntry:
    votes = [
        Vote(
            VoteSubject(VoteKind.COMMIT, View(1), Height(7), Digest(mark * 32)),
            ValidatorIndex(2),
            mark * 65,
        )
        for mark in (b"a", b"b")
    ]
    case = Case(Epoch(0), DoubleVote(*votes))
    made = EvidenceEntry(case, MemberId("bank-c"), "0x" + "11" * 20, True)
    world.node.cases[case.id] = made
    return made


async def test_a_diagnosis_is_answered_whatever_the_verdict(world: World) -> None:
    answer = await world.ask("GET", "/v1/node/diagnosis", Role.OPERATOR)
    shown = DiagnosisOut.model_validate_json(answer.content, strict=True)
    assert answer.status_code == 200 and shown.height == 4
    world.node.facts = replace(
        world.node.facts,
        validators=("bank-a", "telco-b"),
        quorum=2,
        members=(MemberFacts("telco-b", 1, False),),
    )
    answer = await world.ask("GET", "/v1/node/diagnosis", Role.OPERATOR)
    shown = DiagnosisOut.model_validate_json(answer.content, strict=True)
    assert (shown.verdict, shown.well) == ("stuck", False)
    assert "quorum.lost" in [finding.code for finding in shown.findings]
    refused = await world.ask("GET", "/v1/node/diagnosis?x=1", Role.OPERATOR)
    problem_of(refused, 400, "malformed")


async def test_evidence_is_listed_shown_and_verifiable_from_what_was_shown(
    world: World, entry: EvidenceEntry
) -> None:
    listed = await world.ask("GET", "/v1/evidence", Role.AUDITOR)
    (line,) = EvidenceListOut.model_validate_json(listed.content, strict=True).evidence
    assert (line.culprit, line.kind, line.holds) == ("bank-c", "double-vote", True)
    answer = await world.ask("GET", f"/v1/evidence/{line.id}", Role.AUDITOR)
    shown = EvidenceOut.model_validate_json(answer.content, strict=True)
    assert [message["height"] for message in shown.messages] == [7, 7]
    assert case_of_file(answer.content) == (entry.case, ())


async def test_an_unknown_or_malformed_id_is_named(world: World) -> None:
    problem_of(await world.ask("GET", f"/v1/evidence/{'00' * 32}"), 404, "not-found")
    problem_of(await world.ask("GET", "/v1/evidence/xyz"), 400, "invalid")
    path = f"/v1/evidence/{'00' * 32}/post"
    problem_of(await world.ask("POST", path, Role.ADMIN), 404, "not-found")


async def test_posting_twice_is_posting_once(world: World, entry: EvidenceEntry) -> None:
    path = f"/v1/evidence/{entry.case.id.hex()}/post"
    answers = [await world.ask("POST", path, Role.ADMIN, content=body) for body in (b"", b"{}")]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].content == answers[1].content and world.node.posts == 1
    EvidenceSummaryOut.model_validate_json(answers[0].content, strict=True)
    refused = await world.ask("POST", path, Role.ADMIN, content=b'{"a": 1}')
    problem_of(refused, 422, "invalid")


async def test_readiness_has_numbers_of_the_voting_and_no_names(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    voting = {"epoch": 1, "silent_until": None, "validators": 4, "heard": 3, "needed": 3}
    readiness = Readiness(True, {"storage": True}, voting)
    monkeypatch.setattr(world.node, "readiness", lambda: readiness)
    answer = await world.ask("GET", "/readyz", None)
    assert answer.json() == {"ready": True, "checks": {"storage": True}, "voting": voting}
