"""One way in: what is acknowledged is not lost, what a peer sends is looked at cheaply first."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from bulwark.ledger.errors import TransactionInvalid
from bulwark.ledger.ids import MemberId
from bulwark.ledger.transaction import Transaction
from node.gossip import Parcel, decode_parcel, make_parcel, split_parcel
from node.intake import RESEND_AFTER_MS, RESEND_BYTES, Intake, StateCheck
from node.mempool import Mempool
from node.service import Busy
from node.storage.durability import Durability
from node.storage.memory import MemoryStore
from node.storage.schema import OUTBOX
from node.waiting import WaitingTransactions
from tests.unit.node.execution.alliance import (
    ACCOUNTS,
    NOWHERE,
    STRANGER,
    Node,
    anchor,
    call,
    make_sidecar,
)

PEER = MemberId("peer")


class Bench:
    def __init__(self, store: MemoryStore | None = None, most: int = 100) -> None:
        self.node = Node(store)
        self.ms = 1_000_000
        self.sent: list[tuple[bytes, tuple[MemberId, ...] | None]] = []
        self.changes = 0
        self.pool = Mempool(
            self.node.executor.nonce, max_transactions=most, max_bytes=1 << 24, gas_limit=30_000_000
        )
        self.intake = Intake(
            mempool=self.pool,
            mesh=self,  # type: ignore[arg-type]
            store=self.node.store,
            clock=self,  # type: ignore[arg-type]
            chain_id=self.node.genesis.chain_id,
            gas_limit=self.node.genesis.gas_limit,
            check_sender=StateCheck(self.node.executor, self.node.chain),
            changed=self.changed,
        )

    def now_ms(self) -> int:
        return self.ms

    def changed(self) -> None:
        self.changes += 1

    def gossip(self, payload: bytes, members: Iterable[MemberId] | None = None) -> int:
        self.sent.append((payload, None if members is None else tuple(members)))
        return 1

    def clients(self) -> list[bytes]:
        return [raw for _, raw in self.node.store.iterate(OUTBOX + b"x")]

    def restart(self, most: int = 100) -> Bench:
        assert isinstance(self.node.store, MemoryStore)
        self.node.store.flush()
        return Bench(self.node.store.crash(), most)


def transfer(nonce: int, gas: int = 50_000) -> Transaction:
    return call(ACCOUNTS[1], nonce, NOWHERE, gas=gas)


def parcel(nonce: int, seed: str = "s", count: int = 2) -> Parcel:
    carried = make_sidecar(count, f"{seed}{nonce}")
    return make_parcel(anchor(ACCOUNTS[0], nonce, carried), carried)


def test_own_parcel_is_held_and_passed_on_to_everybody() -> None:
    bench = Bench()
    own = parcel(0)
    bench.intake.submit(own)
    assert own.transaction.hash in bench.pool
    assert bench.sent == [(own.encode(), None)]
    assert bench.changes == 1


def test_own_parcel_that_finds_no_room_gets_in_when_there_is_some() -> None:
    bench = Bench(most=1)
    bench.intake.receive(PEER, make_parcel(transfer(0), None).encode())
    bench.intake.submit(parcel(0))
    bench.intake.resend()
    assert (len(bench.pool), bench.intake.postponed) == (1, 1)
    bench.node.block(transfer(0))
    bench.pool.executed(bench.node.chain.applied, [transfer(0)])
    bench.intake.resend()
    assert parcel(0).transaction.hash in bench.pool
    assert bench.intake.postponed == 0


def test_own_parcel_whose_nonce_was_taken_is_not_tried_for_ever() -> None:
    bench = Bench()
    bench.node.block(call(ACCOUNTS[0], 0, NOWHERE))
    bench.intake.submit(parcel(0))
    assert (len(bench.pool), bench.intake.postponed) == (0, 0)


def test_postponed_parcel_that_a_block_executed_is_forgotten() -> None:
    bench = Bench(most=1)
    bench.intake.receive(PEER, make_parcel(transfer(0), None).encode())
    bench.intake.submit(parcel(0))
    bench.intake.executed([parcel(0).transaction.hash])
    assert bench.intake.postponed == 0


def test_a_known_parcel_of_a_peer_costs_no_look_at_its_sidecar() -> None:
    bench = Bench()
    own = parcel(0)
    bench.intake.receive(PEER, own.encode())
    raw, sidecar_bytes = split_parcel(own.encode())
    assert raw == own.transaction.raw
    spoiled = own.encode()[:-1] + bytes([own.encode()[-1] ^ 1])
    bench.intake.receive(PEER, spoiled)
    assert bench.intake.refused == 0
    assert len(sidecar_bytes) == len(own.sidecar_bytes)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        make_parcel(call(STRANGER, 0, NOWHERE), None).encode(),
        make_parcel(call(ACCOUNTS[1], 0, NOWHERE, chain_id=4), None).encode(),
        make_parcel(call(ACCOUNTS[1], 0, NOWHERE, value=1), None).encode(),
        parcel(0).encode()[:-1] + b"\xff",
    ],
)
def test_a_parcel_that_breaks_a_rule_is_counted_and_dropped(payload: bytes) -> None:
    bench = Bench()
    bench.intake.receive(PEER, payload)
    assert (bench.intake.refused, len(bench.pool)) == (1, 0)


def test_a_parcel_of_an_executed_nonce_is_normal() -> None:
    bench = Bench()
    bench.node.block(transfer(0))
    bench.intake.receive(PEER, make_parcel(transfer(0), None).encode())
    assert (bench.intake.refused, len(bench.pool)) == (0, 0)


def test_a_full_pool_drops_a_peers_parcel_and_counts_it() -> None:
    bench = Bench(most=1)
    for nonce in range(2):
        bench.intake.receive(PEER, make_parcel(transfer(nonce), None).encode())
    assert bench.intake.refused == 1


def test_value_that_can_be_paid_is_taken() -> None:
    bench = Bench()
    bench.intake.send_raw(call(ACCOUNTS[0], 0, NOWHERE, value=5).raw)
    assert len(bench.pool) == 1


def test_a_clients_transaction_is_written_before_its_hash_is_answered() -> None:
    bench = Bench()
    transaction_hash = bench.intake.send_raw(transfer(0).raw)
    assert bench.intake.send_raw(transfer(0).raw) == transaction_hash
    assert len(bench.sent) == 1
    again = bench.restart()
    again.intake.resume()
    assert transaction_hash in again.pool
    again.intake.executed([transaction_hash])
    assert again.clients() == []


def test_a_clients_transaction_that_a_peer_brought_first_is_made_durable_too() -> None:
    bench = Bench()
    bench.intake.receive(PEER, make_parcel(transfer(0), None).encode())
    bench.intake.send_raw(transfer(0).raw)
    assert bench.restart().clients() == [transfer(0).raw]


def test_a_refused_clients_transaction_leaves_no_trace() -> None:
    bench = Bench(most=1)
    bench.intake.send_raw(transfer(0).raw)
    with pytest.raises(Busy):
        bench.intake.send_raw(transfer(1).raw)
    with pytest.raises(TransactionInvalid, match="taken"):
        bench.intake.send_raw(transfer(0, gas=60_000).raw)
    with pytest.raises(TransactionInvalid):
        bench.intake.send_raw(b"\x00")
    assert bench.clients() == [transfer(0).raw]


def test_a_restart_without_room_keeps_clients_transactions_for_later() -> None:
    bench = Bench()
    for nonce in range(3):
        bench.intake.send_raw(transfer(nonce).raw)
    again = bench.restart(most=1)
    again.intake.resume()
    assert len(again.clients()) == 3
    assert again.intake.postponed == 2


def test_a_restart_drops_what_can_never_be_executed() -> None:
    bench = Bench()
    bench.intake.send_raw(transfer(0).raw)
    bench.node.block(transfer(0, gas=70_000))
    again = bench.restart()
    again.intake.resume()
    assert again.clients() == []
    assert again.intake.postponed == 0


def test_what_waits_is_sent_again_at_growing_pauses() -> None:
    bench = Bench()
    bench.intake.receive(PEER, make_parcel(transfer(0), None).encode())
    turns = []
    for turn in range(40):
        bench.ms += RESEND_AFTER_MS
        bench.intake.resend()
        turns += [turn] * len(bench.sent)
        bench.sent.clear()
    assert turns == [0, 2, 6, 14, 30]


def test_a_backlog_is_resent_within_the_byte_budget_and_from_where_it_stopped() -> None:
    bench = Bench()
    for nonce in range(12):
        bench.intake.receive(PEER, parcel(nonce, count=2_000).encode())
    bench.ms += RESEND_AFTER_MS
    seen: list[int] = []
    for _ in range(4):
        bench.intake.resend()
        assert sum(len(payload) for payload, _ in bench.sent) <= RESEND_BYTES + 16_384
        seen += [decode_parcel(payload).transaction.nonce for payload, _ in bench.sent]
        bench.sent.clear()
    assert sorted(seen) == list(range(12))


def test_a_new_connection_is_brought_what_waits() -> None:
    bench = Bench()
    bench.intake.receive(PEER, parcel(0).encode())
    bench.intake.welcome(PEER)
    assert bench.sent == [(parcel(0).encode(), (PEER,))]


async def test_json_rpc_reads_the_mempool_and_writes_through_the_intake() -> None:
    bench = Bench()
    durability = Durability(bench.node.store)
    waiting = WaitingTransactions(bench.pool, bench.intake, durability)
    assert waiting.transaction(transfer(0).hash) is None
    assert await waiting.submit(transfer(0).raw) == transfer(0).hash
    assert isinstance(bench.node.store, MemoryStore)
    assert Bench(bench.node.store.crash()).clients() == [transfer(0).raw]
    durability.close()
    assert waiting.transaction(transfer(0).hash) == transfer(0)


def test_what_a_lowered_gas_limit_refuses_keeps_no_proposer_waiting() -> None:
    """It could never be ordered, and a request that waits costs one proposer after the other."""
    bench = Bench()
    bench.intake.receive(PEER, make_parcel(transfer(0, gas=9_000_000), None).encode())
    raw = call(ACCOUNTS[0], 0, NOWHERE, gas=9_000_000).raw
    bench.intake.send_raw(raw)
    bench.intake.receive(PEER, make_parcel(transfer(1), None).encode())
    assert bench.pool.oldest_ms() is not None
    bench.intake.gas_limit = bench.pool.gas_limit = 3_000_000
    bench.intake.recheck()
    assert bench.pool.oldest_ms() is None
    assert (len(bench.pool), bench.clients(), bench.intake.postponed) == (1, [], 0)


def test_an_own_transaction_without_a_role_waits_outside_until_it_is_permitted_again() -> None:
    bench = Bench()
    bench.intake.submit(parcel(0))
    bench.intake.receive(PEER, make_parcel(transfer(0), None).encode())
    permitted = bench.intake._check_sender

    def refuse(transaction: Transaction) -> None:
        raise TransactionInvalid("permission", "no role")

    bench.intake._check_sender = refuse
    bench.intake.recheck()
    assert (len(bench.pool), bench.intake.postponed) == (0, 1)
    bench.intake._check_sender = permitted
    bench.intake.resend()
    assert parcel(0).transaction.hash in bench.pool
    assert (len(bench.pool), bench.intake.postponed) == (1, 0)


def test_a_check_that_refuses_nothing_changes_nothing() -> None:
    bench = Bench()
    bench.intake.submit(parcel(0))
    before = bench.changes
    bench.intake.recheck()
    assert (len(bench.pool), bench.changes) == (1, before)
