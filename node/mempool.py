"""The mempool: transactions (with their sidecars) that wait for a block.

Rules: arrival order is kept and decides (request fairness, L8); one lane a sender in nonce order;
what the ingress check refuses is never held, and that check is the same as the proposer's and the
voter's (peers.md: ingress validation must equal proposal validation). Everything is bounded by
count and bytes, and what waits behind a nonce gap is bounded a sender, since it may wait for ever.
A transaction counts as waiting (for proposers, and for the patience with them) from the moment its
whole lane below is here, not from its arrival: a gap is its sender's fault, not the proposer's.
A transaction in a proposal that is not executed yet is in flight and not proposed twice; it becomes
free again when its height executes without it, or when a new view starts from a lower height.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from bulwark.ledger.batch import Batch
from bulwark.ledger.errors import TransactionInvalid
from bulwark.ledger.ids import Address, Digest, Height, TimestampMs
from bulwark.ledger.limits import (
    MAX_BATCH_BYTES,
    MAX_BATCH_TRANSACTIONS,
    MAX_SIDECAR_BYTES,
    MAX_TRANSACTION_BYTES,
)
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.transaction import Transaction
from node.arrivals import Arrivals

MAX_NONCE_AHEAD = 4_096
"""How far ahead of the executed nonce a lane may reach: bounds a sender's share of the pool."""
GAP_SHARE = 16
"""What one sender has behind a nonce gap is at most this part of the pool's count and bytes."""
_LONGEST = MAX_TRANSACTION_BYTES + MAX_SIDECAR_BYTES


@dataclass(slots=True)
class Pending:
    """One waiting transaction."""

    transaction: Transaction
    sidecar_root: Digest | None
    """Root of the sidecar it must travel with, None for an ordinary transaction."""
    sidecar: Sidecar | None
    sidecar_size: int
    """Encoded bytes of the sidecar."""
    arrived_ms: int
    ready_ms: int | None = None
    """Since when every lower nonce of its sender is executed or waits too; None behind a gap."""
    in_flight: Height | None = None
    send_ms: int = 0
    """When it is passed on again; the intake's."""
    sent: int = 0
    """How often it was passed on again; the intake's."""

    @property
    def size(self) -> int:
        """Bytes that count against limits."""
        return len(self.transaction.raw) + self.sidecar_size


class PoolFull(TransactionInvalid):
    """The mempool is at its limit of count or bytes; come back later."""

    def __init__(self, detail: str) -> None:
        super().__init__("mempool.full", detail)


@dataclass(slots=True)
class _Lane:
    """One sender's transactions by nonce."""

    by_nonce: dict[int, Digest] = field(default_factory=dict)
    gap_count: int = 0
    gap_bytes: int = 0
    """What waits behind a gap."""


