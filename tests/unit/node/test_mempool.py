"""The mempool keeps arrival order, nonce lanes and bounds."""

from __future__ import annotations

import pytest

from bulwark.ledger.errors import TransactionInvalid
from bulwark.ledger.ids import Address, Height, TimestampMs
from bulwark.ledger.transaction import Transaction
from node.mempool import MAX_NONCE_AHEAD, Mempool, PoolFull
from tests.unit.node.builders import ALICE, BOB, anchor, call, sidecar


class Nonces:
    """Executed nonces by address."""

    def __init__(self) -> None:
        self.by_address: dict[Address, int] = {}

    def __call__(self, address: Address) -> int:
        return self.by_address.get(address, 0)


@pytest.fixture
def nonces() -> Nonces:
    return Nonces()


@pytest.fixture
def pool(nonces: Nonces) -> Mempool:
    return Mempool(nonces, max_transactions=100, max_bytes=1 << 20, gas_limit=1_000_000)


def put(pool: Mempool, transaction: Transaction, at_ms: int = 1) -> bool:
    return pool.add(transaction, None, None, 0, at_ms)


def chosen(pool: Mempool, height: int) -> list[bytes]:
    return list(pool.select(Height(height), TimestampMs(5)).transactions)


def test_transactions_are_proposed_in_arrival_order(pool: Mempool) -> None:
    first, second, third = call(BOB, 0), call(ALICE, 0), call(BOB, 1)
    for transaction in (first, second, third):
        put(pool, transaction)
    assert chosen(pool, 1) == [first.raw, second.raw, third.raw]


def test_nonces_that_arrived_out_of_order_are_proposed_in_nonce_order(pool: Mempool) -> None:
    later, earlier = call(ALICE, 1), call(ALICE, 0)
    put(pool, later)
    put(pool, earlier)
    assert chosen(pool, 1) == [earlier.raw, later.raw]


def test_transaction_behind_a_gap_is_not_proposed_and_not_reported_as_pending(
    pool: Mempool,
) -> None:
    put(pool, call(ALICE, 2))
    assert chosen(pool, 1) == []
    assert pool.oldest_ms() is None


def test_transaction_in_flight_is_not_proposed_twice(pool: Mempool) -> None:
    first = call(ALICE, 0)
    put(pool, first)
    assert chosen(pool, 1) == [first.raw]
    assert pool.proposable() == 0
    second = call(ALICE, 1)
    put(pool, second)
    assert chosen(pool, 2) == [second.raw]


def test_transaction_becomes_free_when_its_height_executes_without_it(pool: Mempool) -> None:
    transaction = call(ALICE, 0)
    put(pool, transaction)
    chosen(pool, 1)
    pool.executed(Height(1), [])
    assert chosen(pool, 2) == [transaction.raw]


def test_executed_transaction_leaves_and_lower_nonces_with_it(
    pool: Mempool, nonces: Nonces
) -> None:
    mine, displaced = call(ALICE, 0), call(ALICE, 1)
    put(pool, mine)
    put(pool, displaced)
    nonces.by_address[ALICE.address] = 2
    pool.executed(Height(1), [mine, call(ALICE, 1, gas=60_000)])
    assert len(pool) == 0
    assert pool.bytes == 0


def test_second_transaction_with_one_nonce_is_refused(pool: Mempool) -> None:
    put(pool, call(ALICE, 0))
    with pytest.raises(TransactionInvalid) as refused:
        put(pool, call(ALICE, 0, gas=60_000))
    assert refused.value.rule == "nonce.taken"


def test_same_transaction_again_changes_nothing(pool: Mempool) -> None:
    assert put(pool, call(ALICE, 0))
    assert not put(pool, call(ALICE, 0))
    assert len(pool) == 1


@pytest.mark.parametrize(("nonce", "rule"), [(2, "nonce.too-low"), (4_200, "nonce.too-high")])
def test_nonce_outside_the_lane_is_refused(
    pool: Mempool, nonces: Nonces, nonce: int, rule: str
) -> None:
    nonces.by_address[ALICE.address] = 3
    assert 3 + MAX_NONCE_AHEAD < 4_200
    with pytest.raises(TransactionInvalid) as refused:
        put(pool, call(ALICE, nonce))
    assert refused.value.rule == rule


def test_pool_is_bounded_by_count_and_says_so(nonces: Nonces) -> None:
    pool = Mempool(nonces, max_transactions=1, max_bytes=1 << 20, gas_limit=1_000_000)
    put(pool, call(ALICE, 0))
    with pytest.raises(PoolFull, match="1 transactions wait already"):
        put(pool, call(BOB, 0))


def test_pool_is_bounded_by_bytes_with_sidecars(nonces: Nonces) -> None:
    pool = Mempool(nonces, max_transactions=10, max_bytes=700, gas_limit=1_000_000)
    carried = sidecar(*range(5))
    transaction = anchor(ALICE, 0, carried)
    with pytest.raises(PoolFull, match="bytes are taken"):
        pool.add(transaction, carried.root, carried, len(carried.encode()), 1)
    assert len(pool) == 0


def test_batch_stays_within_the_gas_limit(pool: Mempool) -> None:
    for nonce in range(3):
        put(pool, call(ALICE, nonce, gas=400_000))
    assert len(chosen(pool, 1)) == 2
    assert len(chosen(pool, 2)) == 1


