"""The policy desk: shows the policies of the ledger and publishes documents for this member.

Rules: a document is checked as strictly as every node will read it, and the ledger is asked first,
so that what it refuses costs no transaction; publication goes through the member's one lane of
nonces. To put a policy in force is a vote, at the governance desk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Address, Digest, Height, MemberId
from bulwark.ledger.transaction import Transaction
from bulwark.policies.document import canonical, parse_policy
from contracts.policies import POLICY_REGISTRY, encode_publish, publish_gas
from node.chain.policies import KnownPolicy, PolicyBook
from node.governance.desk import Lane
from node.governance.documents import shown_id
from node.governance.policyport import PolicyView, Publication
from node.reporting.idempotency import IdempotencyStore
from node.reporting.tracker import StageTracker
from node.service import Conflict, Forbidden, Idempotency, NotFound, Stage
from node.storage.durability import Durability

NOT_A_MEMBER: Final = "not a member"
_ID_DIGITS: Final = 64


class PolicyGround(Struct, frozen=True, kw_only=True):
    """What the desk stands on."""

    book: PolicyBook
    lane: Lane
    tracker: StageTracker
    idempotency: IdempotencyStore
    durability: Durability
    refusal: Callable[[Address, Address, bytes], str | None]
    """Why a call from an account to a contract reverts now, None if it does not."""
    gas_limit: Callable[[], int]
    """Of a block."""
    place_of: Callable[[Digest], tuple[Stage, Height | None]]
    """How far an own transaction got."""
    member: MemberId
    now_ms: Callable[[], int]
    wait_timeout_ms: int


class PolicyDesk:
    """PolicyService of one member's node."""

    def __init__(self, ground: PolicyGround) -> None:
        self._ground = ground

    def policies(self) -> Sequence[PolicyView]:
        """See PolicyService."""
        return [_view(known) for known in self._ground.book.known()]

    def policy(self, name: str) -> PolicyView:
        """See PolicyService."""
        digits = name.removeprefix("0x")
        if len(digits) == _ID_DIGITS:
            try:
                known = self._ground.book.get(bytes.fromhex(digits))
            except ValueError:
                known = None
            if known is not None:
                return _view(known)
        for known in self._ground.book.known():
            if known.policy is not None and known.policy.title == name:
                return _view(known)
        raise NotFound("the ledger has no such policy")

    async def publish(
        self, document: bytes, *, wait: Stage, idempotency: Idempotency | None
    ) -> Publication:
        """See PolicyService."""
        ground = self._ground
        policy = parse_policy(canonical(document))
        known = ground.idempotency.find(idempotency) if idempotency is not None else None
        if known:
            return await self._outcome(policy.id, Digest(known[0]), wait)
        call, gas = encode_publish(policy.document), publish_gas(policy.document)
        if gas > ground.gas_limit():
            raise Conflict(
                f"the document needs {gas} gas and a block has {ground.gas_limit()}; shorten it"
            )
        reason = ground.refusal(ground.lane.address, Address(POLICY_REGISTRY), call)
        if reason is not None and NOT_A_MEMBER in reason:
            raise Forbidden(f"{ground.member} is no member on the ledger")
        if reason is not None:
            raise Conflict(reason)

        def entry(signed: Transaction) -> Mapping[bytes, bytes | None]:
            if idempotency is None:
                return {}
            return ground.idempotency.entry(idempotency, [signed.hash], ground.now_ms())

        sent = ground.lane.send(Address(POLICY_REGISTRY), call, extra=entry, gas=gas)
        return await self._outcome(policy.id, sent.hash, wait)

    async def _outcome(self, policy_id: bytes, transaction: Digest, wait: Stage) -> Publication:
        ground = self._ground
        await ground.durability.barrier()
        progress = await ground.tracker.wait(transaction, wait, ground.wait_timeout_ms)
        if not progress.succeeded:
            raise Conflict("the ledger refused the publication: the state changed")
        stage, height = ground.place_of(transaction)
        if height is None:
            stage, height = progress.stage, progress.height
        return Publication(policy_id, transaction, stage, height)


def _view(known: KnownPolicy) -> PolicyView:
    standing = known.standing
    return PolicyView(
        id=known.id,
        state=standing.state.name.lower(),
        since=standing.since,
        until=standing.until or None,
        publisher=shown_id(standing.publisher) if any(standing.publisher) else "",
        is_default=known.is_default,
        policy=known.policy,
        fault=known.fault,
    )
