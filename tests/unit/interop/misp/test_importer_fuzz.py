"""Whatever a MISP document holds, the importer answers with statements and items, never more."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.indicators.model import IndicatorReport
from bulwark.interop.carried import Action, Carried, Fate, Reason, counts
from bulwark.interop.misp.importer import convert
from bulwark.interop.misp.options import ImportOptions
from bulwark.interop.words import MISP_TYPES

NOW_MS = 1_767_225_600_000
OPTIONS = ImportOptions.from_mapping({"fraud_type": "other", "take_context": True})
NAMES = (
    *("Event", "response", "Attribute", "Object", "Tag", "Sighting", "ShadowAttribute", "type"),
    *("value", "name", "uuid", "deleted", "to_ids", "distribution", "timestamp", "date", "Galaxy"),
    *("first_seen", "last_seen", "object_relation", "SharingGroup", "date_sighting", "info"),
)
WORDS = st.sampled_from(
    [*MISP_TYPES, "domain", "tlp:red", "tlp:green", "0", "4", "1767225600", "evil.com|8.8.8.8",
     "evil.com", "+447911123456", 'fraud-alliance:kind="phone"', "person", "role", "Victim"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | WORDS
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=8)
    ),
    max_leaves=25,
)
ATTRIBUTES = st.fixed_dictionaries(
    {"type": WORDS, "value": WORDS | st.text(max_size=40)},
    optional={"Tag": JSON, "Sighting": JSON, "deleted": JSON, "first_seen": SCALARS, "uuid": WORDS},
)


def judged(document: Any) -> Carried:
    found = convert(document, OPTIONS, now_ms=NOW_MS)
    known = {reason.value for reason in Reason}
    for item in found.items:
        assert isinstance(item.fate, Fate) and item.reason in known
        assert item.where == "" or item.where.startswith("/")
        assert item.detail.isprintable() and len(item.detail) <= 300
    assert sum(sum(r.values()) for r in counts(found.items).values()) == len(found.items)
    for statement in found.statements:
        if statement.action is Action.REPORT:
            IndicatorReport.from_mapping(statement.row, now_ms=NOW_MS)
    json.dumps([item.detail for item in found.items])
    return found


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_any_json_gives_items_and_nothing_else(document: Any) -> None:
    judged(document)


@settings(max_examples=100, deadline=None)
@given(st.lists(ATTRIBUTES, max_size=6), st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4))
def test_every_attribute_has_an_item_and_no_item_shows_a_value(
    attributes: list[dict[str, Any]], head: dict[str, Any]
) -> None:
    marked = [{**one, "value": f"{one['value']}-quokka{at}"} for at, one in enumerate(attributes)]
    found = judged({"Event": {**head, "Attribute": marked}})
    places = {item.where for item in found.items}
    assert {f"/Event/Attribute/{at}" for at in range(len(marked))} <= places
    shown = " ".join(f"{item.detail} {item.ref}" for item in found.items)
    assert "quokka" not in shown
    assert "quokka" not in repr(found.statements)