def test_sidecar_is_found_by_root_until_its_transaction_executes(
    pool: Mempool, nonces: Nonces
) -> None:
    carried = sidecar(1, 2)
    transaction = anchor(ALICE, 0, carried)
    pool.add(transaction, carried.root, carried, len(carried.encode()), 1)
    assert pool.sidecar(carried.root) == carried
    nonces.by_address[ALICE.address] = 1
    pool.executed(Height(1), [transaction])
    assert pool.sidecar(carried.root) is None


def test_next_nonce_counts_waiting_transactions(pool: Mempool, nonces: Nonces) -> None:
    nonces.by_address[ALICE.address] = 1
    for nonce in (1, 2, 4):
        put(pool, call(ALICE, nonce))
    assert pool.next_nonce(ALICE.address) == 3


def test_oldest_arrival_is_that_of_the_first_reachable_transaction(pool: Mempool) -> None:
    put(pool, call(BOB, 7), at_ms=1)
    put(pool, call(ALICE, 0), at_ms=2)
    assert pool.oldest_ms() == 2


def test_transaction_behind_a_gap_waits_from_the_moment_the_gap_closes(pool: Mempool) -> None:
    put(pool, call(ALICE, 1), at_ms=1)
    put(pool, call(ALICE, 2), at_ms=2)
    put(pool, call(ALICE, 0), at_ms=900)
    assert pool.oldest_ms() == 900
    assert pool.proposable() == 3


def test_a_second_gap_hides_what_is_behind_it(pool: Mempool) -> None:
    for nonce in (0, 2, 3):
        put(pool, call(ALICE, nonce))
    assert pool.proposable() == 1
    assert chosen(pool, 1) == [call(ALICE, 0).raw]


def test_one_sender_can_not_fill_the_pool_behind_a_gap(nonces: Nonces) -> None:
    pool = Mempool(nonces, max_transactions=64, max_bytes=1 << 24, gas_limit=1_000_000)
    for nonce in range(1, 5):
        put(pool, call(ALICE, nonce))
    with pytest.raises(PoolFull, match="behind a nonce gap"):
        put(pool, call(ALICE, 5))
    put(pool, call(BOB, 0))
    put(pool, call(ALICE, 0))
    put(pool, call(ALICE, 5))
    assert pool.proposable() == 7


def test_bytes_behind_a_gap_are_bounded_too(nonces: Nonces) -> None:
    pool = Mempool(nonces, max_transactions=1_000, max_bytes=1 << 21, gas_limit=1_000_000)
    carried = sidecar(*range(2_000))
    size = len(carried.encode())
    held = 0
    with pytest.raises(PoolFull, match="bytes of this sender wait behind a nonce gap"):
        for nonce in range(1, 20):
            pool.add(anchor(ALICE, nonce, carried), carried.root, carried, size, 1)
            held += 1
    assert held >= 1


def test_executed_nonce_that_passes_a_gap_frees_what_follows(pool: Mempool, nonces: Nonces) -> None:
    put(pool, call(ALICE, 1))
    nonces.by_address[ALICE.address] = 1
    pool.executed(Height(1), [call(ALICE, 0)], now_ms=7)
    assert pool.oldest_ms() == 7


def test_hopeless_transaction_leaves_and_its_successors_wait_for_another(pool: Mempool) -> None:
    first, second = call(ALICE, 0), call(ALICE, 1)
    put(pool, first)
    put(pool, second)
    chosen(pool, 1)
    assert pool.executed(Height(1), [], [first.hash]) == [first.hash]
    assert (len(pool), pool.proposable(), pool.oldest_ms()) == (1, 0, None)
    put(pool, call(ALICE, 0, gas=60_000))
    assert pool.proposable() == 2
    assert pool.executed(Height(2), [], [first.hash]) == []


def test_hopeless_transaction_whose_successor_is_in_flight_keeps_the_count(pool: Mempool) -> None:
    for nonce in (0, 1):
        put(pool, call(ALICE, nonce))
    chosen(pool, 5)
    pool.executed(Height(1), [], [call(ALICE, 0).hash])
    assert pool.proposable() == 0


def test_flights_of_an_old_view_are_void_and_those_of_others_count(pool: Mempool) -> None:
    transactions = [call(ALICE, nonce) for nonce in range(3)]
    for transaction in transactions:
        put(pool, transaction)
    chosen(pool, 3)
    assert pool.proposable() == 0
    pool.set_in_flight(Height(2), [transactions[0].hash, b"?" * 32])  # type: ignore[list-item]
    assert pool.proposable() == 2
    assert chosen(pool, 2) == [t.raw for t in transactions[1:]]


def test_two_anchors_of_one_sidecar_keep_it_until_both_are_gone(
    pool: Mempool, nonces: Nonces
) -> None:
    carried = sidecar(1)
    for key in (ALICE, BOB):
        pool.add(anchor(key, 0, carried), carried.root, carried, len(carried.encode()), 1)
    nonces.by_address[ALICE.address] = 1
    pool.executed(Height(1), [anchor(ALICE, 0, carried)])
    assert pool.sidecar(carried.root) == carried
    nonces.by_address[BOB.address] = 1
    pool.executed(Height(2), [anchor(BOB, 0, carried)])
    assert pool.sidecar(carried.root) is None
    assert pool.bytes == 0
