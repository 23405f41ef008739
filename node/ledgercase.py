"""Ids under which the ledger files evidence: what a suspension names.

Rules: a double vote lies under its subject, every other case under its bytes, both with the name
of the culprit; the ids are those of EvidenceRegistry. It asks no ledger.
"""

from __future__ import annotations

from bulwark.ledger.ids import Digest, MemberId
from consensus.evidence import DoubleVote
from contracts.errors import ContractError
from contracts.evidence import DoubleVoteCall, unverified_case_id
from contracts.members import member_id_bytes
from node.evidence import Case
from node.guarded.accusation import WrongEvaluation


def ledger_case_id(
    case: Case | WrongEvaluation, culprit: MemberId, genesis_hash: Digest
) -> bytes | None:
    """Id of a case in the evidence registry, filed or not; None for a culprit without a name."""
    if isinstance(case, WrongEvaluation):
        return unverified_case_id(case.culprit_bytes, case.encode())
    try:
        name = member_id_bytes(culprit)
    except ContractError:
        return None
    if isinstance(case.evidence, DoubleVote):
        return double_vote_call(case, case.evidence, name, genesis_hash).case_id()
    return unverified_case_id(name, case.encode())


def double_vote_call(
    case: Case, evidence: DoubleVote, culprit: bytes, genesis_hash: Digest
) -> DoubleVoteCall:
    """The contract call that proves a double vote."""
    first, second = evidence.first, evidence.second
    return DoubleVoteCall(
        culprit=culprit,
        genesis_hash=genesis_hash,
        epoch=case.epoch,
        kind=first.subject.kind,
        view=first.subject.view,
        height=first.subject.height,
        first=first.subject.digest,
        second=second.subject.digest,
        first_signature=first.signature,
        second_signature=second.signature,
    )
