"""The anchorer gives out nonces, keeps what it accepted, and says what the ledger refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bulwark.ledger.ids import Address, Digest, Height, RecordId
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.signing import Signer, SigningKey
from bulwark.ledger.transaction import Transaction
from contracts.bindings import RECORD_REGISTRY, encode_anchor
from node.gossip import Parcel
from node.reporting import anchorer as anchorer_module
from node.reporting.anchorer import Anchorer
from node.reporting.outbox import Outbox, own_name
from node.reporting.tracker import StageTracker
from node.service import Busy, Stage
from node.storage.memory import MemoryStore
from node.storage.schema import OUTBOX, number8
from tests.unit.node.execution.alliance import ACCOUNTS, CHAIN_ID, NOWHERE, call, make_sidecar

KEY = ACCOUNTS[0]


class Bench:
    def __init__(
        self,
        store: MemoryStore | None = None,
        *,
        key: SigningKey = KEY,
        settle: Callable[[], Signer | None] = lambda: None,
    ) -> None:
        self.store = store or MemoryStore()
        self.outbox = Outbox(self.store)
        self.tracker = StageTracker()
        self.next = 0
        self.submitted: list[Parcel] = []
        self.forgotten: list[Digest] = []
        self.anchorer = Anchorer(
            key,
            CHAIN_ID,
            self.outbox,
            self.tracker,
            next_nonce=lambda _: self.next,
            submit=self.submitted.append,
            settle=settle,
            forget=self.forgotten.extend,
        )

    def send(self, seed: str = "s") -> tuple[Transaction, Sidecar]:
        carried = make_sidecar(2, seed)
        names = {name_of(e): e.record_id for e in carried.entries if isinstance(e, Record)}
        data = encode_anchor(carried.root, carried.count, 1, bytes(32))
        transaction = self.anchorer.send(
            Address(RECORD_REGISTRY), data, sidecar=carried, own_records=names
        )
        return transaction, carried

    def run(self, height: int, *outcomes: tuple[Transaction, bool]) -> None:
        results = [(transaction.hash, ok) for transaction, ok in outcomes]
        self.tracker.executed(results, Height(height))
        self.anchorer.executed([t for t, _ in outcomes], results, Height(height))

    def kept(self) -> list[int]:
        return [parcel.transaction.nonce for parcel in self.outbox.parcels()]


def name_of(record: Record) -> bytes:
    payload = record.payload
    return own_name(record.tag, payload.fraud_type, payload.object_role)


def test_nonces_are_given_out_one_after_another_and_on_disk_first() -> None:
    bench = Bench()
    nonces = [bench.send(f"s{number}")[0].nonce for number in range(3)]
    assert nonces == [0, 1, 2]
    assert (bench.anchorer.waiting, bench.anchorer.waiting_records) == (3, 6)
    bench.next = 9
    assert bench.send("s9")[0].nonce == 9


def test_too_many_waiting_transactions_are_refused_before_they_are_accepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(anchorer_module, "MAX_UNEXECUTED", 2)
    bench = Bench()
    bench.send("a")
    first = bench.submitted[0].transaction
    bench.send("b")
    with pytest.raises(Busy):
        bench.send("c")
    bench.run(1, (first, True))
    bench.send("c")


def test_a_final_transaction_leaves_the_outbox_and_not_before() -> None:
    bench = Bench()
    transaction, _ = bench.send()
    bench.run(3, (transaction, True))
    assert bench.anchorer.waiting_records == 0
    bench.anchorer.finalized(Height(2))
    assert bench.kept() == [0]
    bench.anchorer.finalized(Height(3))
    assert bench.kept() == []


def test_records_of_a_reverted_anchor_can_be_reported_again_and_are_known_as_failed() -> None:
    bench = Bench()
    transaction, carried = bench.send()
    record = carried.entries[0]
    assert isinstance(record, Record)
    assert bench.outbox.own_record(name_of(record)) == record.record_id
    bench.run(1, (transaction, False))
    assert bench.outbox.own_record(name_of(record)) is None
    assert bench.outbox.failed(record.record_id)
    assert bench.anchorer.reverted == 1
    assert not bench.outbox.failed(RecordId(bytes(32)))


def test_a_reverted_anchor_does_not_take_a_later_records_name() -> None:
    bench = Bench()
    transaction, carried = bench.send()
    record = carried.entries[0]
    assert isinstance(record, Record)
    later = RecordId(b"l" * 32)
    other, _ = bench.send("other")
    parcel = bench.outbox.parcel(other.nonce, KEY.address)
    assert parcel is not None
    bench.outbox.add(parcel, {name_of(record): later}, {})
    bench.run(1, (transaction, False))
    assert bench.outbox.own_record(name_of(record)) == later


async def test_a_nonce_that_another_transaction_took_is_replaced_at_once() -> None:
    bench = Bench()
    transaction, carried = bench.send()
    bench.next = 1
    bench.run(1, (call(KEY, 0, NOWHERE), True))
    again = bench.submitted[-1]
    assert (again.transaction.nonce, again.sidecar) == (1, carried)
    assert bench.tracker.progress(transaction.hash) is None
    progress = bench.tracker.progress(again.transaction.hash)
    assert progress is not None and progress.stage is Stage.ACCEPTED
    bench.anchorer.finalized(Height(1))
    assert bench.kept() == [1]
    bench.run(2, (again.transaction, True))
    assert bench.anchorer.waiting == 0


def test_transactions_of_others_and_unknown_own_ones_are_ignored() -> None:
    bench = Bench()
    bench.run(1, (call(ACCOUNTS[1], 0, NOWHERE), True), (call(KEY, 5, NOWHERE), False))
    assert bench.anchorer.reverted == 0


def test_a_restart_sends_again_replaces_and_forgets_as_the_chain_says() -> None:
    before = Bench()
    sent = [before.send(f"s{number}")[0] for number in range(4)]
    failed = before.outbox.parcel(1, KEY.address)
    assert failed is not None and failed.sidecar is not None
    before.store.flush()
    after = Bench(before.store.crash())
    after.next = 3
    outcome: dict[Digest, bool | None] = {sent[0].hash: True, sent[1].hash: False}
    after.anchorer.resume(3, lambda transaction: outcome.get(transaction))
    assert after.kept() == [3, 4]
    assert [parcel.transaction.nonce for parcel in after.submitted] == [3, 4]
    moved = after.submitted[1]
    assert moved.transaction.data == sent[2].data
    assert after.outbox.failed(failed.sidecar.entries[0].record_id)
    assert after.send("new")[0].nonce == 5


def test_a_transaction_without_sidecar_fails_without_records() -> None:
    bench = Bench()
    transaction = bench.anchorer.send(NOWHERE, b"", extra=lambda signed: {b"o?": signed.hash})
    assert bench.store.get(b"o?") == transaction.hash
    bench.run(1, (transaction, False))
    assert bench.anchorer.reverted == 1


def test_what_waits_when_the_account_changes_is_signed_by_the_new_one_and_nothing_is_lost() -> None:
    named = [KEY]
    bench = Bench(settle=lambda: named[0])
    first, carried = bench.send("s0")
    second, _ = bench.send("s1")
    bench.run(1, (first, True))
    new = named[0] = ACCOUNTS[1]
    bench.anchorer.settle()
    (again,) = [p for p in bench.submitted if p.transaction.sender == new.address]
    assert again.transaction.nonce == 0
    assert again.transaction.data == second.data
    assert bench.forgotten == [second.hash]
    assert bench.anchorer.address == new.address
    assert [p.transaction.sender for p in bench.outbox.parcels()] == [new.address, KEY.address]
    assert bench.anchorer.waiting_records == carried.count
    bench.anchorer.settle()
    assert bench.anchorer.waiting == 1
    bench.run(2, (again.transaction, True))
    bench.anchorer.finalized(Height(2))
    assert bench.kept() == []


def test_an_anchor_refused_in_the_block_of_the_vote_on_the_account_is_sent_again_not_failed() -> (
    None
):
    named = [KEY]
    bench = Bench(settle=lambda: named[0])
    transaction, _ = bench.send()
    named[0] = ACCOUNTS[1]
    bench.run(3, (transaction, False))
    assert bench.anchorer.reverted == 0
    (again,) = [p for p in bench.submitted if p.transaction.sender == ACCOUNTS[1].address]
    assert again.transaction.data == transaction.data
    bench.anchorer.finalized(Height(3))
    assert bench.kept() == [0]


def test_a_crash_in_the_middle_of_a_change_of_account_loses_and_doubles_nothing() -> None:
    before = Bench()
    sent = [before.send(f"s{number}")[0] for number in range(3)]
    named = [ACCOUNTS[1]]
    half = Bench(before.store, settle=lambda: named[0])
    half.anchorer.resume(0, lambda _: None)
    calls: list[Parcel] = []

    def dies(parcel: Parcel) -> None:
        calls.append(parcel)
        if len(calls) == 2:
            raise KeyboardInterrupt

    half.anchorer._submit = dies
    with pytest.raises(KeyboardInterrupt):
        half.anchorer.settle()
    after = Bench(before.store, key=ACCOUNTS[1])
    after.anchorer.resume(0, lambda _: None)
    held = [parcel.transaction for parcel in after.outbox.parcels()]
    assert sorted(each.data for each in held) == sorted(each.data for each in sent)
    assert {each.sender for each in held} == {ACCOUNTS[1].address}
    assert after.kept() == [0, 1, 2]


def test_parcels_of_an_older_program_get_a_lane() -> None:
    bench = Bench()
    transaction, _ = bench.send()
    name = OUTBOX + b"t" + number8(0)
    (pair,) = list(bench.store.iterate(OUTBOX + b"t"))
    bench.store.write({pair[0]: None, name: pair[1]}, sync=True)
    again = Outbox(bench.store)
    found = again.parcel(0, KEY.address)
    assert found is not None and found.transaction.hash == transaction.hash
    assert bench.store.get(name) is None
