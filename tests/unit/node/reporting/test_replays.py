"""Replays under an idempotency key: the same outcome, also which rows were duplicates."""

from __future__ import annotations

from bulwark.ledger.ids import Digest
from node.reporting.idempotency import IdempotencyStore
from node.service import Idempotency
from node.storage.memory import MemoryStore
from tests.unit.node.reporting.test_reporter import KEY, Bench, row


async def test_a_replay_says_of_each_row_whether_it_was_a_duplicate_also_after_a_restart() -> None:
    bench = Bench()
    await bench.report(row("known.example"))
    rows = [row("new.example"), row("known.example"), row("bad value"), row("new.example")]
    first = await bench.report(*rows, key="k")
    assert [outcome.duplicate for outcome in first] == [False, True, False, True]
    again = await bench.report(*rows, key="k")
    assert [outcome.duplicate for outcome in again] == [False, True, False, True]
    later = await Bench(bench.store.crash()).report(*rows, key="k")
    assert [outcome.duplicate for outcome in later] == [False, True, False, True]
    assert [outcome.record_id for outcome in later] == [outcome.record_id for outcome in first]


def test_an_outcome_kept_by_a_version_without_duplicates_is_read() -> None:
    store = MemoryStore()
    keys = IdempotencyStore(store, KEY)
    wish = Idempotency("k", Digest(bytes(32)))
    ids = [bytes([number]) * 32 for number in range(1, 11)]
    plain = keys.entry(wish, ids, 1_000)
    store.write(plain, sync=True)
    assert keys.rows(wish) == tuple((identity, False) for identity in ids)
    marked = keys.entry(wish, ids, 1_000, [0, 9])
    ((_, before),), ((_, after),) = plain.items(), marked.items()
    assert before is not None and after is not None and after.startswith(before)
    store.write(marked, sync=True)
    assert [at for at, (_, is_duplicate) in enumerate(keys.rows(wish) or ()) if is_duplicate] == [
        0,
        9,
    ]
