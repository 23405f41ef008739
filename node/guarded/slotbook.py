"""The slots that this member has left, drawn in an order that only it knows.

Rules: a slot is drawn once, also over restarts and restores: the counter on disk runs STRIDE slots
ahead of those given out, so that one flush serves many requests and a crash wastes at most STRIDE
slots; a draw whose counter is not on disk yet waits for it. The quota of an epoch's first draw
makes the order for the whole epoch, since another order would give slots out again. When the quota
is used up the caller is told so; nothing is borrowed from the next epoch. The member's own count
says what it has left: evaluators can not tell members apart.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from bulwark.privacy.query import Scope
from bulwark.privacy.slots import SlotOrder
from node.guarded.forgotten import read_forgotten
from node.rotation.keyline import MARK_BYTES, generations, mark_of
from node.storage.durability import Durability
from node.storage.errors import StoreDamaged
from node.storage.port import KeyValueStore
from node.storage.schema import EVALUATIONS, number8
from node.storage.seal import seal, unseal

DRAWN: Final = EVALUATIONS + b"\x02"
"""epoch8 | scope1 -> count8 of slots that may be in use | quota8 of the order | mark8 of its key,
sealed; without a mark it is the first key."""
STRIDE: Final = 64


class QuotaExhausted(Exception):
    """This member has no slot left in the epoch."""

    def __init__(self, scope: Scope, quota: int) -> None:
        self.scope = scope
        self.quota = quota
        super().__init__(
            f"all {quota} {scope.name.lower()} requests of this quota period are used; "
            "cached answers go on, the next period brings new ones"
        )


@dataclass(slots=True)
class _Drawn:
    """One epoch and scope in use."""

    order: SlotOrder
    given: int
    reserved: int
    """What the disk says."""
    mark: bytes
    """Of the key that the order is made with."""


class SlotBook:
    """Draws slots for this member's own requests."""

    def __init__(self, store: KeyValueStore, durability: Durability, key: bytes) -> None:
        """`key`: 32 secret bytes of this member."""
        self._store = store
        self._durability = durability
        self._keys = {mark_of(each): each for each in generations(key)}
        self._forgotten = read_forgotten(store)
        self._open: dict[tuple[int, Scope], _Drawn] = {}
        self._lock = asyncio.Lock()

    async def draw(self, epoch: int, scope: Scope, quota: int) -> int:
        """A slot never given out before. Raises QuotaExhausted, StoreWriteFailed."""
        async with self._lock:
            drawn = self._open.get((epoch, scope))
            if drawn is None:
                drawn = self._open[epoch, scope] = self._stored(epoch, scope, quota)
            count = drawn.given
            if count >= min(quota, drawn.order.quota):
                raise QuotaExhausted(scope, quota)
            drawn.given += 1
            if count >= drawn.reserved:
                await self._reserve(epoch, scope, drawn, count + STRIDE)
        return drawn.order.slot(count)

    async def leap(self, epoch: int, scope: Scope) -> None:
        """Double the count: slots were given out that this book does not know of.

        A node that lost its database begins to count at 0 again; so it is past what it used before
        after a few of these. Raises StoreWriteFailed.
        """
        async with self._lock:
            drawn = self._open.get((epoch, scope))
            if drawn is not None:
                drawn.given = max(STRIDE, 2 * drawn.given)
                await self._reserve(epoch, scope, drawn, drawn.given + STRIDE)

    async def _reserve(self, epoch: int, scope: Scope, drawn: _Drawn, upto: int) -> None:
        key = _key(epoch, scope)
        value = number8(upto) + number8(drawn.order.quota) + drawn.mark
        self._store.write({key: seal(key, value)}, sync=False)
        await self._durability.barrier()
        drawn.reserved = upto

    def used(self, epoch: int, scope: Scope) -> int:
        """Slots of an epoch that may be in use."""
        drawn = self._open.get((epoch, scope))
        return self._stored(epoch, scope, 1).given if drawn is None else drawn.given

    def prune(self, epoch: int) -> None:
        """Forget the epochs before `epoch`."""
        first = DRAWN + number8(epoch)
        old: dict[bytes, bytes | None] = {}
        for key, _ in self._store.iterate(DRAWN):
            if key < first:
                old[key] = None
        if old:
            self._store.write(old, sync=False)
        for place in [place for place in self._open if place[0] < epoch]:
            del self._open[place]

    def _stored(self, epoch: int, scope: Scope, quota: int) -> _Drawn:
        key = _key(epoch, scope)
        held = self._store.get(key)
        upto, mark = 0, [*self._keys][-1]
        if held is not None:
            value = unseal(key, held)
            upto, quota = int.from_bytes(value[:8], "big"), int.from_bytes(value[8:16], "big")
            mark = value[16 : 16 + MARK_BYTES] or next(iter(self._keys))
        upto = max(upto, min(quota, self._forgotten.floor(epoch, scope)))
        context = number8(epoch) + scope.to_bytes(1, "big")
        order = SlotOrder(self._key(mark, key), context, quota)
        return _Drawn(order, upto, upto, mark)

    def _key(self, mark: bytes, place: bytes) -> bytes:
        """The key of an order: that of its epoch's first draw, whatever was rotated since."""
        if mark not in self._keys:
            raise StoreDamaged(f"key {place.hex()}", "the key of the slots' order is not there")
        return self._keys[mark]


def _key(epoch: int, scope: Scope) -> bytes:
    return DRAWN + number8(epoch) + scope.to_bytes(1, "big")
