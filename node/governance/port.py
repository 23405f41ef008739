"""What the outside may ask of a node about the alliance's government: a Protocol and its views.

The desk (`node.governance.desk`) implements it, the API translates it to HTTP. All of it is read in
the state of the node's last block; writes are transactions of this member's account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from bulwark.ledger.ids import Digest, Height
from contracts.actions import Action
from node.service import Idempotency, Stage


class GovernedMember(Struct, frozen=True):
    """A member as the registry has it now."""

    id: str
    node: str
    account: str
    roles: tuple[str, ...]
    oprf_key: str
    tls_pin: str
    next_tls_pin: str
    votes: bool
    """Whether its account votes on proposals."""
    connected: bool | None
    """Whether this node has a live connection to it; None for itself."""


class ParameterView(Struct, frozen=True):
    """A parameter of the protocol."""

    name: str
    value: int
    by_vote: bool
    """Whether the ledger holds it; else the genesis document or the default does."""
    least: int
    most: int
    coming: int | None = None
    """Value that was voted and holds from the next quota epoch on, None where none waits."""


class ParameterChange(Struct, frozen=True):
    """What a vote would make of a parameter."""

    name: str
    old: int
    """Value that holds now; 0 where a rule stands in for a number."""
    new: int
    takes_effect: str


class ProposalView(Struct, frozen=True):
    """A proposal as it stands in the last block."""

    id: int
    state: str
    """`open`, `executed`, `withdrawn` or `lapsed`."""
    proposer: str
    """Member id; an account of nobody as its address."""
    expires_ms: int
    action: Mapping[str, object]
    approvals: tuple[str, ...]
    """Members whose approvals count now."""
    needed: int
    """Approvals that carry it out now."""
    voters: int
    failure: str | None
    """Why the last try to carry it out was refused."""


class Weight(StrEnum):
    """How much a finding of a dry run weighs."""

    REFUSED = "refused"
    """The ledger or the protocol refuses it; nothing overrides that."""
    UNSAFE = "unsafe"
    """It can halt the alliance; only `force` goes over it."""
    NOTE = "note"
    """Worth knowing."""


class Finding(Struct, frozen=True):
    """One thing that a dry run found."""

    weight: Weight
    code: str
    """Stable name, as `below-quorum`."""
    detail: str


class Quorum(Struct, frozen=True):
    """What a number of validators needs and stands."""

    validators: int
    quorum: int
    faulty: int
    """f: how many of them may be faulty or down for safety to hold."""
    approvals: int
    """Votes that carry out a proposal."""


class DryRun(Struct, frozen=True):
    """What an action would do, without doing it."""

    before: Quorum
    after: Quorum
    connected: tuple[str, ...]
    """Validators after the action that this node is connected with now, itself included."""
    missing: tuple[str, ...]
    """Validators after the action that it is not connected with."""
    findings: tuple[Finding, ...]
    parameter: ParameterChange | None = None
    """Of an action that sets one."""

    def verdict(self, *, force: bool = False) -> str | None:
        """Why the action must not be done, None if it may."""
        refused = [f.detail for f in self.findings if f.weight is Weight.REFUSED]
        unsafe = [f.detail for f in self.findings if f.weight is Weight.UNSAFE and not force]
        return "; ".join(refused + unsafe) or None


class VoteOutcome(Struct, frozen=True):
    """What became of a proposal, an approval or a withdrawal of this member."""

    transaction: Digest
    stage: Stage
    height: Height | None
    proposal: ProposalView | None
    """None until the transaction is executed."""


class GovernanceService(Protocol):
    """The government of the alliance as this node sees it."""

    def members(self) -> Sequence[GovernedMember]:
        """All members in registry order."""
        ...

    def parameters(self) -> Sequence[ParameterView]:
        """All parameters that votes may change."""
        ...

    def proposals(self, *, open_only: bool) -> Sequence[ProposalView]:
        """Proposals, newest first, at most 256."""
        ...

    def proposal(self, proposal_id: int) -> ProposalView:
        """One proposal. Raises NotFound."""
        ...

    def dry_run(self, action: Action) -> DryRun:
        """What an action would do."""
        ...

    async def propose(
        self,
        action: Action,
        *,
        lifetime_s: int,
        force: bool,
        wait: Stage,
        idempotency: Idempotency | None,
    ) -> VoteOutcome:
        """Propose and approve. Raises Conflict, Forbidden, Busy."""
        ...

    async def approve(
        self, proposal_id: int, *, force: bool, wait: Stage, idempotency: Idempotency | None
    ) -> VoteOutcome:
        """Approve. Raises NotFound, Conflict, Forbidden, Busy."""
        ...

    async def withdraw(
        self, proposal_id: int, *, wait: Stage, idempotency: Idempotency | None
    ) -> VoteOutcome:
        """Take the own approval back. Raises NotFound, Conflict, Busy."""
        ...
