"""The governance desk: reads the alliance's government from the ledger and votes for this member.

Rules: everything is read in the state of the last block, without an EVM; a vote is asked of the
contract first (a call that writes nothing), so that what it refuses is told with its reason and
no transaction is spent; votes go through the member's one lane of nonces. An approval is checked
like a proposal: whoever carries an action out answers for what it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from bulwark.ledger.ids import Address, Digest, Height, MemberId
from bulwark.ledger.receipt import Log
from bulwark.ledger.transaction import Transaction
from contracts.actions import Action, SetParameter
from contracts.governance import (
    GOVERNANCE,
    MAX_LIFETIME_S,
    Proposal,
    ProposalState,
    encode_approve,
    encode_propose,
    encode_withdraw,
    needed_approvals,
    read_parameters,
    read_proposal,
    read_proposal_count,
    read_voter_count,
)
from contracts.governance_events import ProposalMade, decode_governance_event
from contracts.members import read_members
from contracts.privacy.keys import quota_epoch
from contracts.slots import ReadSlot
from node.governance.checks import evidence_notes, ledger_refusal, returned_roles
from node.governance.documents import document_of, role_names, shown_id
from node.governance.parameters import change_of, parameter_views
from node.governance.planning import Situation, is_validator, plan
from node.governance.port import (
    DryRun,
    GovernedMember,
    ParameterView,
    ProposalView,
    VoteOutcome,
)
from node.reporting.idempotency import IdempotencyStore
from node.reporting.tracker import StageTracker
from node.service import Conflict, Forbidden, Idempotency, NotFound, Stage
from node.storage.durability import Durability

VOTE_GAS: Final = 2_500_000
"""Gas limit of a vote: the dearest measured one, of 128 voters, takes 1,249,025."""
MAX_LISTED: Final = 256
NOT_A_VOTER: Final = "not a voter"


class Lane(Protocol):
    """What this needs of the anchorer: this member's transactions in nonce order."""

    @property
    def address(self) -> Address:
        """The member's account."""
        ...

    def send(
        self,
        to: Address,
        data: bytes,
        *,
        extra: Callable[[Transaction], Mapping[bytes, bytes | None]] | None = None,
        gas: int = ...,
    ) -> Transaction:
        """Sign, make durable and submit a call. Raises Busy."""
        ...


class Ledger(Struct, frozen=True, kw_only=True):
    """The desk's port to the chain; every read is in the state of the last block."""

    read_slot: ReadSlot
    now_ms: Callable[[], int]
    """Time of the last block."""
    gas_limit: Callable[[], int]
    """Of a block."""
    refusal: Callable[[Address, Address, bytes], str | None]
    """Why a call from an account to a contract reverts now, None if it does not."""
    logs_of: Callable[[Digest], Sequence[Log]]
    """Logs of an executed transaction, none for an unknown one."""
    place_of: Callable[[Digest], tuple[Stage, Height | None]]
    """How far an own transaction got."""
    effective: Callable[[Mapping[str, int]], Mapping[str, int]]
    """Consensus parameters with these set ones over genesis; raises ConfigInvalid."""
    epoch_seconds: int
    """Length of a quota epoch in block time."""


