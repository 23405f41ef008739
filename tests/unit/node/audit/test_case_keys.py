"""The case and the source of an own record are opened by keys that open no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bulwark.audit.caseopening import CaseOpening
from bulwark.indicators.vocabulary import Kind
from bulwark.ledger.ids import RecordId, Tag
from bulwark.ledger.record import Record, RecordPayload
from node.reporting.payload import commitment, source_commitment
from node.service import Conflict, NotFound
from tests.unit.node.audit.test_reports import (
    ALPHA,
    BRAVO,
    INDEX_KEY,
    Ledger,
    desk_of,
    statement,
)
from tests.unit.node.audit.test_reports import ledger as ledger


async def test_the_case_of_an_own_record_is_opened_by_a_key_that_opens_no_other(
    ledger: Ledger,
) -> None:
    cases = {}
    for number in range(2):
        salt = bytes((number + 1,)) * 32
        case = commitment(INDEX_KEY, b"case", salt, f"CASE-{number}")
        payload = RecordPayload(operation=1, kind=Kind.IBAN, case_commitment=case)
        cases[number] = Record.of(salt, Tag(salt), payload)
    ledger.anchor(ALPHA, cases[0], cases[1])
    other = statement("other")
    ledger.anchor(BRAVO, other)
    desk = desk_of(ledger.node)
    opened = CaseOpening(cases[0].record_id, "CASE-0", desk.case_key(cases[0].record_id))
    assert CaseOpening.from_json(opened.to_json()) == opened
    assert opened.opens(cases[0].payload.case_commitment or b"")
    assert not opened.opens(cases[1].payload.case_commitment or b"")
    assert not replace(opened, case_ref="CASE-1").opens(cases[0].payload.case_commitment or b"")
    with pytest.raises(Conflict, match="another member"):
        desk.case_key(other.record_id)
    with pytest.raises(NotFound):
        desk.case_key(RecordId(bytes(32)))
    ledger.node.erase(cases[0].record_id)
    with pytest.raises(Conflict, match="is erased"):
        desk.case_key(cases[0].record_id)
    desk.close()


async def test_the_source_of_an_own_copy_is_opened_as_a_case_is(ledger: Ledger) -> None:
    tag = Tag(bytes(range(32)))
    source = source_commitment(tag, "9c1f0b1e")
    payload = RecordPayload(operation=1, kind=Kind.IBAN, usage=8, case_commitment=source)
    copied = Record.of(bytes(31) + b"1", tag, payload)
    ledger.anchor(ALPHA, copied)
    desk = desk_of(ledger.node)
    key = desk.case_key(copied.record_id)
    opened = CaseOpening(copied.record_id, "9c1f0b1e", key)
    assert opened.opens(source) and not replace(opened, case_ref="other").opens(source)
    desk.close()
