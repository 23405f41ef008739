"""The committed artifacts are what the sources build, and the constants of the bindings fit."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from eth_hash.auto import keccak

from contracts import consents, governance, governance_events, members, records
from contracts.artifact import (
    ARTIFACT_FOLDER,
    CONTRACT_NAMES,
    artifact_path,
    load_artifact,
    source_path,
)
from contracts.bindings import DamagedArtifact, UnknownContract
from contracts.build import build, main
from contracts.member_events import EVENT_NAMES

INTERFACES = Path(__file__).parents[2] / "contracts" / "interfaces"


@pytest.mark.parametrize("name", CONTRACT_NAMES)
def test_committed_artifact_is_byte_for_byte_what_the_source_builds(name):
    assert artifact_path(name).read_text(encoding="utf-8") == build(name)


def test_build_does_not_depend_on_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert build("RecordRegistry") == artifact_path("RecordRegistry").read_text(encoding="utf-8")


def test_check_accepts_the_committed_artifacts():
    assert main(["--check"]) == 0


def test_check_names_an_artifact_that_is_not_what_the_source_builds(tmp_path, monkeypatch, capsys):
    for name in CONTRACT_NAMES:
        (tmp_path / f"{name}.json").write_text(artifact_path(name).read_text(encoding="utf-8"))
    monkeypatch.setattr("contracts.artifact.ARTIFACT_FOLDER", tmp_path)
    (tmp_path / "RecordRegistry.json").write_text("{}")
    assert main(["--check"]) == 1
    assert "RecordRegistry" in capsys.readouterr().err
    assert main(["--write"]) == 0
    assert main(["--check"]) == 0


@pytest.mark.parametrize("name", CONTRACT_NAMES)
def test_artifact_names_its_source_compiler_and_evm(name):
    artifact = load_artifact(name)
    assert artifact.name == name
    assert artifact.source_sha256 == hashlib.sha256(source_path(name).read_bytes()).hexdigest()
    assert (artifact.compiler, artifact.evm_version) == ("vyper 0.4.3", "prague")
    assert artifact.runtime_bytecode in artifact.bytecode
    assert len(artifact.runtime_bytecode) <= 24_576


def test_no_artifact_without_a_source():
    assert {path.stem for path in ARTIFACT_FOLDER.iterdir()} == set(CONTRACT_NAMES)


@pytest.mark.parametrize("name", CONTRACT_NAMES)
def test_method_identifiers_are_the_hashes_of_their_signatures(name):
    for signature, selector in load_artifact(name).method_identifiers.items():
        assert selector == keccak(signature.encode())[:4]


def test_unknown_contract_is_refused_by_name():
    with pytest.raises(UnknownContract, match="MemberRegistry"):
        load_artifact("../../etc/passwd")


@pytest.mark.parametrize(
    ("text", "problem"),
    [("{}", "is missing"), ("[]", "malformed"), ("no json", "malformed"), (None, "not readable")],
)
def test_damaged_artifact_is_reported_with_its_name(tmp_path, monkeypatch, text, problem):
    monkeypatch.setattr("contracts.artifact.ARTIFACT_FOLDER", tmp_path)
    if text is not None:
        (tmp_path / "RecordRegistry.json").write_text(text)
    load_artifact.cache_clear()
    try:
        with pytest.raises(DamagedArtifact, match=f"RecordRegistry: .*{problem}"):
            load_artifact("RecordRegistry")
    finally:
        load_artifact.cache_clear()


def _selectors(module):
    return {
        constant.removesuffix("_SELECTOR").lower(): value
        for constant, value in vars(module).items()
        if constant.endswith("_SELECTOR")
    }


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (members, "MemberRegistry"),
        (records, "RecordRegistry"),
        (consents, "ConsentRegistry"),
        (governance, "Governance"),
    ],
)
def test_selectors_of_the_binding_are_those_of_the_artifact(module, name):
    methods = {s.split("(")[0]: v for s, v in load_artifact(name).method_identifiers.items()}
    bound = _selectors(module)
    assert bound
    assert {method: methods[method] for method in bound} == bound


@pytest.mark.parametrize(
    ("name", "event", "topic"),
    [
        ("RecordRegistry", "RecordsAnchored", records.RECORDS_ANCHORED_TOPIC),
        ("ConsentRegistry", "ConsentAnchored", consents.CONSENT_ANCHORED_TOPIC),
        *(("MemberRegistry", e, t) for t, e in EVENT_NAMES.items()),
        *(("Governance", e, t) for t, e in governance_events.EVENT_NAMES.items()),
    ],
)
def test_event_topics_of_the_binding_are_those_of_the_artifact(name, event, topic):
    (entry,) = [e for e in load_artifact(name).abi if e["type"] == "event" and e["name"] == event]
    types = ",".join(argument["type"] for argument in entry["inputs"])
    assert topic == keccak(f"{event}({types})".encode())


def test_storage_slots_of_the_binding_are_those_of_the_artifact():
    assert load_artifact("MemberRegistry").storage_slots["_roles"] == members.ROLES_SLOT
    assert load_artifact("RecordRegistry").storage_slots == {"_anchors": 0}
    registry = load_artifact("MemberRegistry").storage_slots
    assert registry["_entries"] == members.ENTRIES_SLOT
    assert registry["_ids"] == members.IDS_SLOT
    assert registry["_validators"] == members.VALIDATORS_SLOT
    voting = load_artifact("Governance").storage_slots
    assert voting["proposal_count"] == governance.COUNT_SLOT
    assert voting["_proposals"] == governance.PROPOSALS_SLOT
    assert voting["_approvals"] == governance.APPROVALS_SLOT
    assert voting["_parameters"] == governance.PARAMETERS_SLOT


def _solidity_signatures(text):
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)
    structs = {}
    for name, body in re.findall(r"struct (\w+) \{(.*?)\}", text, flags=re.S):
        structs[name] = "(" + ",".join(line.split()[0] for line in body.split(";")[:-1]) + ")"

    def types(arguments):
        first = [argument.split()[0] for argument in arguments.split(",") if argument.strip()]
        return ",".join(structs.get(kind, kind) for kind in first)

    found = re.findall(r"(function|event) (\w+)\((.*?)\)([^;]*);", text, flags=re.S)
    return {
        (kind, f"{name}({types(arguments)})"): (
            re.findall(r"\b(view|pure|payable)\b", tail) or ["nonpayable"],
            types((re.findall(r"returns \((.*)\)", tail) or [""])[0]),
            [" indexed " in f" {a} " for a in arguments.split(",")] if kind == "event" else [],
        )
        for kind, name, arguments, tail in found
    }


def _abi_type(argument):
    if argument["type"] == "tuple":
        return "(" + ",".join(c["type"] for c in argument["components"]) + ")"
    return argument["type"]


def _abi_signatures(abi):
    found = {}
    for e in abi:
        if e["type"] not in ("function", "event"):
            continue
        signature = f"{e['name']}({','.join(map(_abi_type, e['inputs']))})"
        found[(e["type"], signature)] = (
            [e.get("stateMutability", "nonpayable")],
            ",".join(map(_abi_type, e.get("outputs", []))),
            [a["indexed"] for a in e["inputs"]] if e["type"] == "event" else [],
        )
    return found


@pytest.mark.parametrize("name", CONTRACT_NAMES)
def test_solidity_interface_states_the_same_functions_and_events(name):
    text = (INTERFACES / f"I{name}.sol").read_text(encoding="utf-8")
    assert _solidity_signatures(text) == _abi_signatures(load_artifact(name).abi)


@pytest.mark.parametrize("module", ["contracts.bindings", "contracts.privacy.bindings"])
def test_bindings_import_neither_web3_nor_an_evm_nor_a_compiler(module):
    code = f"import sys, {module}; print(*{{m.split('.')[0] for m in sys.modules}})"
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert not {"web3", "eth", "vyper", "rlp"} & set(done.stdout.split())
