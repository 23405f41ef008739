"""Rows under policies: refused with the rule, gathered by policy, anchored under its id."""

from __future__ import annotations

import pytest

from bulwark.policies.library import shipped
from contracts.records import decode_anchor_call
from tests.unit.node.execution.alliance import make_sidecar
from tests.unit.node.reporting.test_reporter import Bench, row


@pytest.fixture
async def bench() -> Bench:
    return Bench()


async def test_a_row_that_breaks_its_policy_is_refused_with_the_rule_before_it_is_tagged(
    bench: Bench,
) -> None:
    bench.tagger.down = True
    outcomes = await bench.report(
        row(policy="eu-psr-83"),
        row(policy="nobody-knows-it"),
        row(tlp="red"),
    )
    refusals = [outcome.refusal for outcome in outcomes]
    assert [(r.rule, r.field) for r in refusals if r is not None] == [
        ("policy.evidence-below-threshold", "value"),
        ("policy.unknown", "policy"),
        ("policy.tlp-above-limit", "value"),
    ]
    assert refusals[0] is not None and "reported_by_customer or better" in refusals[0].detail
    assert refusals[1] is not None and "alliance-default, eu-psr-83" in refusals[1].detail
    assert bench.submitted == []
    assert bench.reporter.refused == 3


async def test_an_anchor_holds_records_of_one_policy_and_names_it(bench: Bench) -> None:
    confirmed = {"policy": "eu-psr-83", "evidence_level": "confirmed", "valid_until": ""}
    psr = [row(f"p{n}.example", **confirmed) for n in range(3)]
    plain = [row(f"d{n}.example") for n in range(2)]
    outcomes = await bench.report(*psr[:2], *plain, psr[2])
    assert all(outcome.refusal is None for outcome in outcomes)
    anchored = {}
    for parcel in bench.submitted:
        call = decode_anchor_call(parcel.transaction.data)
        assert call is not None and parcel.sidecar is not None
        anchored[call.policy] = {entry.record_id for entry in parcel.sidecar.entries}
    ids = [outcome.record_id for outcome in outcomes]
    assert anchored == {
        shipped("eu-psr-83").id: {ids[0], ids[1], ids[4]},
        bytes(32): {ids[2], ids[3]},
    }


async def test_a_batch_of_one_policy_that_is_full_leaves_the_other_open(bench: Bench) -> None:
    entries = (*make_sidecar(1, "one").entries, *make_sidecar(2_000, "two").entries)
    with bench.gatherer.upload():
        waiting = bench.gatherer.add(entries[0], b"other", b"\x01" * 32)  # type: ignore[arg-type]
        for number, entry in enumerate(entries[1:]):
            bench.gatherer.add(entry, number.to_bytes(16, "big"))  # type: ignore[arg-type]
        assert [p.sidecar.count for p in bench.submitted if p.sidecar] == [2_000]
        assert bench.gatherer.waiting == 1
        assert not waiting.done()
    await waiting
    assert len(bench.submitted) == 2
