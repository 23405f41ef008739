"""A consent that ends recalls what rests on it: all of it, once, also across a kill."""

from __future__ import annotations

import asyncio

from bulwark.ledger.ids import Address, Height, RecordId
from contracts.bindings import CONSENT_REGISTRY, encode_give, encode_withdraw
from node.chain.store import StoredBlock
from tests.unit.node.execution.alliance import ACCOUNTS, Node, call
from tests.unit.node.recall.test_recall import FIRST, SECOND, Desk, answer

CONSENT = b"\x33" * 32


async def test_a_consent_that_a_block_ends_recalls_the_records_that_rest_on_it() -> None:
    alpha = ACCOUNTS[0]
    node, registry = Node(), Address(CONSENT_REGISTRY)
    node.block(call(alpha, 0, registry, encode_give(CONSENT, b"\x44" * 32, 1, 1, 0)))
    node.block(call(alpha, 1, registry, encode_withdraw(CONSENT, 1)))
    it = Desk()
    await it.asked("CASE-1", FIRST, consent=CONSENT)
    await it.asked("CASE-2", FIRST, SECOND, consent=None)
    given, withdrawn = (node.chain.block(Height(number)) for number in (1, 2))
    assert given is not None and withdrawn is not None
    assert await it.desk.withdrawn(given) == 0
    assert await it.desk.withdrawn(withdrawn) == 1
    assert await it.desk.withdrawn(withdrawn) == 0, "once"
    (recall,) = it.desk.recalls(0, 10)
    assert (recall.record_id, recall.cause, recall.height) == (FIRST, "consent_withdrawn", 2)
    assert [q.case_ref for q in recall.questions] == ["CASE-1", "CASE-2"]


async def consent_ends() -> StoredBlock:
    """The block that ends CONSENT."""
    node = Node()
    alpha, registry = ACCOUNTS[0], Address(CONSENT_REGISTRY)
    node.block(call(alpha, 0, registry, encode_give(CONSENT, b"\x44" * 32, 1, 1, 0)))
    node.block(call(alpha, 1, registry, encode_withdraw(CONSENT, 1)))
    block = node.chain.block(Height(2))
    assert block is not None
    return block


async def test_a_consent_that_ends_recalls_all_that_rests_on_it_however_much_was_asked() -> None:
    block, it = await consent_ends(), Desk()
    await it.asked("the oldest", FIRST, consent=CONSENT)
    (view,) = answer(SECOND, consent=CONSENT).records
    for _ in range(10_000):
        it.store.write(it.hits.entry("desk", "again", [view], it.now_ms), sync=False)
    assert await it.desk.withdrawn(block) == 2
    assert {recall.record_id for recall in it.desk.recalls(0, 10)} == {FIRST, SECOND}


async def test_a_node_that_is_killed_while_it_recalls_a_consent_goes_on_and_doubles_nothing() -> (
    None
):
    block, it = await consent_ends(), Desk()
    records = [RecordId(bytes([1, *divmod(number, 256)]) + bytes(29)) for number in range(450)]
    for record in records:
        await it.asked("case", record, consent=CONSENT)
    under_way = asyncio.create_task(it.desk.withdrawn(block))
    while it.queue.last < 250:  # noqa: ASYNC110 - a condition in another task
        await asyncio.sleep(0)
    under_way.cancel()
    await asyncio.gather(under_way, return_exceptions=True)
    assert it.queue.last < len(records)
    again = Desk(it.store)
    await again.desk.withdrawn(block)
    assert again.queue.last == len(records)
    assert {recall.record_id for recall in again.queue.page(0, 1_000)} == set(records)