class GovernanceDesk:
    """GovernanceService of one member's node."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        lane: Lane,
        tracker: StageTracker,
        idempotency: IdempotencyStore,
        durability: Durability,
        connected: Callable[[], Sequence[MemberId]],
        levels: Callable[[], Mapping[MemberId, int]],
        known_level: int,
        member: MemberId,
        now_ms: Callable[[], int],
        wait_timeout_ms: int,
    ) -> None:
        """`now_ms` is the node's clock, for entries of idempotency keys.

        `levels` says which protocol level the build of each connected member knows, `known_level`
        which one this node's does.
        """
        self._ledger = ledger
        self._lane = lane
        self._tracker = tracker
        self._idempotency = idempotency
        self._durability = durability
        self._connected = connected
        self._levels = levels
        self._known_level = known_level
        self._member = member
        self._now_ms = now_ms
        self._wait_timeout_ms = wait_timeout_ms

    # Reading

    def members(self) -> Sequence[GovernedMember]:
        """See GovernanceService."""
        connected = set(self._connected())
        found = []
        for member in read_members(self._ledger.read_slot):
            name = MemberId(shown_id(member.id))
            found.append(
                GovernedMember(
                    id=name,
                    node=f"0x{member.node.hex()}",
                    account=f"0x{member.account.hex()}",
                    roles=tuple(role_names(member.roles)),
                    oprf_key=member.oprf_key.hex(),
                    tls_pin=member.tls_pin.hex(),
                    next_tls_pin=member.next_tls_pin.hex(),
                    votes=is_validator(member),
                    connected=None if name == self._member else name in connected,
                )
            )
        return found

    def parameters(self) -> Sequence[ParameterView]:
        """See GovernanceService."""
        return self._parameters()

    def _parameters(self) -> list[ParameterView]:
        ledger = self._ledger
        effective = ledger.effective(read_parameters(ledger.read_slot))
        now_s = ledger.now_ms() // 1000
        return parameter_views(ledger.read_slot, effective, now_s, ledger.epoch_seconds)

    def proposals(self, *, open_only: bool) -> Sequence[ProposalView]:
        """See GovernanceService."""
        newest = read_proposal_count(self._ledger.read_slot)
        found: list[ProposalView] = []
        for proposal_id in range(newest, max(0, newest - MAX_LISTED), -1):
            proposal = self._find(proposal_id)
            if not open_only or proposal.state is ProposalState.OPEN:
                found.append(self._view(proposal))
        return found

    def proposal(self, proposal_id: int) -> ProposalView:
        """See GovernanceService."""
        return self._view(self._find(proposal_id))

    def _find(self, proposal_id: int) -> Proposal:
        found = None
        if 0 < proposal_id <= read_proposal_count(self._ledger.read_slot):
            now_s = self._ledger.now_ms() // 1000
            found = read_proposal(self._ledger.read_slot, proposal_id, now_s)
        if found is None:
            raise NotFound(f"there is no proposal {proposal_id} on the ledger")
        return found

    def _view(self, proposal: Proposal) -> ProposalView:
        names = {m.account: shown_id(m.id) for m in read_members(self._ledger.read_slot)}
        voters = read_voter_count(self._ledger.read_slot)
        action: dict[str, object]
        if proposal.action is None:
            action = {"kind": "unreadable", "data": proposal.action_bytes.hex()}
        else:
            action = document_of(proposal.action)
        return ProposalView(
            id=proposal.id,
            state=proposal.state.name.lower(),
            proposer=names.get(proposal.proposer, f"0x{proposal.proposer.hex()}"),
            expires_ms=proposal.expires_s * 1000,
            action=action,
            approvals=tuple(names.get(a, f"0x{a.hex()}") for a in proposal.approvals),
            needed=needed_approvals(voters),
            voters=voters,
            failure=proposal.failure,
        )

    def dry_run(self, action: Action) -> DryRun:
        """See GovernanceService."""
        read_slot = self._ledger.read_slot
        refusal = ledger_refusal(read_slot, self._ledger.refusal, action)
        situation = Situation(
            members=read_members(read_slot),
            parameters=read_parameters(read_slot),
            connected=frozenset(self._connected()),
            own=self._member,
            check_parameters=self._ledger.effective,
            taken=returned_roles(read_slot, action),
            notes=evidence_notes(read_slot, action),
            levels={str(name): level for name, level in self._levels().items()},
            own_level=self._known_level,
        )
        found = plan(situation, action, refusal)
        if not isinstance(action, SetParameter):
            return found
        epoch = quota_epoch(self._ledger.now_ms() // 1000, self._ledger.epoch_seconds)
        return replace(found, parameter=change_of(self._parameters(), action, epoch))

    # Voting

    async def propose(
        self,
        action: Action,
        *,
        lifetime_s: int,
        force: bool,
        wait: Stage,
        idempotency: Idempotency | None,
    ) -> VoteOutcome:
        """See GovernanceService."""
        known = self._known(idempotency)
        if known is not None:
            return await self._outcome(known, None, wait)
        if not 1 <= lifetime_s < MAX_LIFETIME_S:
            raise Conflict(f"a proposal lives 1 to {MAX_LIFETIME_S - 1} s, {lifetime_s} given")
        self._check(action, force)
        expires_s = self._ledger.now_ms() // 1000 + lifetime_s
        return await self._send(encode_propose(action, expires_s), None, wait, idempotency)

    async def approve(
        self, proposal_id: int, *, force: bool, wait: Stage, idempotency: Idempotency | None
    ) -> VoteOutcome:
        """See GovernanceService."""
        known = self._known(idempotency)
        if known is not None:
            return await self._outcome(known, proposal_id, wait)
        proposal = self._find(proposal_id)
        if proposal.state is ProposalState.OPEN and proposal.action is not None:
            self._check(proposal.action, force)
        return await self._send(encode_approve(proposal_id), proposal_id, wait, idempotency)

    async def withdraw(
        self, proposal_id: int, *, wait: Stage, idempotency: Idempotency | None
    ) -> VoteOutcome:
        """See GovernanceService."""
        known = self._known(idempotency)
        if known is not None:
            return await self._outcome(known, proposal_id, wait)
        self._find(proposal_id)
        return await self._send(encode_withdraw(proposal_id), proposal_id, wait, idempotency)

    def _check(self, action: Action, force: bool) -> None:
        verdict = self.dry_run(action).verdict(force=force)
        if verdict is not None:
            raise Conflict(verdict)

    def _known(self, wish: Idempotency | None) -> Digest | None:
        ids = self._idempotency.find(wish) if wish is not None else None
        return Digest(ids[0]) if ids else None

    async def _send(
        self, data: bytes, proposal_id: int | None, wait: Stage, wish: Idempotency | None
    ) -> VoteOutcome:
        contract = Address(GOVERNANCE)
        reason = self._ledger.refusal(self._lane.address, contract, data)
        if reason is not None and NOT_A_VOTER in reason:
            raise Forbidden(f"member {self._member} has no role validator on the ledger: no vote")
        if reason is not None:
            raise Conflict(reason)

        def entry(signed: Transaction) -> Mapping[bytes, bytes | None]:
            if wish is None:
                return {}
            return self._idempotency.entry(wish, [signed.hash], self._now_ms())

        gas = min(VOTE_GAS, self._ledger.gas_limit())
        transaction = self._lane.send(contract, data, extra=entry, gas=gas)
        return await self._outcome(transaction.hash, proposal_id, wait, data)

    async def _outcome(
        self, transaction: Digest, proposal_id: int | None, wait: Stage, data: bytes = b""
    ) -> VoteOutcome:
        await self._durability.barrier()
        progress = await self._tracker.wait(transaction, wait, self._wait_timeout_ms)
        if not progress.succeeded:
            # Something came before it; what the contract says now is most likely why.
            reason = self._ledger.refusal(self._lane.address, Address(GOVERNANCE), data)
            raise Conflict(f"the ledger refused the vote: {reason or 'the state changed'}")
        stage, height = self._ledger.place_of(transaction)
        if height is None:
            stage, height = progress.stage, progress.height
        if stage < Stage.EXECUTED:
            return VoteOutcome(transaction, stage, height, None)
        if proposal_id is None:
            proposal_id = self._made(transaction)
        found = None if proposal_id is None else self.proposal(proposal_id)
        return VoteOutcome(transaction, stage, height, found)

    def _made(self, transaction: Digest) -> int | None:
        """The proposal that an executed transaction made."""
        for log in self._ledger.logs_of(transaction):
            event = decode_governance_event(log.address, log.topics, log.data)
            if isinstance(event, ProposalMade):
                return event.id
        return None
