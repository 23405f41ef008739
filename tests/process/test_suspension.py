"""A node proposes to suspend a member that signs wrong answers, and people suspend it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from node.devnet.devnet import Devnet
from tests.nets.misevaluator import WRONG_FILE
from tests.process.support import Alliance, until
from tests.process.test_governance import govern, governed, until_known

pytestmark = pytest.mark.process
COMMAND = (sys.executable, "-m", "tests.nets.misevaluator", "--home")


def roles(alliance: Alliance, name: str, of: str) -> list[str]:
    """Roles of a member as a node's ledger has them."""
    members = governed(alliance, name, "members")["members"]
    return next(list(m["roles"]) for m in members if m["id"] == of)


def suspensions(alliance: Alliance, name: str) -> list[dict[str, Any]]:
    found = governed(alliance, name, "proposals")["proposals"]
    return [p for p in found if p["action"]["kind"] == "suspend_member"]


def test_a_wrong_evaluator_is_suspended_by_vote_and_the_alliance_goes_on(tmp_path: Path) -> None:
    alliance = Alliance(Devnet.create(tmp_path / "home", 4, 1, command=COMMAND))
    try:
        for name in alliance.names:
            config = alliance.node(name).home / "node.toml"
            text = config.read_text("utf-8") + "\n[privacy]\naccusation_delay_seconds = 1\n"
            config.write_text(text, "utf-8")
        alliance.start()
        asker, helper, third, cheat = alliance.validators
        observer = next(name for name in alliance.names if name not in alliance.validators)
        alliance.report(helper, kind="domain", value="known.example")
        (alliance.node(cheat).home / WRONG_FILE).touch()

        def is_proposed() -> list[dict[str, Any]]:
            alliance.screen(asker, kind="domain", value=f"{os.urandom(6).hex()}.example")
            return suspensions(alliance, asker)

        (made, *_) = until(is_proposed, f"a node proposed to suspend {cheat}", 120)
        assert made["action"]["id"] == cheat
        assert made["proposer"] != cheat
        assert made["approvals"] == [made["proposer"]], "nobody approves by itself"
        evidence = alliance.client(asker, "auditor").get("/v1/evidence").json()["evidence"]
        cases = {case["ledger_case"] for case in evidence if case["culprit"] == cheat}
        assert made["action"]["evidence"] in cases
        assert set(roles(alliance, observer, cheat)) >= {"validator", "reporter"}

        dry = json.loads(
            govern(
                alliance,
                helper,
                *("propose", "suspend", cheat, made["action"]["evidence"]),
                *("--dry-run", "--json"),
            )
        )
        assert dry["allowed"] and (dry["before"]["validators"], dry["after"]["validators"]) == (
            4,
            3,
        )
        number = str(made["id"])
        for name in (asker, helper, third):
            until_known(alliance, name, made["id"])
            state = governed(alliance, name, f"proposals/{number}")["state"]
            if name != made["proposer"] and state == "open":
                govern(alliance, name, "approve", number)
        for name in alliance.names:
            until(
                lambda name=name: "validator" not in roles(alliance, name, cheat),
                f"{name} has {cheat} suspended",
            )
        assert "reporter" not in roles(alliance, observer, cheat)
        assert "no vote" in govern(
            alliance, cheat, *("propose", "set-parameter", "rotation", "32"), fails=1
        )
        # The alliance goes on without it, and it follows as an observer does.
        reported = alliance.report(asker, kind="domain", value="after.example", wait="finalized")
        assert reported["stage"] == "finalized"
        alliance.until_final(alliance.height(asker))
        for name in (helper, observer):
            until(
                lambda name=name: alliance.screen(name, kind="domain", value="after.example")[
                    "hit"
                ],
                f"{name} answers",
            )
        # People give the roles back; the same case suspends nobody twice, and no node tries to.
        (alliance.node(cheat).home / WRONG_FILE).unlink()
        back = json.loads(govern(alliance, asker, "propose", "reinstate", cheat, "--json"))
        until_known(alliance, helper, back["proposal"]["id"])
        govern(alliance, helper, "approve", str(back["proposal"]["id"]))
        until(
            lambda: "validator" in roles(alliance, observer, cheat), f"{cheat} has its roles again"
        )
        refused = govern(
            alliance, asker, *("propose", "suspend", cheat, made["action"]["evidence"]), fails=1
        )
        assert "already" in refused
    finally:
        alliance.close()
