"""The constants and tables of the privacy bindings are those of the artifacts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from eth_hash.auto import keccak

from contracts.artifact import CONTRACT_NAMES, load_artifact, source_path
from contracts.privacy import (
    ceremony,
    ceremony_events,
    ceremony_reads,
    keys,
    opening_events,
    openings,
    query_log,
)
from contracts.privacy.parameters import PRIVACY_PARAMETERS

ROOT = Path(__file__).parents[3]
INTERFACES = ROOT / "contracts" / "interfaces"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (keys, "PrivacyKeys"),
        (ceremony, "KeyCeremony"),
        (query_log, "QueryLog"),
        (openings, "Openings"),
    ],
)
def test_selectors_of_the_binding_are_those_of_the_artifact(module, name):
    methods = {s.split("(")[0]: v for s, v in load_artifact(name).method_identifiers.items()}
    bound = {
        constant.removesuffix("_SELECTOR").lower(): value
        for constant, value in vars(module).items()
        if constant.endswith("_SELECTOR")
    }
    assert bound
    assert {method: methods[method] for method in bound} == bound


@pytest.mark.parametrize(
    ("events", "name"),
    [
        (keys.EVENTS, "PrivacyKeys"),
        (ceremony_events.EVENTS, "KeyCeremony"),
        (query_log.EVENTS, "QueryLog"),
        (opening_events.EVENTS, "Openings"),
    ],
)
def test_event_shapes_of_the_binding_are_those_of_the_artifact(events, name):
    entries = [entry for entry in load_artifact(name).abi if entry["type"] == "event"]
    assert len(entries) == len(events)
    for entry in entries:
        types = [argument["type"] for argument in entry["inputs"]]
        shape = events[keccak(f"{entry['name']}({','.join(types)})".encode())]
        plain = [a["type"] for a in entry["inputs"] if not a["indexed"]]
        assert shape.name == entry["name"]
        assert shape.topics == len(types) - len(plain)
        assert shape.words == len([kind for kind in plain if not kind.endswith(("s", "]"))])
        assert (shape.most_bytes > 0) == ("bytes" in plain)
        assert shape.lists == plain.count("bytes32[]")


def test_storage_slots_of_the_binding_are_those_of_the_artifact():
    assert load_artifact("PrivacyKeys").storage_slots == {
        "_keys": keys.KEYS_SLOT,
        "_owner_of_ring_key": keys.RING_KEY_OWNERS_SLOT,
        "_owner_of_regulator_key": keys.REGULATOR_KEY_OWNERS_SLOT,
        "_regulator": keys.REGULATOR_SLOT,
        "_next_regulator": keys.NEXT_REGULATOR_SLOT,
    }
    assert load_artifact("KeyCeremony").storage_slots == {
        "session_count": ceremony_reads.COUNT_SLOT,
        "_sessions": ceremony_reads.SESSIONS_SLOT,
        "_open": ceremony_reads.OPEN_SLOT,
        "_sharings": ceremony_reads.SHARINGS_SLOT,
        "_posts": ceremony_reads.POSTS_SLOT,
        "_confirmations": ceremony_reads.CONFIRMATIONS_SLOT,
        "_reasons": ceremony_reads.REASONS_SLOT,
        "_reason_counts": ceremony_reads.REASON_COUNTS_SLOT,
        "_published": ceremony_reads.PUBLISHED_SLOT,
    }
    assert load_artifact("QueryLog").storage_slots == {
        "_anchors": query_log.ANCHORS_SLOT,
        "_last": query_log.LAST_SLOT,
        "_access": query_log.ACCESS_SLOT,
    }
    assert load_artifact("Openings").storage_slots == {
        "_cases": openings.CASES_SLOT,
        "_votes": openings.VOTES_SLOT,
        "_partials": openings.PARTIALS_SLOT,
    }


def test_parameters_have_defaults_within_their_bounds_and_stand_in_the_sources():
    texts = "".join(source_path(n).read_text(encoding="utf-8") for n in CONTRACT_NAMES)
    for name, parameter in PRIVACY_PARAMETERS.items():
        assert 0 < parameter.least <= parameter.most
        assert parameter.default == 0 or parameter.least <= parameter.default <= parameter.most
        assert name.encode().hex().ljust(64, "0") in texts


def test_defaults_of_the_contracts_are_those_of_the_table():
    for contract, constant, name in (
        ("KeyCeremony", "DEFAULT_PHASE_SECONDS", "ceremony_phase_seconds"),
        ("KeyCeremony", "DEFAULT_REFRESH_SECONDS", "refresh_seconds"),
        ("Openings", "DEFAULT_CASE_SECONDS", "case_seconds"),
    ):
        text = source_path(contract).read_text(encoding="utf-8")
        (stated,) = re.findall(rf"^{constant}: constant\(uint256\) = ([\d_ *]+)$", text, re.M)
        factors = [int(factor) for factor in stated.split("*")]
        value = factors[0] * (factors[1] if len(factors) > 1 else 1)
        assert value == PRIVACY_PARAMETERS[name].default
