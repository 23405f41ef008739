"""The mempool: transactions (with their sidecars) that wait for a block.

Rules: arrival order is kept and decides (request fairness, L8); one lane a sender in nonce order;
what the ingress check refuses is never held, and that check is the same as the proposer's and the
voter's (peers.md: ingress validation must equal proposal validation). Everything is bounded by
count and bytes. A transaction in a proposal that is not executed yet is in flight and not proposed
twice; it becomes free again when its height executes without it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bulwark.ledger.batch import Batch
from bulwark.ledger.errors import TransactionInvalid
from bulwark.ledger.ids import Address, Digest, Height, TimestampMs
from bulwark.ledger.limits import MAX_BATCH_BYTES, MAX_BATCH_TRANSACTIONS
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.transaction import Transaction

MAX_NONCE_AHEAD = 4_096
"""How far ahead of the executed nonce a lane may reach: bounds a sender's share of the pool."""


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
    in_flight: Height | None = None

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
        self._gas_limit = gas_limit
        self._pending: OrderedDict[Digest, Pending] = OrderedDict()
        self._lanes: dict[Address, _Lane] = {}
        self._flights: dict[Height, set[Digest]] = {}
        self._sidecars: dict[Digest, Sidecar] = {}
        self._bytes = 0

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

    def sidecar(self, root: Digest) -> Sidecar | None:
        """A sidecar that came with a waiting transaction."""
        return self._sidecars.get(root)

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
        executed = self._nonce_of(transaction.sender)
        if transaction.nonce < executed:
            raise TransactionInvalid(
                "nonce.too-low", f"nonce {transaction.nonce}, the next one is {executed}"
            )
        if transaction.nonce > executed + MAX_NONCE_AHEAD:
            raise TransactionInvalid(
                "nonce.too-high", f"nonce {transaction.nonce}, at most {executed + MAX_NONCE_AHEAD}"
            )
        lane = self._lanes.setdefault(transaction.sender, _Lane())
        if transaction.nonce in lane.by_nonce:
            raise TransactionInvalid(
                "nonce.taken", f"another transaction with nonce {transaction.nonce} waits already"
            )
        pending = Pending(transaction, sidecar_root, sidecar, sidecar_size, now_ms)
        if len(self._pending) >= self._max_transactions:
            raise PoolFull(f"{self._max_transactions} transactions wait already")
        if self._bytes + pending.size > self._max_bytes:
            raise PoolFull(f"{self._bytes} of {self._max_bytes} bytes are taken")
        lane.by_nonce[transaction.nonce] = transaction.hash
        self._pending[transaction.hash] = pending
        self._bytes += pending.size
        if sidecar_root is not None and sidecar is not None:
            self._sidecars[sidecar_root] = sidecar
        return True

    def next_nonce(self, sender: Address) -> int:
        """First nonce of `sender` with neither an executed nor a waiting transaction."""
        nonce = self._nonce_of(sender)
        lane = self._lanes.get(sender)
        if lane is not None:
            while nonce in lane.by_nonce:
                nonce += 1
        return nonce

    def oldest_ms(self) -> int | None:
        """Arrival of the oldest transaction that a proposer could take, None if there is none."""
        for pending in self._pending.values():
            if self._is_reachable(pending):
                return pending.arrived_ms
        return None

    def _is_reachable(self, pending: Pending) -> bool:
        """Whether every lower nonce of its sender is executed or waits too."""
        sender = pending.transaction.sender
        lane = self._lanes[sender].by_nonce
        executed = self._nonce_of(sender)
        return executed == pending.transaction.nonce or (
            pending.transaction.nonce - 1 in lane and executed in lane
        )

    def proposable(self) -> int:
        """How many waiting transactions are not in flight."""
        return len(self._pending) - sum(len(hashes) for hashes in self._flights.values())

    def select(self, height: Height, timestamp_ms: TimestampMs) -> Batch:
        """The oldest transactions that fit a block, marked as in flight at `height`."""
        self._release(height)
        expected: dict[Address, int] = {}
        chosen: list[Pending] = []
        size, gas = 16, 0
        waiting = [pending for pending in self._pending.values() if pending.in_flight is None]
        # Arrival order is nonce order for honest senders; a second pass picks up the others.
        for _ in range(2):
            left: list[Pending] = []
            for pending in waiting:
                sender = pending.transaction.sender
                if sender not in expected:
                    expected[sender] = self._first_free_nonce(sender)
                fits = (
                    len(chosen) < MAX_BATCH_TRANSACTIONS
                    and size + pending.size + 4 <= MAX_BATCH_BYTES
                    and gas + pending.transaction.gas <= self._gas_limit
                )
                if not fits or pending.transaction.nonce != expected[sender]:
                    left.append(pending)
                    continue
                expected[sender] += 1
                size += pending.size + 4
                gas += pending.transaction.gas
                chosen.append(pending)
            if len(left) == len(waiting) or not left:
                break
            waiting = left
        batch = Batch(timestamp_ms, tuple(p.transaction.raw for p in chosen))
        self._mark(height, (p.transaction.hash for p in chosen))
        return batch

    def _first_free_nonce(self, sender: Address) -> int:
        nonce = self._nonce_of(sender)
        lane = self._lanes[sender].by_nonce
        while (held := lane.get(nonce)) is not None and self._pending[held].in_flight is not None:
            nonce += 1
        return nonce

    def mark_in_flight(self, height: Height, hashes: Iterable[Digest]) -> None:
        """Note that a proposal for `height` holds these, so that nobody proposes them again."""
        self._release(height)
        self._mark(height, hashes)

    def _mark(self, height: Height, hashes: Iterable[Digest]) -> None:
        flight = self._flights.setdefault(height, set())
        for transaction_hash in hashes:
            pending = self._pending.get(transaction_hash)
            if pending is not None and pending.in_flight is None:
                pending.in_flight = height
                flight.add(transaction_hash)

    def _release(self, height: Height) -> None:
        for transaction_hash in self._flights.pop(height, ()):
            pending = self._pending.get(transaction_hash)
            if pending is not None:
                pending.in_flight = None

    def executed(self, height: Height, transactions: Iterable[Transaction]) -> None:
        """Drop what a block executed, free what was proposed for it in vain, drop stale nonces."""
        for at in [at for at in self._flights if at <= height]:
            self._release(at)
        senders: set[Address] = set()
        for transaction in transactions:
            senders.add(transaction.sender)
            self._drop(transaction.hash)
        for sender in senders:
            lane = self._lanes.get(sender)
            if lane is None:
                continue
            executed = self._nonce_of(sender)
            for nonce in [n for n in lane.by_nonce if n < executed]:
                self._drop(lane.by_nonce[nonce])

    def refused(self, hashes: Iterable[Digest]) -> None:
        """Drop what execution left out for good, or it would be proposed again for ever."""
        for transaction_hash in hashes:
            self._drop(transaction_hash)

    def _drop(self, transaction_hash: Digest) -> None:
        pending = self._pending.pop(transaction_hash, None)
        if pending is None:
            return
        if pending.in_flight is not None:
            self._flights.get(pending.in_flight, set()).discard(transaction_hash)
        self._bytes -= pending.size
        if pending.sidecar_root is not None:
            self._sidecars.pop(pending.sidecar_root, None)
        sender = pending.transaction.sender
        lane = self._lanes[sender]
        lane.by_nonce.pop(pending.transaction.nonce, None)
        if not lane.by_nonce:
            del self._lanes[sender]

    def older_than(self, arrived_before_ms: int, most: int) -> list[Pending]:
        """Up to `most` waiting transactions that arrived before the given time, oldest first."""
        found: list[Pending] = []
        for pending in self._pending.values():
            if pending.arrived_ms >= arrived_before_ms or len(found) >= most:
                break
            found.append(pending)
        return found
