"""The erasure desk: orders, offers, and who confirmed what, with the proofs of it.

Rules: everything shown follows from the ledger; a receipt is the proof of a member's CONFIRM, which
that member's transaction signed; receipts are given once the order is final.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bulwark.ledger.ids import Digest, Height, MemberId, RecordId
from bulwark.ledger.lifecycle import ConsentStanding, Operation
from bulwark.ledger.standing import Step
from node.chain.errors import NotProvable
from node.chain.proofs import Prover
from node.chain.records import FoundRecord, RecordReader
from node.chain.standings import Standings
from node.chain.store import ChainStore
from node.erasure.confirmer import Confirmer
from node.erasure.orders import OrderDesk
from node.erasure.port import (
    BatchView,
    Confirmation,
    ErasureView,
    Ground,
    Offer,
    OrderOutcome,
    OrderView,
)
from node.erasure.triggers import DESTROYED, RECALLED
from node.service import Conflict, Idempotency, NotFound, Stage

RECEIPTS_FORMAT: Final = "bulwark-erasure-receipts/1"
_ENDED: Final = frozenset({ConsentStanding.WITHDRAWN, ConsentStanding.EXPIRED})


class ErasureDesk:
    """ErasureService of one node."""

    def __init__(
        self,
        *,
        orders: OrderDesk,
        chain: ChainStore,
        records: RecordReader,
        standings: Standings,
        confirmer: Confirmer,
        prover: Prover,
        members: Callable[[], Sequence[MemberId]],
        consent_standing: Callable[[bytes], ConsentStanding],
    ) -> None:
        """`members`: those that can anchor; `consent_standing`: of an anchor id, now."""
        self._orders = orders
        self._chain = chain
        self._records = records
        self._standings = standings
        self._confirmer = confirmer
        self._prover = prover
        self._members = members
        self._consent_standing = consent_standing

    async def order(
        self,
        records: Sequence[RecordId],
        ground: Ground,
        *,
        wait: Stage,
        idempotency: Idempotency | None,
    ) -> OrderOutcome:
        """See ErasureService."""
        return await self._orders.order(records, ground, wait=wait, idempotency=idempotency)

    async def offers(self, most: int) -> Sequence[Offer]:
        """See ErasureService."""
        ended: dict[bytes, bool] = {}
        resting: dict[bytes, list[RecordId]] = {}
        count = 0
        async for record_id, payload in self._orders.own_statements():
            anchor_id = payload.consent_anchor
            if anchor_id is None:
                continue
            if anchor_id not in ended:
                ended[anchor_id] = self._consent_standing(anchor_id) in _ENDED
            if ended[anchor_id]:
                resting.setdefault(anchor_id, []).append(record_id)
                count += 1
                if count >= most:
                    break
        return [Offer(anchor_id, tuple(found)) for anchor_id, found in sorted(resting.items())]

    async def erasure(self, record_id: RecordId) -> ErasureView:
        """See ErasureService."""
        found = self._find(record_id)
        orders = [
            self._order(step)
            for step in self._standings.life(found).history
            if step.operation == Operation.ERASE
        ]
        return ErasureView(record_id, found.payload is None, tuple(orders))

    def _find(self, record_id: RecordId) -> FoundRecord:
        found = self._records.by_id(record_id)
        if found is None:
            raise NotFound("this node has no such record")
        return found

    def _order(self, step: Step) -> OrderView:
        place = self._chain.record_place(step.record_id)
        taken = step.refused is None and place is not None
        return OrderView(
            record_id=step.record_id,
            member=step.member,
            ground=step.reason,
            height=step.height,
            timestamp_ms=step.timestamp_ms,
            refused=step.refused,
            batch=self._batch(place.root, step) if taken and place is not None else None,
        )

    async def batch(self, root: Digest) -> BatchView:
        """See ErasureService."""
        try:
            positions = self._prover.positions(root)
            anchor = self._prover.anchor_of(positions[0])
        except IndexError as error:
            raise NotFound("this node has no such batch") from error
        header = self._chain.header(anchor.height)
        if header is None or not anchor.count:
            raise NotFound("this node has no such batch")
        return self._view(root, header.height, header.timestamp_ms)

    def _batch(self, root: Digest, step: Step) -> BatchView:
        return self._view(root, step.height, step.timestamp_ms)

    def _view(self, root: Digest, height: Height, timestamp_ms: int) -> BatchView:
        confirmations: dict[MemberId, Confirmation] = {}
        for record in self._confirmer.of(root):
            member = self._standings.member_of(record.reporter)
            confirmations.setdefault(
                member,
                Confirmation(
                    member=member,
                    record_id=record.record_id,
                    recalled=bool(record.payload.reason & RECALLED),
                    destroyed=bool(record.payload.reason & DESTROYED),
                    height=record.height,
                    timestamp_ms=record.timestamp_ms,
                ),
            )
        return BatchView(
            root=root,
            height=height,
            timestamp_ms=timestamp_ms,
            confirmations=tuple(confirmations.values()),
            missing=tuple(m for m in self._members() if m not in confirmations),
        )

    async def receipts(self, record_id: RecordId) -> Mapping[str, object]:
        """See ErasureService."""
        view = await self.erasure(record_id)
        taken = next((order for order in view.orders if order.batch is not None), None)
        if taken is None or taken.batch is None:
            raise Conflict("no order to erase this record was taken")
        finalized = self._chain.finalized
        final = [c for c in taken.batch.confirmations if c.height <= finalized]
        try:
            return {
                "format": RECEIPTS_FORMAT,
                "record_id": record_id.hex(),
                "record": self._proof(record_id),
                "order": self._proof(taken.record_id),
                "confirmations": [self._proof(each.record_id) for each in final],
            }
        except NotProvable as error:
            raise Conflict(str(error)) from error

    def _proof(self, record_id: RecordId) -> object:
        return json.loads(self._prover.record(record_id).to_json())
