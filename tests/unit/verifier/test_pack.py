"""Packs of a real chain: what they show, whoever makes them, and what they keep to themselves."""

from __future__ import annotations

import io
import zipfile

from bulwark.ledger.ids import Height, MemberId
from node.audit.packport import PackWish
from tests.unit.verifier.scene import packed, scene, verified


def test_a_pack_of_everything_shows_chain_log_records_and_their_fate() -> None:
    at = scene()
    found = verified(packed())
    assert found.chain.tip == at.node.chain.tip
    assert found.chain.epochs.count == 2
    assert found.records.anchors == found.records.batches == 6
    assert (found.records.records, found.records.erased, found.records.withheld) == (12, 1, 0)
    assert (found.records.follow_ups, found.records.orders_of_others) == (2, 0)
    assert (found.policies, found.evidence) == (1, 1)
    assert found.manifest.member == "delta"


def test_the_same_pack_has_the_same_bytes_and_any_zip_tool_opens_it() -> None:
    data = packed()
    assert data == packed()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == "manifest.json"


def test_a_pack_of_some_blocks_needs_no_block_before_them() -> None:
    at = scene()
    wish = PackWish(from_height=Height(at.epoch_end + 1), to_height=at.erase_height)
    found = verified(packed(wish))
    assert found.chain.first == at.epoch_end
    assert found.chain.tip.height == at.erase_height
    assert (found.records.batches, found.chain.epochs.count) == (3, 2)


def test_an_erased_record_brings_its_order_from_a_later_block() -> None:
    found = verified(packed(PackWish(to_height=Height(1))))
    assert found.chain.tip.height == scene().erase_height
    assert (found.records.batches, found.records.erased) == (3, 1)
    assert (found.records.follow_ups, found.records.withheld) == (1, 0)


def test_a_pack_of_one_record_withholds_the_others_and_brings_its_dispute_and_proof() -> None:
    found = verified(packed(PackWish(records=(scene().disputed,))))
    assert (found.records.records, found.records.follow_ups, found.records.withheld) == (2, 1, 3)
    assert found.proofs == 1


def test_a_pack_of_a_reporter_has_all_its_batches_and_what_others_said_about_them() -> None:
    found = verified(packed(PackWish(reporter=MemberId("alpha"))))
    assert (found.records.batches, found.records.erased) == (5, 1)
    assert (found.records.follow_ups, found.records.withheld) == (2, 1)
