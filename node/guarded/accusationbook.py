"""The accusation book: the wrong evaluations on the ledger that hold, as this node verified them.

Rules: what is filed is believed only after this node verified it against the ledger's own record of
the sharing and the account that the holder has now, so a filing that proves nothing names nobody;
it is followed by the event index, so neither a restart nor a state sync misses one. At most
MAX_OF_ONE cases against one holder of one sharing are kept, proof enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Final

from msgspec import Struct

from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import Address, Digest, Height
from bulwark.ledger.signing import SigningDomain
from contracts.evidence import (
    EVIDENCE_FILED_TOPIC,
    EVIDENCE_REGISTRY,
    EvidenceFiled,
    decode_evidence_filed,
)
from contracts.slots import ReadSlot
from node.chain.store import ChainStore
from node.guarded.accusation import KIND, AccountOf, WrongEvaluation, is_confirmed
from node.logs import Log
from node.storage.port import KeyValueStore
from node.storage.schema import EVALUATIONS, event, number8
from node.storage.seal import seal, unseal

FILED: Final = EVALUATIONS + b"\x30"
"""session32 | culprit32 | SHA-256 of the case -> the case, sealed."""
FOLLOWED: Final = EVALUATIONS + b"\x31"
"""-> height8 of the last block that was looked at, sealed."""
POSTED: Final = EVALUATIONS + b"\x32"
"""SHA-256 of a case -> hash of the transaction by which this node filed it, sealed."""
MAX_OF_ONE: Final = 8

log = Log("accusations")


class Judgement(Struct, frozen=True, kw_only=True):
    """What a case is judged by."""

    domain: SigningDomain
    """Of answers; its epoch is 0."""
    read_slot: ReadSlot
    account_of: AccountOf
    pool: Executor

    async def of(self, case: WrongEvaluation) -> bool:
        """Whether a case holds in the last block's state; the arithmetic is on a thread."""
        try:
            account = self.account_of(case.culprit)
        except DecodeError:
            return False
        if not is_confirmed(self.read_slot, case):
            return False
        loop = asyncio.get_running_loop()
        refuted = await loop.run_in_executor(self.pool, case.refuted, self.domain, account)
        return refuted is None


class AccusationBook:
    """Wrong evaluations that were filed on the ledger."""

    def __init__(self, store: KeyValueStore, chain: ChainStore, judgement: Judgement) -> None:
        self._store = store
        self._chain = chain
        self._judgement = judgement

    def entries(self) -> Iterator[tuple[WrongEvaluation, Digest | None]]:
        """Every case with the transaction by which this node filed it, if it did."""
        for key, value in self._store.iterate(FILED):
            case = WrongEvaluation.decode(unseal(key, value))
            yield case, self.posted(case)

    def posted(self, case: WrongEvaluation) -> Digest | None:
        """The transaction by which this node filed a case."""
        key = POSTED + case.id
        held = self._store.get(key)
        return None if held is None else Digest(unseal(key, held))

    def mark_posted(self, case: WrongEvaluation, transaction: Digest) -> dict[bytes, bytes | None]:
        """Puts that remember a filing, to be written with the transaction itself."""
        key = POSTED + case.id
        return {key: seal(key, transaction)}

    def holds(self, case: WrongEvaluation) -> bool:
        """Whether this very case was filed and this node verified it."""
        key = FILED + case.session + case.culprit_bytes + case.id
        return self._store.get(key) is not None

    def judged(self, case: WrongEvaluation, height: Height) -> bool | None:
        """Whether a case that was filed in this block holds; None while that is not looked at."""
        return self.holds(case) or (False if self._followed() >= height else None)

    def has(self, case: WrongEvaluation) -> bool:
        """Whether the ledger has it, or enough against the same holder of the same sharing."""
        prefix = FILED + case.session + case.culprit_bytes
        if self._store.get(prefix + case.id) is not None:
            return True
        return sum(1 for _ in self._store.iterate(prefix)) >= MAX_OF_ONE

    async def follow(self) -> int:
        """Look at the blocks that came; how many cases were taken. Raises StoreWriteFailed."""
        first, last = self._followed() + 1, self._chain.applied
        if first > last:
            return 0
        taken = 0
        start = event(Address(EVIDENCE_REGISTRY), EVIDENCE_FILED_TOPIC, Height(first))
        for key, _ in list(self._store.iterate(start[:-8], start=start)):
            height = Height(int.from_bytes(key[-8:], "big"))
            if height <= last:
                for filed in self._filed_at(height):
                    taken += await self._take(filed, height)
        self._store.write({FOLLOWED: seal(FOLLOWED, number8(last))}, sync=False)
        return taken

    def _followed(self) -> int:
        held = self._store.get(FOLLOWED)
        return 0 if held is None else int.from_bytes(unseal(FOLLOWED, held), "big")

    def _filed_at(self, height: Height) -> list[EvidenceFiled]:
        block = self._chain.block(height)
        found = [] if block is None else [log for r in block.receipts for log in r.logs]
        filed = [decode_evidence_filed(log.address, log.topics, log.data) for log in found]
        return [one for one in filed if one is not None and one.kind == KIND]

    async def _take(self, filed: EvidenceFiled, height: Height) -> bool:
        try:
            case = WrongEvaluation.decode(filed.data)
        except DecodeError:
            return False
        if case.culprit_bytes != filed.culprit or self.has(case):
            return False
        if not await self._judgement.of(case):
            log.warning("a filed accusation does not hold", height=height)
            return False
        key = FILED + case.session + case.culprit_bytes + case.id
        self._store.write({key: seal(key, case.encode())}, sync=False)
        log.error("a member gave a wrong evaluation", member=case.culprit, height=height)
        return True
