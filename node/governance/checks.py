"""What the ledger says of an action before a vote: why it would refuse it, and what it knows of it.

Rules: an action on the registries is asked of them as a call from the governance, on a throw-away
state; what the governance itself decides (suspension, reinstatement) is read from its storage and
judged as it judges; a policy that no node could read is not adopted. It writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bulwark.ledger.ids import Address
from bulwark.policies.document import PolicyInvalid, parse_policy
from contracts.actions import (
    Action,
    AdoptPolicy,
    Reinstate,
    SetParameter,
    SetRoles,
    SuspendMember,
    WithdrawPolicy,
    encode_action,
)
from contracts.evidence import read_case
from contracts.governance import GOVERNANCE, read_case_status, read_suspension
from contracts.members import MEMBER_REGISTRY, Role, read_members
from contracts.policies import POLICY_REGISTRY, read_document
from contracts.slots import ReadSlot
from node.governance.planning import SUSPENDED_ROLES

Refusal = Callable[[Address, Address, bytes], str | None]
"""Why a call from an account to a contract reverts now, None if it does not."""
PROVEN: Final = "the ledger's contract verified the case: two votes that contradict each other"
FILED: Final = (
    "the ledger keeps the case and did not verify it; `bulwark evidence list` says whether it holds"
)


def ledger_refusal(read_slot: ReadSlot, refusal: Refusal, action: Action) -> str | None:
    """Why the ledger would refuse an action now, None if it would not."""
    match action:
        case SetParameter():
            return None  # Ranges are checked where an action is read, combinations by the plan.
        case SuspendMember():
            return _suspension_refusal(read_slot, refusal, action)
        case Reinstate(member_id):
            found = read_suspension(read_slot, member_id)
            if found is None:
                return "the member is not suspended"
            roles = _roles(read_slot, member_id)
            return _registry_refusal(refusal, SetRoles(member_id, Role(roles | found[0])))
        case AdoptPolicy(policy_id):
            return _policy_refusal(refusal, action) or _unreadable(read_slot, policy_id)
        case WithdrawPolicy():
            return _policy_refusal(refusal, action)
        case _:
            return _registry_refusal(refusal, action)


def returned_roles(read_slot: ReadSlot, action: Action) -> Role:
    """Roles that a reinstatement gives back, none for another action."""
    found = read_suspension(read_slot, action.id) if isinstance(action, Reinstate) else None
    return Role(0) if found is None else found[0]


def evidence_notes(read_slot: ReadSlot, action: Action) -> tuple[str, ...]:
    """What the ledger knows of the case that a suspension names."""
    if not isinstance(action, SuspendMember):
        return ()
    case = read_case(read_slot, action.evidence)
    if case is None:
        return ()
    return (f"filed in block {case.block_number}: {PROVEN if case.verified else FILED}",)


def _suspension_refusal(read_slot: ReadSlot, refusal: Refusal, action: SuspendMember) -> str | None:
    case = read_case(read_slot, action.evidence)
    if case is None:
        return f"the ledger has no case {action.evidence.hex()}"
    if case.culprit != action.id:
        return f"case {action.evidence.hex()} is against another member"
    judged = read_case_status(read_slot, action.evidence).judged
    if judged:
        return f"the member was suspended for this case already, in block {judged}"
    roles = _roles(read_slot, action.id)
    if not roles & SUSPENDED_ROLES:
        return "the member neither votes nor reports: there is nothing to suspend"
    return _registry_refusal(refusal, SetRoles(action.id, Role(roles & ~SUSPENDED_ROLES)))


def _roles(read_slot: ReadSlot, member_id: bytes) -> Role:
    members = read_members(read_slot)
    return next((m.roles for m in members if m.id == member_id), Role(0))


def _registry_refusal(refusal: Refusal, action: Action) -> str | None:
    return refusal(Address(GOVERNANCE), Address(MEMBER_REGISTRY), encode_action(action))


def _policy_refusal(refusal: Refusal, action: AdoptPolicy | WithdrawPolicy) -> str | None:
    return refusal(Address(GOVERNANCE), Address(POLICY_REGISTRY), encode_action(action))


def _unreadable(read_slot: ReadSlot, policy_id: bytes) -> str | None:
    document = read_document(read_slot, policy_id)
    if document is None:
        return None
    try:
        parse_policy(document)
    except PolicyInvalid as error:
        return f"no node could apply this policy: {error}"
    return None
