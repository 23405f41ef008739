"""A screening counts a bounded number of records, and says when it left some out."""

from __future__ import annotations

import pytest

from bulwark.indicators.model import ScreeningRequest
from bulwark.ledger.ids import Tag
from bulwark.ledger.record import Record, RecordPayload
from bulwark.ledger.sidecar import Sidecar
from node.screening import screener as screener_module
from node.screening.screener import Screener
from tests.unit.node.execution.alliance import ACCOUNTS, Node, anchor

TAG = Tag(b"\x42" * 32)
STATEMENT = RecordPayload(
    operation=1, kind=1, fraud_type=2, object_role=1, confidence=80, valid_until_day=50_000
)
QUESTION = ScreeningRequest.from_mapping(
    {
        "kind": "phone",
        "value": "+442079460958",
        "purpose": "fraud_prevention",
        "lawful_basis": "legitimate_interests",
    }
)


class KnownTag:
    """A tagger that knows one tag: rounds are held to their rules elsewhere."""

    def cached(self, kind: str, value: str) -> Tag:
        return TAG


def screener_over(records: int) -> Screener:
    node = Node()
    for nonce in range(records):
        sidecar = Sidecar((Record.of(bytes([nonce]) * 32, TAG, STATEMENT),))
        node.block(anchor(ACCOUNTS[0], nonce, sidecar), sidecars=[sidecar])
    return Screener(
        tagger=KnownTag(),  # type: ignore[arg-type]
        replica=node.records,
        standings=node.standings,
        now_ms=lambda: node.chain.tip.timestamp_ms,
        lag=lambda: None,
    )


@pytest.mark.parametrize(("records", "complete"), [(3, True), (4, False)])
async def test_an_answer_that_leaves_records_out_is_not_complete(
    monkeypatch: pytest.MonkeyPatch, records: int, complete: bool
) -> None:
    # The real bound would need a thousand blocks; the rule is the same.
    monkeypatch.setattr(screener_module, "MAX_COUNTED", 3)
    (answer,) = await screener_over(records).screen([QUESTION])
    assert answer.complete is complete
    assert len(answer.records) == 3
    assert (answer.incomplete_reason is None) is complete