class Mempool:
    """Waiting transactions of all senders; `nonce_of` reads the executed state."""

    def __init__(
        self,
        nonce_of: Callable[[Address], int],
        *,
        max_transactions: int,
        max_bytes: int,
        gas_limit: int,
    ) -> None:
        self._nonce_of = nonce_of
        self._max_transactions = max_transactions
        self._max_bytes = max_bytes
        self.gas_limit = gas_limit
        """Of one block; governance may change it from epoch to epoch."""
        self._pending: OrderedDict[Digest, Pending] = OrderedDict()
        self._ready: OrderedDict[Digest, Pending] = OrderedDict()
        """Those without a gap below, in the order in which they became so."""
        self._lanes: dict[Address, _Lane] = {}
        self._flights: dict[Height, set[Digest]] = {}
        self._sidecars: dict[Digest, list[Sidecar]] = {}
        """By root, one for each transaction that names it."""
        self._bytes = 0
        self.arrivals = Arrivals()
        """What came in lately, for those who follow it."""

    def __len__(self) -> int:
        return len(self._pending)

    def __contains__(self, transaction_hash: object) -> bool:
        return transaction_hash in self._pending

    @property
    def bytes(self) -> int:
        """Bytes held, sidecars included."""
        return self._bytes

    def get(self, transaction_hash: Digest) -> Pending | None:
        """A waiting transaction."""
        return self._pending.get(transaction_hash)

    def waiting(self) -> Iterator[Pending]:
        """Everything that waits, in order of arrival."""
        return iter(self._pending.values())

    def sidecar(self, root: Digest) -> Sidecar | None:
        """A sidecar that came with a waiting transaction."""
        held = self._sidecars.get(root)
        return None if held is None else held[0]

    def add(
        self,
        transaction: Transaction,
        sidecar_root: Digest | None,
        sidecar: Sidecar | None,
        sidecar_size: int,
        now_ms: int,
    ) -> bool:
        """Take a checked transaction; False if it is here already. Raises TransactionInvalid."""
        if transaction.hash in self._pending:
            return False
        executed = self.check_nonce(transaction)
        pending = Pending(transaction, sidecar_root, sidecar, sidecar_size, now_ms)
        if len(self._pending) >= self._max_transactions:
            raise PoolFull(f"{self._max_transactions} transactions wait already")
        if self._bytes + pending.size > self._max_bytes:
            raise PoolFull(f"{self._bytes} of {self._max_bytes} bytes are taken")
        lane = self._lanes.get(transaction.sender, _Lane())
        ready = transaction.nonce == executed or self._is_ready(lane, transaction.nonce - 1)
        if not ready:
            self._check_gap(lane, pending)
            lane.gap_count += 1
            lane.gap_bytes += pending.size
        self._lanes[transaction.sender] = lane
        lane.by_nonce[transaction.nonce] = transaction.hash
        self._pending[transaction.hash] = pending
        self.arrivals.note(transaction.hash)
        self._bytes += pending.size
        if sidecar_root is not None and sidecar is not None:
            self._sidecars.setdefault(sidecar_root, []).append(sidecar)
        if ready:
            self._set_ready(pending, now_ms)
            self._close_gap(lane, transaction.nonce + 1, now_ms)
        return True

    def check_nonce(self, transaction: Transaction) -> int:
        """The sender's executed nonce; raises TransactionInvalid if the lane has no place for it.

        Cheap: for use before anything dear is done with a transaction.
        """
        executed = self._nonce_of(transaction.sender)
        if transaction.nonce < executed:
            raise TransactionInvalid(
                "nonce.too-low", f"nonce {transaction.nonce}, the next one is {executed}"
            )
        if transaction.nonce > executed + MAX_NONCE_AHEAD:
            raise TransactionInvalid(
                "nonce.too-high", f"nonce {transaction.nonce}, at most {executed + MAX_NONCE_AHEAD}"
            )
        lane = self._lanes.get(transaction.sender)
        if lane is not None and transaction.nonce in lane.by_nonce:
            raise TransactionInvalid(
                "nonce.taken", f"another transaction with nonce {transaction.nonce} waits already"
            )
        return executed

    def _is_ready(self, lane: _Lane, nonce: int) -> bool:
        held = lane.by_nonce.get(nonce)
        return held is not None and held in self._ready

    def _check_gap(self, lane: _Lane, pending: Pending) -> None:
        """One sender must not fill the pool with what nobody can ever execute."""
        if lane.gap_count >= max(1, self._max_transactions // GAP_SHARE):
            raise PoolFull(f"{lane.gap_count} transactions of this sender wait behind a nonce gap")
        if lane.gap_bytes + pending.size > max(self._max_bytes // GAP_SHARE, _LONGEST):
            raise PoolFull(f"{lane.gap_bytes} bytes of this sender wait behind a nonce gap")

    def _set_ready(self, pending: Pending, now_ms: int) -> None:
        pending.ready_ms = now_ms
        self._ready[pending.transaction.hash] = pending

    def _close_gap(self, lane: _Lane, nonce: int, now_ms: int) -> None:
        """What follows without a gap waits for a proposer from now on."""
        while (held := lane.by_nonce.get(nonce)) is not None and held not in self._ready:
            pending = self._pending[held]
            lane.gap_count -= 1
            lane.gap_bytes -= pending.size
            self._set_ready(pending, now_ms)
            nonce += 1

    def _open_gap(self, lane: _Lane, nonce: int) -> None:
        """What follows a dropped transaction waits for another one with its nonce."""
        while (held := lane.by_nonce.get(nonce)) is not None and held in self._ready:
            pending = self._ready.pop(held)
            pending.ready_ms = None
            self._end_flight(pending)
            lane.gap_count += 1
            lane.gap_bytes += pending.size
            nonce += 1

    def next_nonce(self, sender: Address) -> int:
        """First nonce of `sender` with neither an executed nor a waiting transaction."""
        nonce = self._nonce_of(sender)
        lane = self._lanes.get(sender)
        if lane is not None:
            while nonce in lane.by_nonce:
                nonce += 1
        return nonce

    def oldest_ms(self) -> int | None:
        """Since when the oldest transaction waits that a proposer could take, None without one."""
        pending = next(iter(self._ready.values()), None)
        return None if pending is None else pending.ready_ms

    def proposable(self) -> int:
        """How many waiting transactions could be proposed now."""
        return len(self._ready) - sum(len(hashes) for hashes in self._flights.values())

    def select(self, height: Height, timestamp_ms: TimestampMs) -> Batch:
        """The oldest transactions that fit a block, marked as in flight at `height`."""
        self._release(height)
        expected: dict[Address, int] = {}
        chosen: list[Pending] = []
        size, gas = 16, 0
        waiting = [pending for pending in self._ready.values() if pending.in_flight is None]
        # Ready order is nonce order within a sender, so one pass finds all that fits.
        for pending in waiting:
            sender = pending.transaction.sender
            if sender not in expected:
                expected[sender] = self._first_free_nonce(sender)
            fits = (
                len(chosen) < MAX_BATCH_TRANSACTIONS
                and size + pending.size + 4 <= MAX_BATCH_BYTES
                and gas + pending.transaction.gas <= self.gas_limit
            )
            if not fits or pending.transaction.nonce != expected[sender]:
                continue
            expected[sender] += 1
            size += pending.size + 4
            gas += pending.transaction.gas
            chosen.append(pending)
        batch = Batch(timestamp_ms, tuple(p.transaction.raw for p in chosen))
        self._mark(height, (p.transaction.hash for p in chosen))
        return batch

    def _first_free_nonce(self, sender: Address) -> int:
        nonce = self._nonce_of(sender)
        lane = self._lanes[sender].by_nonce
        while (held := lane.get(nonce)) is not None and self._pending[held].in_flight is not None:
            nonce += 1
        return nonce

    def set_in_flight(self, height: Height, hashes: Iterable[Digest]) -> None:
        """What proposals below `height` hold now; nothing is in flight from `height` on.

        For a proposer that is about to propose `height`: after a view change the flights of the old
        view are void, and other validators' proposals are flights too.
        """
        for at in [at for at in self._flights if at >= height]:
            self._release(at)
        self._mark(Height(height - 1), hashes)

    def _mark(self, height: Height, hashes: Iterable[Digest]) -> None:
        flight = self._flights.setdefault(height, set())
        for transaction_hash in hashes:
            pending = self._ready.get(transaction_hash)
            if pending is not None and pending.in_flight is None:
                pending.in_flight = height
                flight.add(transaction_hash)

    def _release(self, height: Height) -> None:
        for transaction_hash in self._flights.pop(height, ()):
            pending = self._pending.get(transaction_hash)
            if pending is not None:
                pending.in_flight = None

    def executed(
        self,
        height: Height,
        transactions: Iterable[Transaction],
        hopeless: Iterable[Digest] = (),
        now_ms: int = 0,
    ) -> list[Digest]:
        """Drop what a block executed and what it found `hopeless`; free what waited for its height.

        Gives the hashes of all that were dropped, those of overtaken nonces included.
        """
        for at in [at for at in self._flights if at <= height]:
            self._release(at)
        dropped: list[Digest] = []
        senders: set[Address] = set()
        for transaction in transactions:
            senders.add(transaction.sender)
            dropped += self._drop(transaction.hash)
        for sender in senders:
            lane = self._lanes.get(sender)
            if lane is None:
                continue
            executed = self._nonce_of(sender)
            for nonce in [n for n in lane.by_nonce if n < executed]:
                dropped += self._drop(lane.by_nonce[nonce])
            self._close_gap(lane, executed, now_ms)
        return dropped + self.refuse(hopeless)

    def refuse(self, hopeless: Iterable[Digest]) -> list[Digest]:
        """Drop what no block can hold; what follows it of its sender waits behind a gap.

        Gives the hashes of those that were here.
        """
        dropped: list[Digest] = []
        for transaction_hash in hopeless:
            held = self._pending.get(transaction_hash)
            if held is None:
                continue
            dropped += self._drop(transaction_hash)
            lane = self._lanes.get(held.transaction.sender)
            if lane is not None:
                self._open_gap(lane, held.transaction.nonce + 1)
        return dropped

    def caught_up(self, height: Height, now_ms: int) -> list[Digest]:
        """The chain went ahead to `height` without telling of each block: drop what it overtook.

        Gives the hashes of all that were dropped.
        """
        for at in [at for at in self._flights if at <= height]:
            self._release(at)
        dropped: list[Digest] = []
        for sender in list(self._lanes):
            executed = self._nonce_of(sender)
            by_nonce = self._lanes[sender].by_nonce
            for nonce in [n for n in by_nonce if n < executed]:
                dropped += self._drop(by_nonce[nonce])
            if sender in self._lanes:
                self._close_gap(self._lanes[sender], executed, now_ms)
        return dropped

    def _end_flight(self, pending: Pending) -> None:
        if pending.in_flight is not None:
            self._flights[pending.in_flight].discard(pending.transaction.hash)
            pending.in_flight = None

    def _drop(self, transaction_hash: Digest) -> list[Digest]:
        pending = self._pending.pop(transaction_hash, None)
        if pending is None:
            return []
        self._end_flight(pending)
        self._bytes -= pending.size
        lane = self._lanes[pending.transaction.sender]
        if self._ready.pop(transaction_hash, None) is None:
            lane.gap_count -= 1
            lane.gap_bytes -= pending.size
        if pending.sidecar_root is not None and pending.sidecar is not None:
            held = self._sidecars[pending.sidecar_root]
            held.remove(pending.sidecar)
            if not held:
                del self._sidecars[pending.sidecar_root]
        lane.by_nonce.pop(pending.transaction.nonce, None)
        if not lane.by_nonce:
            del self._lanes[pending.transaction.sender]
        return [transaction_hash]
