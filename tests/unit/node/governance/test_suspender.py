"""The suspender on a real chain: what convicts, who proposes, how often, and what is left alone."""

from __future__ import annotations

import dataclasses

from msgspec import structs

from bulwark.ledger.ids import Digest, Epoch, Height, MemberId, ValidatorIndex, View
from bulwark.ledger.signing import SigningDomain
from bulwark.ledger.votes import VoteKind, VoteSubject
from consensus.evidence import DoubleVote
from consensus.messages import Vote
from consensus.terms import Terms
from contracts.actions import SuspendMember
from contracts.bindings import GOVERNANCE, encode_propose
from contracts.evidence import (
    EVIDENCE_GAS,
    EVIDENCE_REGISTRY,
    DoubleVoteCall,
    encode_double_vote,
    encode_unverified,
    unverified_case_id,
    unverified_gas,
)
from contracts.governance import read_case_status
from contracts.members import member_id_bytes, read_members
from node.evidence import Case
from node.governance.port import DryRun, Finding, Quorum, Weight
from node.governance.suspender import TURN_MS, Suspender, SuspenderParts, turn_of
from node.service import Busy
from tests.unit.node.chain.test_policies import ALPHA, BRAVO, CHARLIE, DEFAULT, Play
from tests.unit.node.execution.alliance import CHAIN_ID, CREATED_MS, NAMES, VOTE_KEYS

CULPRIT = member_id_bytes("charlie")
FINE = Quorum(4, 3, 1, 3)


