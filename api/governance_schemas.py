"""Schemas of governance: members, parameters, proposals, votes and dry runs of the REST surface.

Rules: an action is one JSON object whose `kind` names its fields (`node.governance.documents` reads
it; a test holds the two together).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from api.schemas import ADDRESS, Digest, Document, Prefixed, StageName
from contracts.actions import VOTABLE
from contracts.governance import MAX_LIFETIME_S

DEFAULT_LIFETIME_S = 7 * 86_400
MEMBER_ID = "^[a-z0-9][a-z0-9-]{0,30}$"
WORD_IN = "^(0x)?[0-9a-fA-F]{64}$"
_EXAMPLE: JsonDict = {"kind": "set_parameter", "name": "rotation", "value": 32}

MemberId = Annotated[str, Field(pattern=MEMBER_ID, examples=["southbank"])]
AddressIn = Annotated[str, Field(pattern=ADDRESS)]
WordIn = Annotated[str | None, Field(pattern=WORD_IN)]
RoleNames = Annotated[
    list[Literal["validator", "reporter", "regulator", "deployer"]],
    Field(max_length=4, json_schema_extra={"uniqueItems": True}),
]


class AddMemberIn(Document):
    """A member joins; the fields are those of its join request."""

    kind: Literal["add_member"]
    id: MemberId
    node: AddressIn = Field(description="Address of its vote key")
    account: AddressIn = Field(description="Address of its transaction key")
    roles: RoleNames
    tls_pin: WordIn
    oprf_key: WordIn = None
    next_tls_pin: WordIn = None


class RemoveMemberIn(Document):
    """A member leaves."""

    kind: Literal["remove_member"]
    id: MemberId


class SetKeysIn(Document):
    """A member's keys become these."""

    kind: Literal["set_keys"]
    id: MemberId
    node: AddressIn
    account: AddressIn
    oprf_key: WordIn = None


class SetTlsPinsIn(Document):
    """A member's TLS pins become these."""

    kind: Literal["set_tls_pins"]
    id: MemberId
    tls_pin: WordIn
    next_tls_pin: WordIn = None


class SetRolesIn(Document):
    """A member's roles become these."""

    kind: Literal["set_roles"]
    id: MemberId
    roles: RoleNames


class SetParameterIn(Document):
    """A parameter of the protocol becomes this value."""

    kind: Literal["set_parameter"]
    name: str = Field(json_schema_extra={"enum": list(VOTABLE)})
    value: int = Field(ge=1, description="GET /v1/governance/parameters has the bounds")


class AdoptPolicyIn(Document):
    """A published policy is in force for records of later blocks."""

    kind: Literal["adopt_policy"]
    policy: WordIn = Field(description="Id of the policy; GET /v1/policies has them")


class WithdrawPolicyIn(Document):
    """A policy is in force no more for records of later blocks."""

    kind: Literal["withdraw_policy"]
    policy: WordIn = Field(description="Id of the policy")


class SuspendMemberIn(Document):
    """A member loses its vote and the right to report, for a case on the ledger against it."""

    kind: Literal["suspend_member"]
    id: MemberId
    evidence: WordIn = Field(description="Id of the case in the evidence registry")


class ReinstateIn(Document):
    """A suspended member gets back what its suspension took."""

    kind: Literal["reinstate"]
    id: MemberId


ActionIn = Annotated[
    AddMemberIn
    | RemoveMemberIn
    | SetKeysIn
    | SetTlsPinsIn
    | SetRolesIn
    | SetParameterIn
    | AdoptPolicyIn
    | WithdrawPolicyIn
    | SuspendMemberIn
    | ReinstateIn,
    Field(discriminator="kind", examples=[_EXAMPLE]),
]


class DryRunIn(Document):
    """An action to be looked at."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"action": _EXAMPLE}]})

    action: ActionIn


class ProposalIn(Document):
    """An action to be proposed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"action": _EXAMPLE}]})

    action: ActionIn
    lifetime_s: int = Field(
        default=DEFAULT_LIFETIME_S, ge=1, lt=MAX_LIFETIME_S, description="Seconds until it lapses"
    )
    force: bool = Field(default=False, description="Go over findings that are unsafe")


class ApprovalIn(Document):
    """How an approval is given."""

    force: bool = Field(default=False, description="Go over findings that are unsafe")


class NothingIn(Document):
    """An empty object, or no body at all."""


class GovernedMemberOut(Document):
    """A member as the registry has it now."""

    id: str
    node: str
    account: str
    roles: list[str]
    oprf_key: Digest
    tls_pin: Digest
    next_tls_pin: Digest
    votes: bool = Field(description="Whether its account votes on proposals")
    connected: bool | None = Field(description="Whether this node reaches it; null for itself")


class GovernedMembersOut(Document):
    """All members in registry order."""

    members: list[GovernedMemberOut]


class ParameterOut(Document):
    """A parameter of the protocol."""

    name: str
    value: int
    by_vote: bool = Field(description="Whether the ledger holds it; else genesis or the default")
    least: int
    most: int
    coming: int | None = Field(description="Voted value of the next quota epoch, null for none")


class ParameterChangeOut(Document):
    """What a vote would make of a parameter."""

    name: str
    old: int = Field(description="Value that holds now; 0 where a rule stands in for a number")
    new: int
    takes_effect: str


class ParametersOut(Document):
    """All parameters that votes may change."""

    parameters: list[ParameterOut]


class ProposalOut(Document):
    """A proposal as it stands in the last block."""

    id: int = Field(ge=1)
    state: Literal["open", "executed", "withdrawn", "lapsed"]
    proposer: str
    expires: str = Field(description="Block time at which it lapses")
    action: dict[str, Any]
    approvals: list[str] = Field(description="Members whose approvals count now")
    needed: int = Field(ge=0, description="Approvals that carry it out now")
    voters: int = Field(ge=0)
    failure: str | None = Field(description="Why the last try to carry it out was refused")


class ProposalsOut(Document):
    """Proposals, newest first, at most 256."""

    proposals: list[ProposalOut]


class QuorumOut(Document):
    """What a number of validators needs and stands."""

    validators: int
    quorum: int = Field(description="Votes that make a certificate")
    faulty: int = Field(description="f: how many may be faulty")
    approvals: int = Field(description="Votes that carry out a proposal")


class ActionFindingOut(Document):
    """One thing that a dry run found."""

    weight: Literal["refused", "unsafe", "note"] = Field(
        description="refused: nothing overrides it; unsafe: only force does"
    )
    code: str
    detail: str


class DryRunOut(Document):
    """What an action would do."""

    allowed: bool = Field(description="Whether it can be proposed without force")
    before: QuorumOut
    after: QuorumOut
    connected: list[str] = Field(description="Validators then that are connected and ready now")
    missing: list[str]
    findings: list[ActionFindingOut]
    parameter: ParameterChangeOut | None = Field(description="Of an action that sets one")


class VoteOut(Document):
    """What became of a vote of this member."""

    transaction: Prefixed
    stage: StageName
    height: int | None = Field(ge=0)
    proposal: ProposalOut | None = Field(description="Null until the transaction is executed")


MODELS = (
    GovernedMembersOut,
    ParametersOut,
    ProposalIn,
    ApprovalIn,
    NothingIn,
    DryRunIn,
    ProposalOut,
    ProposalsOut,
    DryRunOut,
    VoteOut,
)
