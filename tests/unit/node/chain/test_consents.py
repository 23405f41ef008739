"""Consents by anchor id: the ledger's events, as they stand at any height."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bulwark.consents.ending import Ending
from bulwark.ledger.ids import Address, Height, TimestampMs
from bulwark.ledger.lifecycle import ConsentStanding
from contracts.bindings import CONSENT_REGISTRY, encode_give, encode_renew, encode_withdraw
from node.chain.consents import MS_PER_DAY, ConsentReader
from node.chain.install import Installation
from node.fsck import fsck
from node.storage import schema
from node.storage.errors import StoreDamaged
from node.storage.seal import seal
from tests.unit.node.chain.test_install import bring_state
from tests.unit.node.execution.alliance import ACCOUNTS, CREATED_MS, Node, call
from tests.unit.node.sync.support import sync_blocks

ALPHA, BRAVO, _, _ = ACCOUNTS
REGISTRY = Address(CONSENT_REGISTRY)
ONE, OTHER, FIRST, SECOND = (bytes([value]) * 32 for value in (7, 6, 8, 9))
TODAY = CREATED_MS // MS_PER_DAY


def lived(node: Node) -> Node:
    """Given in block 1 for three days, renewed without end in 2, another given in 3, end in 4."""
    node.block(call(ALPHA, 0, REGISTRY, encode_give(ONE, FIRST, 3, 4, TODAY + 3)), at_ms=CREATED_MS)
    node.block(call(ALPHA, 1, REGISTRY, encode_renew(ONE, SECOND, 0)))
    node.block(call(BRAVO, 0, REGISTRY, encode_give(OTHER, FIRST, 5, 6, TODAY)))
    node.block(call(ALPHA, 2, REGISTRY, encode_withdraw(ONE, int(Ending.WITHDRAWN))))
    node.block()
    return node


def reader(node: Node) -> ConsentReader:
    return ConsentReader(node.store, node.chain)


def standing(node: Node, anchor_id: bytes, height: int, *, days_later: int = 0) -> ConsentStanding:
    block = node.chain.block(Height(height))
    assert block is not None
    later = TimestampMs(block.header.timestamp_ms + days_later * MS_PER_DAY)
    return reader(node).standing(anchor_id, replace(block.header, timestamp_ms=later))


def test_a_consent_stands_at_every_height_as_its_events_up_to_there_say() -> None:
    node = lived(Node())
    assert [standing(node, ONE, height) for height in range(6)] == [
        ConsentStanding.UNKNOWN,
        ConsentStanding.GIVEN,
        ConsentStanding.GIVEN,
        ConsentStanding.GIVEN,
        ConsentStanding.WITHDRAWN,
        ConsentStanding.WITHDRAWN,
    ]
    assert standing(node, OTHER, 2) is ConsentStanding.UNKNOWN
    assert standing(node, OTHER, 3) is ConsentStanding.GIVEN


def test_the_last_day_counts_whole_and_by_the_time_of_the_block() -> None:
    node = lived(Node())
    assert standing(node, ONE, 1, days_later=3) is ConsentStanding.GIVEN
    assert standing(node, ONE, 1, days_later=4) is ConsentStanding.EXPIRED
    assert standing(node, ONE, 2, days_later=9_999) is ConsentStanding.GIVEN
    assert standing(node, ONE, 4, days_later=4) is ConsentStanding.WITHDRAWN


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (Ending.EXPIRED, ConsentStanding.EXPIRED),
        (Ending.INVALIDATED, ConsentStanding.WITHDRAWN),
        (Ending.OBJECTED, ConsentStanding.WITHDRAWN),
        (0, ConsentStanding.WITHDRAWN),
        (65_535, ConsentStanding.WITHDRAWN),
    ],
)
def test_every_reason_ends_a_consent_also_one_that_nobody_knows(
    reason: int, expected: ConsentStanding
) -> None:
    node = Node()
    give = call(ALPHA, 0, REGISTRY, encode_give(ONE, FIRST, 3, 4, 0))
    node.block(give, call(ALPHA, 1, REGISTRY, encode_withdraw(ONE, int(reason))))
    assert standing(node, ONE, 1) is expected


def test_a_block_that_is_not_executed_here_has_no_standing() -> None:
    node = lived(Node())
    above = replace(node.chain.tip, height=Height(node.chain.applied + 1))
    assert reader(node).standing(ONE, above) is ConsentStanding.UNKNOWN
    assert reader(node).standing(b"short", node.chain.tip) is ConsentStanding.UNKNOWN


def test_facts_name_issuer_terms_and_heights() -> None:
    node = lived(Node())
    found = reader(node).facts(ONE)
    assert found is not None
    assert (found.issuer, found.purpose, found.basis) == (ALPHA.address, 3, 4)
    assert (found.given_height, found.changed_height, found.ended_height) == (1, 4, 4)
    assert (found.valid_until_day, found.commitment, found.reason) == (0, SECOND, 1)
    before = reader(node).facts(ONE, Height(1))
    assert before is not None
    assert (before.valid_until_day, before.commitment, before.ended_height) == (TODAY + 3, FIRST, 0)
    assert reader(node).facts(ONE, Height(0)) is None
    assert reader(node).facts(b"\x01" * 32) is None
    assert reader(node).facts(b"") is None


def test_all_consents_are_listed_as_they_stood() -> None:
    node = lived(Node())
    assert [(f.anchor_id, f.ended_height) for f in reader(node).all()] == [(OTHER, 0), (ONE, 4)]
    assert [f.anchor_id for f in reader(node).all(Height(2))] == [ONE]
    assert list(reader(node).all(Height(0))) == []


def test_a_synced_node_knows_the_consents_and_none_before_its_blocks_are_the_chain() -> None:
    node, fresh = lived(Node()), Node()
    bring_state(fresh, node)
    installation = Installation(fresh.store, fresh.chain, fresh.genesis)
    for block in sync_blocks(node, 1):
        installation.add(block)
    assert reader(fresh).facts(ONE) is None
    assert list(reader(fresh).all()) == []
    installation.finish()
    assert list(reader(fresh).all()) == list(reader(node).all())
    assert standing(fresh, ONE, 3) is ConsentStanding.GIVEN
    assert standing(fresh, ONE, 4) is ConsentStanding.WITHDRAWN


def test_a_flipped_byte_is_named_and_fsck_finds_every_wrong_entry() -> None:
    node = lived(Node())
    assert fsck(node.store, node.genesis).is_clean
    key, value = next(iter(node.store.iterate(schema.consent_states(ONE))))
    node.store.write({key: bytes([value[0] ^ 1]) + value[1:]}, sync=True)
    with pytest.raises(StoreDamaged):
        list(reader(node).all())
    assert not fsck(node.store, node.genesis, full=False).is_clean
    node.store.write({key: None}, sync=True)
    [problem] = fsck(node.store, node.genesis, full=False).problems
    assert (problem.where, problem.reason) == (f"key {key.hex()}", "the index entry is missing")


@pytest.mark.parametrize("value", [b"", b"\x09" + bytes(60)])
def test_an_entry_of_no_known_form_is_damage(value: bytes) -> None:
    node = Node()
    key = schema.consent_state(ONE, Height(0), 0, 0)
    node.store.write({key: seal(key, value)}, sync=True)
    with pytest.raises(StoreDamaged):
        reader(node).facts(ONE)