@dataclasses.dataclass
class Desk:
    """Sends the proposal to the chain at once."""

    play: Play
    key: object
    verdict: str = ""
    failure: Exception | None = None
    made: list[SuspendMember] = dataclasses.field(default_factory=list)

    def dry_run(self, action):
        findings = (Finding(Weight.UNSAFE, "below-quorum", self.verdict),) if self.verdict else ()
        return DryRun(FINE, FINE, (), (), findings)

    async def propose(self, action, *, lifetime_s, force, wait, idempotency):
        assert not force
        if self.failure is not None:
            raise self.failure
        data = encode_propose(action, CREATED_MS // 1000 + lifetime_s)
        self.play.send(self.key, GOVERNANCE, data)
        self.made.append(action)


class Scene:
    def __init__(self, own: str = "alpha", play: Play | None = None) -> None:
        self.play = play or Play(DEFAULT.document)
        node = self.play.node
        self.now_ms = 0
        self.known: dict[bytes, bool] = {}
        key = {"alpha": ALPHA, "bravo": BRAVO, "charlie": CHARLIE}.get(own, ALPHA)
        self.desk = Desk(self.play, key)
        self.terms: Terms | None = structs.replace(node.executor.epochs.number(Epoch(0)).core_terms)
        self.suspender = Suspender(
            SuspenderParts(
                store=node.store,
                chain=node.chain,
                read_slot=node.executor.slot,
                genesis_hash=node.genesis.hash,
                terms_of=lambda _: self.terms,
                holds=lambda case, height: None,
                desk=self.desk,
                own=MemberId(own),
                now_ms=lambda: self.now_ms,
            )
        )

    async def all_turns(self) -> list[SuspendMember]:
        """Look, let every member's turn come, look again."""
        await self.suspender.follow()
        self.now_ms += TURN_MS * len(NAMES)
        await self.suspender.follow()
        return self.desk.made


def vote(domain: SigningDomain, digest: bytes) -> Vote:
    subject = VoteSubject(VoteKind.COMMIT, View(4), Height(9), Digest(digest))
    signature = VOTE_KEYS[2].sign(subject.signing_digest(domain))
    return Vote(subject, ValidatorIndex(2), signature)


def double_vote(genesis_hash: Digest) -> DoubleVoteCall:
    domain = SigningDomain(CHAIN_ID, genesis_hash, Epoch(0))
    first, second = vote(domain, b"\x01" * 32), vote(domain, b"\x02" * 32)
    return DoubleVoteCall(
        CULPRIT,
        genesis_hash,
        0,
        VoteKind.COMMIT,
        4,
        9,
        first.subject.digest,
        second.subject.digest,
        first.signature,
        second.signature,
    )


def prove(play: Play, genesis_hash: Digest | None = None) -> bytes:
    """A double vote that the contract verifies; the id of its case."""
    found = double_vote(genesis_hash or play.node.genesis.hash)
    play.send(BRAVO, EVIDENCE_REGISTRY, encode_double_vote(found), EVIDENCE_GAS)
    return found.case_id()


def file(play: Play, data: bytes, kind: int, culprit: bytes = CULPRIT) -> bytes:
    play.send(
        BRAVO, EVIDENCE_REGISTRY, encode_unverified(culprit, kind, data), unverified_gas(data)
    )
    return unverified_case_id(culprit, data)


async def test_a_proven_double_vote_leads_to_one_proposal_and_to_no_second():
    scene = Scene()
    case = prove(scene.play)
    assert await scene.all_turns() == [SuspendMember(CULPRIT, case)]
    assert read_case_status(scene.play.node.executor.slot, case).proposal == 1
    assert len(await scene.all_turns()) == 1
    # A node that starts anew reads from the ledger that it was proposed.
    assert await Scene("bravo", scene.play).all_turns() == []


async def test_a_lapsed_or_withdrawn_proposal_is_not_made_again():
    scene = Scene()
    case = prove(scene.play)
    data = encode_propose(SuspendMember(CULPRIT, case), CREATED_MS // 1000 + 1)
    scene.play.send(BRAVO, GOVERNANCE, data)
    scene.play.node.block(at_ms=CREATED_MS + 60_000)
    assert await scene.all_turns() == []


async def test_votes_of_another_alliance_convict_nobody_here():
    scene = Scene()
    prove(scene.play, Digest(b"\x09" * 32))
    assert await scene.all_turns() == []


async def test_filed_evidence_counts_only_where_this_node_verified_it_against_that_very_member():
    scene = Scene()
    domain = scene.play.node.genesis.domain()
    evidence = DoubleVote(vote(domain, b"\x01" * 32), vote(domain, b"\x02" * 32))
    data = Case(Epoch(0), evidence).encode()
    file(scene.play, data, 1, member_id_bytes("bravo"))
    other = DoubleVote(vote(domain, b"\x01" * 32), vote(domain, b"\x01" * 32))
    file(scene.play, Case(Epoch(0), other).encode(), 1)
    file(scene.play, b"nonsense", 3)
    file(scene.play, b"no evaluation", 6)
    assert await scene.all_turns() == []
    case = file(scene.play, data, 1)
    assert await scene.all_turns() == [SuspendMember(CULPRIT, case)]


async def test_a_case_of_an_epoch_that_this_node_forgot_is_left_to_others():
    scene = Scene()
    scene.terms = None
    domain = scene.play.node.genesis.domain()
    evidence = DoubleVote(vote(domain, b"\x01" * 32), vote(domain, b"\x02" * 32))
    file(scene.play, Case(Epoch(0), evidence).encode(), 1)
    assert await scene.all_turns() == []


async def test_members_take_turns_so_that_one_proposes():
    play = Play(DEFAULT.document)
    case = prove(play)
    members = read_members(play.node.executor.slot)
    turns = {
        name: turn_of(members, case, CULPRIT, member_id_bytes(name))
        for name in ("alpha", "bravo", "delta")
    }
    assert sorted(turns.values()) == [0, 1, 2]
    assert turn_of(members, case, CULPRIT, CULPRIT) is None
    assert turn_of(members, case, CULPRIT, member_id_bytes("nobody")) is None
    late = max(("alpha", "bravo"), key=turns.__getitem__)
    scene = Scene(late, play)
    await scene.suspender.follow()
    scene.now_ms = turns[late] * TURN_MS - 1
    assert await scene.suspender.follow() == 0
    scene.now_ms += 1
    assert await scene.suspender.follow() == 1


async def test_nobody_proposes_against_itself():
    scene = Scene("charlie")
    prove(scene.play)
    assert await scene.all_turns() == []


async def test_what_a_dry_run_refuses_is_proposed_when_it_refuses_no_more():
    scene = Scene()
    scene.desk.verdict = "2 of 3 validators are connected"
    case = prove(scene.play)
    assert await scene.all_turns() == []
    scene.desk.verdict, scene.desk.failure = "", Busy("own transactions wait")
    assert await scene.all_turns() == []
    scene.desk.failure = None
    assert await scene.all_turns() == [SuspendMember(CULPRIT, case)]


async def test_a_flood_of_filings_that_prove_nothing_hides_no_case():
    scene = Scene()
    for number in range(3):
        file(scene.play, b"flood %d" % number, 2)
        await scene.suspender.follow()
    case = prove(scene.play)
    assert await scene.all_turns() == [SuspendMember(CULPRIT, case)]
