"""Packs of a real chain: what they show, whoever makes them, and what they keep to themselves."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import pytest

from bulwark.ledger.ids import Height, MemberId
from bulwark.ledger.lifecycle import Operation
from bulwark.ledger.sidecar import Sidecar
from bulwark.verifier.codes import Code, PackRefused
from bulwark.verifier.pack import verify_pack
from node.audit.packport import PackWish
from tests.unit.node.execution.alliance import Node, make_sidecar
from tests.unit.verifier.forging import archived, certificates, files_of, signed, with_certificates
from tests.unit.verifier.scene import (
    ALPHA,
    CHARLIE,
    about,
    certify,
    erase,
    packed,
    report,
    scene,
    verified,
)


def test_a_pack_of_everything_shows_chain_log_records_and_their_fate() -> None:
    at = scene()
    found = verified(packed())
    assert found.chain.tip == at.node.chain.tip
    assert found.chain.epochs.count == 2
    assert found.records.anchors == found.records.batches == 7
    assert (found.records.records, found.records.erased, found.records.withheld) == (13, 1, 0)
    assert (found.records.follow_ups, found.records.orders_of_others) == (3, 0)
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
    assert (found.records.batches, found.records.erased) == (6, 1)
    assert (found.records.follow_ups, found.records.withheld) == (3, 1)


def test_a_pack_of_an_erased_record_brings_its_order_and_who_confirmed_it() -> None:
    found = verified(packed(PackWish(records=(scene().erased,))))
    assert (found.records.erased, found.records.follow_ups, found.records.records) == (1, 2, 2)
    assert found.proofs == 1


def test_a_pack_that_begins_in_a_later_epoch_proves_the_validators_before_it() -> None:
    at = scene()
    files = files_of(packed(PackWish(from_height=Height(at.epoch_end + 3))))
    found = verified(archived(files))
    assert (found.chain.first, found.chain.epochs.count) == (at.epoch_end + 2, 2)
    with pytest.raises(PackRefused) as raised:
        verified(signed(with_certificates(files, certificates(files)[1:])))
    assert (raised.value.code, raised.value.place) == (
        Code.CERTIFICATE_MISSING,
        f"header {at.epoch_end}",
    )


def with_a_copy() -> tuple[Node, Height]:
    """Alpha's record is erased by its order; charlie anchors it once more after it."""
    node = Node()
    first = make_sidecar(2, "copied")
    report(node, ALPHA, first)
    report(node, ALPHA, Sidecar((about(first.leaves[0], Operation.ERASE, "e"),)))
    copy = Sidecar((first.entries[0], *make_sidecar(1, "beside it").entries))
    copied = report(node, CHARLIE, copy)
    for height in range(1, node.chain.applied + 1):
        header = node.chain.header(Height(height))
        assert header is not None
        node.chain.store_checkpoint(certify(node, header))
    erase(node, first, 0)
    erase(node, copy, 0)
    return node, copied


@pytest.mark.parametrize("is_from_copy", [False, True])
def test_a_copy_of_an_erased_record_needs_no_order_of_its_own(is_from_copy: bool) -> None:
    """Nor can somebody spoil all later packs by anchoring what was erased."""
    node, copied = with_a_copy()
    wish = PackWish(from_height=copied if is_from_copy else None)
    data = packed(wish, at=replace(scene(), node=node))
    found = verify_pack(io.BytesIO(data), node.genesis)
    assert found.records.erased == (1 if is_from_copy else 2)
    assert found.chain.first == (copied - 2 if is_from_copy else 0)
    # From the copy on nobody sees that the one who ordered is the first reporter.
    assert found.records.orders_of_others == (1 if is_from_copy else 0)
