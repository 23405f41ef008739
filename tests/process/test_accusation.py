"""An evaluator that signs wrong answers is named at every node, and not the member that asked."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bulwark.ledger.ids import Address
from bulwark.ledger.receipt import Log
from bulwark.ledger.transaction import sign_transaction
from bulwark.privacy.query import answer
from contracts.evidence import (
    EVIDENCE_REGISTRY,
    decode_evidence_filed,
    encode_unverified,
    unverified_gas,
)
from contracts.members import member_id_bytes
from contracts.words import address_of_word
from node.assembly import open_home
from node.devnet.devnet import Devnet
from node.guarded.accusation import KIND, WrongEvaluation
from tests.nets.misevaluator import WRONG_FILE
from tests.process.support import Alliance, rpc, until

pytestmark = pytest.mark.process
COMMAND = (sys.executable, "-m", "tests.nets.misevaluator", "--home")


def wrong_evaluations(alliance: Alliance, name: str) -> list[dict[str, Any]]:
    found = alliance.client(name, "auditor").get("/v1/evidence").raise_for_status().json()
    return [case for case in found["evidence"] if case["kind"] == "wrong-evaluation"]


def filers(alliance: Alliance, name: str) -> set[bytes]:
    """Accounts that filed wrong evaluations."""
    query = {"fromBlock": "0x0", "toBlock": "latest", "address": f"0x{EVIDENCE_REGISTRY.hex()}"}
    found = rpc(alliance.client(name, "operator"), "eth_getLogs", query)["result"]
    logs = [
        Log(
            Address(bytes.fromhex(entry["address"][2:])),
            tuple(bytes.fromhex(topic[2:]) for topic in entry["topics"]),
            bytes.fromhex(entry["data"][2:]),
        )
        for entry in found
    ]
    filed = [decode_evidence_filed(log.address, log.topics, log.data) for log in logs]
    assert all(one is not None and one.kind == KIND for one in filed)
    return {address_of_word(one.reporter) or b"" for one in filed if one is not None}


def _accounts(alliance: Alliance, names: set[str]) -> set[bytes]:
    return {open_home(alliance.node(name).home).account_key.address for name in names}


def _frame(alliance: Alliance, by: str, victim: str, case_id: str) -> None:
    """A member files a case against another one, made of a true one and its own signature."""
    shown = alliance.client(by, "auditor").get(f"/v1/evidence/{case_id}").raise_for_status()
    true = WrongEvaluation.decode(bytes.fromhex(shown.json()["encoded"]))
    index = true.sharing.members.index(member_id_bytes(victim)) + 1
    key, genesis = open_home(alliance.node(by).home).account_key, alliance.genesis
    said = answer(true.asked, replace(true.said.evaluation, index=index), genesis.domain(), key)
    data = dataclasses.replace(true, answer=said.encode()).encode()
    client = alliance.client(by, "operator")
    count = rpc(client, "eth_getTransactionCount", f"0x{key.address.hex()}", "pending")["result"]
    made = sign_transaction(
        key,
        chain_id=genesis.chain_id,
        nonce=int(count, 16),
        to=Address(EVIDENCE_REGISTRY),
        data=encode_unverified(member_id_bytes(victim), KIND, data),
        gas=unverified_gas(data),
    )
    sent = rpc(client, "eth_sendRawTransaction", f"0x{made.raw.hex()}")
    assert "error" not in sent, sent


def test_a_wrong_evaluator_is_named_at_all_nodes_while_questions_are_answered_through_the_others(
    tmp_path: Path,
) -> None:
    alliance = Alliance(Devnet.create(tmp_path / "home", 4, 1, command=COMMAND))
    try:
        for name in alliance.names:
            config = alliance.node(name).home / "node.toml"
            text = config.read_text("utf-8") + "\n[privacy]\naccusation_delay_seconds = 1\n"
            config.write_text(text, "utf-8")
        alliance.start()
        asker, helper, _, cheat = alliance.validators
        alliance.report(helper, kind="domain", value="known.example")
        alliance.until_final(alliance.height(helper))
        (alliance.node(cheat).home / WRONG_FILE).touch()

        def is_named() -> bool:
            value = f"{os.urandom(6).hex()}.example"
            seen = alliance.screen(asker, kind="domain", value=value)
            assert seen["complete"], seen["incomplete_reason"]
            return bool(wrong_evaluations(alliance, asker))

        until(is_named, f"{asker} met {cheat}")
        assert alliance.screen(asker, kind="domain", value="known.example")["hit"]
        for name in alliance.names:
            until(
                lambda name=name: [c for c in wrong_evaluations(alliance, name) if c["holds"]],
                f"{name} names {cheat}",
            )
        filed_by = [
            name
            for name in alliance.names
            if any(case["posted"] for case in wrong_evaluations(alliance, name))
        ]
        assert filed_by and not set(filed_by) & {asker, cheat}
        for name in alliance.names:
            assert {case["culprit"] for case in wrong_evaluations(alliance, name)} == {cheat}
        members = alliance.client(asker, "auditor").get("/v1/members").json()["members"]
        accounts = {bytes.fromhex(m["account"][2:]): m["id"] for m in members}
        named = {accounts[account] for account in filers(alliance, helper)}
        assert named >= set(filed_by) and not named & {asker, cheat}
        log = alliance.log(asker)
        line = next(
            json.loads(row) for row in log.splitlines() if "wrong evaluation refused" in row
        )
        assert line["member"] == cheat
        case = wrong_evaluations(alliance, helper)[0]["id"]
        asked = alliance.client(asker, "admin").post(f"/v1/evidence/{case}/post")
        assert asked.status_code in (202, 409), "posted already, or refused: it would name it"
        assert not filers(alliance, helper) & _accounts(alliance, {asker, cheat})
        _frame(alliance, cheat, helper, case)
        until(
            lambda: all("accusation does not hold" in alliance.log(n) for n in alliance.names),
            "every node looked at the false accusation",
        )
        for name in alliance.names:
            assert {case["culprit"] for case in wrong_evaluations(alliance, name)} == {cheat}
    finally:
        alliance.close()
