"""Orders of this member: ERASE follow-ups, many in one batch, refused here as the ledger would.

Rules: each order is asked of the lifecycle first, so that nothing is sent that no node would carry
out; an order names the record and nothing of its content; one request is one batch and one
transaction, which is durable before anybody is told. What is due by the clock is ordered the same
way.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Address, Digest, Height, MemberId, RecordId
from bulwark.ledger.lifecycle import (
    DAY_MS,
    REFERENCE_KIND,
    RETENTION_GRACE_MS,
    STATEMENTS,
    Operation,
    reference_tag,
)
from bulwark.ledger.record import SALT_BYTES, Record, RecordPayload
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.standing import FollowUp
from bulwark.ledger.transaction import Transaction
from bulwark.privacy.group import RandomBytes
from contracts.bindings import RECORD_REGISTRY, encode_anchor
from node.chain.records import FoundRecord, RecordReader
from node.chain.standings import Standings
from node.chain.store import ChainStore
from node.erasure.port import MAX_ORDERS, Ground, OrderOutcome
from node.logs import Log
from node.reporting.anchorer import Anchorer
from node.reporting.gatherer import NO_POLICY, RECORD_SCHEMA
from node.reporting.idempotency import IdempotencyStore
from node.reporting.tracker import StageTracker
from node.service import Conflict, Forbidden, Idempotency, Refusal, Stage
from node.storage import schema
from node.storage.durability import Durability
from node.storage.port import KeyValueStore
from node.storage.seal import unseal
from node.storage.values import TaggedRecord

TURN: Final = 200
"""Records looked at between two turns of the event loop."""

log = Log("erasure")


class OrderGround(Struct, frozen=True, kw_only=True):
    """The parts that orders stand on."""

    store: KeyValueStore
    chain: ChainStore
    records: RecordReader
    standings: Standings
    anchorer: Anchorer
    tracker: StageTracker
    idempotency: IdempotencyStore
    durability: Durability
    member: MemberId
    may_anchor: Callable[[], bool]
    place_of: Callable[[Digest], tuple[Stage, Height | None]]
    """How far an own transaction got."""
    now_ms: Callable[[], int]
    random_bytes: RandomBytes
    wait_timeout_ms: int


class OrderDesk:
    """Orders of one member."""

    def __init__(self, ground: OrderGround) -> None:
        self._ground = ground

    async def order(
        self,
        records: Sequence[RecordId],
        ground: Ground,
        *,
        wait: Stage,
        idempotency: Idempotency | None,
    ) -> OrderOutcome:
        """See ErasureService."""
        parts = self._ground
        if not parts.may_anchor():
            raise Forbidden(f"member {parts.member} is neither reporter nor regulator")
        if not 1 <= len(records) <= MAX_ORDERS:
            raise Conflict(f"{len(records)} records named, 1 to {MAX_ORDERS} are taken at once")
        known = None if idempotency is None else parts.idempotency.find(idempotency)
        if known:
            await parts.durability.barrier()
            return self._known(known)
        allowed, refused = await self._split(list(dict.fromkeys(records)), ground)
        if not allowed:
            return OrderOutcome(None, None, Stage.ACCEPTED, None, (), tuple(refused))
        sidecar = Sidecar(tuple(self._order(record_id, ground) for record_id in allowed))
        transaction = self._send(sidecar, allowed, idempotency)
        await parts.durability.barrier()
        progress = await parts.tracker.wait(transaction.hash, wait, parts.wait_timeout_ms)
        if not progress.succeeded:
            raise Conflict("the record registry refused this member's orders")
        return OrderOutcome(
            root=sidecar.root,
            transaction=transaction.hash,
            stage=progress.stage,
            height=progress.height,
            ordered=tuple(allowed),
            refused=tuple(refused),
        )

    def _send(
        self, sidecar: Sidecar, allowed: Sequence[RecordId], wish: Idempotency | None
    ) -> Transaction:
        parts = self._ground

        def also(signed: Transaction) -> Mapping[bytes, bytes | None]:
            if wish is None:
                return {}
            ids = [sidecar.root, signed.hash, *allowed]
            return parts.idempotency.entry(wish, ids, parts.now_ms())

        call = encode_anchor(sidecar.root, sidecar.count, RECORD_SCHEMA, NO_POLICY)
        return parts.anchorer.send(Address(RECORD_REGISTRY), call, sidecar=sidecar, extra=also)

    def _known(self, ids: Sequence[bytes]) -> OrderOutcome:
        transaction = Digest(ids[1])
        stage, height = self._ground.place_of(transaction)
        ordered = tuple(RecordId(each) for each in ids[2:])
        return OrderOutcome(Digest(ids[0]), transaction, stage, height, ordered, ())

    async def _split(
        self, records: Sequence[RecordId], ground: Ground
    ) -> tuple[list[RecordId], list[tuple[RecordId, Refusal]]]:
        """Records that may be ordered now, and the others with the rule that forbids it."""
        allowed: list[RecordId] = []
        refused: list[tuple[RecordId, Refusal]] = []
        for record_id in records:
            await asyncio.sleep(0)
            refusal = self._refusal(record_id, ground)
            if refusal is None:
                allowed.append(record_id)
            else:
                refused.append((record_id, refusal))
        return allowed, refused

    def _refusal(self, record_id: RecordId, ground: Ground) -> Refusal | None:
        parts = self._ground
        found = parts.records.by_id(record_id)
        if found is None:
            return Refusal("lifecycle.erase.unknown", "this node has no such record")
        if found.payload is not None and found.payload.operation not in STATEMENTS:
            return Refusal("lifecycle.erase.not_a_statement", "only statements are erased")
        rule = parts.standings.life(found).refusal(self._asked(ground))
        return None if rule is None else Refusal(rule, f"the ledger would refuse it: {rule}")

    def _asked(self, ground: Ground) -> FollowUp:
        parts = self._ground
        tip = parts.chain.tip
        return FollowUp(
            record_id=RecordId(bytes(32)),
            operation=Operation.ERASE,
            reason=ground,
            member=parts.member,
            is_regulator=parts.standings.is_regulator(parts.anchorer.address, tip.height),
            height=Height(tip.height + 1),
            timestamp_ms=tip.timestamp_ms,
        )

    def _order(self, record_id: RecordId, ground: Ground) -> Record:
        payload = RecordPayload(
            operation=Operation.ERASE,
            kind=REFERENCE_KIND,
            reason=ground,
            previous_record=record_id,
        )
        salt = self._ground.random_bytes(SALT_BYTES)
        return Record.of(salt, reference_tag(record_id), payload)

    # What is due without anybody asking

    async def overdue(self, most: int = MAX_ORDERS) -> list[RecordId]:
        """Own statements whose last day and grace are over and that are here in full."""
        now_ms = self._ground.chain.tip.timestamp_ms
        found: list[RecordId] = []
        async for record_id, payload in self.own_statements():
            until_ms = (payload.valid_until_day + 1) * DAY_MS
            if payload.valid_until_day and until_ms + RETENTION_GRACE_MS < now_ms:
                found.append(record_id)
                if len(found) >= most:
                    break
        return found

    async def own_statements(self) -> AsyncIterator[tuple[RecordId, RecordPayload]]:
        """Statements of this member that are here in full, by tag; with turns of the loop."""
        parts = self._ground
        own = parts.anchorer.address
        after: bytes | None = schema.RECORDS_BY_TAG
        while after is not None:
            start, after = after + b"\x00", None
            portion: list[tuple[bytes, bytes]] = []
            for pair in parts.store.iterate(schema.RECORDS_BY_TAG, start=start):
                portion.append(pair)
                if len(portion) >= TURN:
                    after = pair[0]
                    break
            for key, value in portion:
                entry = TaggedRecord.decode(key, unseal(key, value))
                if entry.reporter == own and entry.payload_bytes[1] in STATEMENTS:
                    yield entry.record_id, entry.payload(key)
            await asyncio.sleep(0)

    def found(self, record_id: RecordId) -> FoundRecord | None:
        """A record by its id."""
        return self._ground.records.by_id(record_id)
