"""Every command of docs/interaction.md against a running alliance, as a desk types them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from node.cli.main import main as cli
from tests.process.support import Alliance, until

pytestmark = pytest.mark.process

VALUE = "commands.quokka@scam-post.net"
REPORT = {
    "customer": "customer 1",
    "channel": "email",
    "text": "They wanted a fee for my parcel.",
    "identifiers": [{"kind": "email", "value": VALUE}],
    "fraud_types": ["phishing"],
}


class Shell:
    """Commands at one member's node."""

    def __init__(self, alliance: Alliance) -> None:
        self.node = ("--devnet", str(alliance.devnet.home), "--node", alliance.validators[0])

    def text(self, *words: str, given: str = "", code: int = 0) -> str:
        done = CliRunner().invoke(cli, [*words, *self.node], input=given)
        assert done.exit_code == code, f"{' '.join(words)}: {done.output} {done.exception!r}"
        return done.output

    def json(self, *words: str, given: str = "") -> dict[str, Any]:
        return dict(json.loads(self.text(*words, "--json", given=given)))


def test_the_commands_of_customers_reports_and_feedback(shared: Alliance) -> None:
    shell = Shell(shared)
    taken = [
        shell.json("customer-report", "take", "-", given=json.dumps(REPORT | {"customer": who}))
        for who in ("customer 1", "customer 2", "customer 3", "customer 4")
    ]
    ids = [entry["id"] for entry in taken]
    assert ids[0] in shell.text("customer-report", "list", "--state", "received")
    assert "They wanted a fee" in shell.text("customer-report", "show", ids[0])
    how = ("--fraud-type", "phishing", "--role", "infrastructure", "--confidence", "90")
    assert "triaged" in shell.text("customer-report", "triage", ids[0], "0", *how)
    sent = shell.json("customer-report", "send", ids[0])
    record = sent["identifiers"][0]["record_id"]
    assert sent["state"] == "reported" and sent["identifiers"][0]["customers"] == 4
    assert "declined" in shell.text("customer-report", "decline", ids[1], "too_little")
    assert ids[0] in shell.text("customer-report", "merge", ids[2], ids[0])
    assert "erased" in shell.text("customer-report", "erase", ids[3])
    alert = json.loads(shell.text("customer-report", "export", ids[0]))
    assert alert["observables"][0]["data"] == VALUE
    again = shell.text("customer-report", "send", ids[0], code=1)
    assert "customer_report.ended" in again

    given = shell.json("feedback", "give", "agreed", record, "--band", "high", "--case-ref", "c 1")
    assert given["follow_up"] == "none"
    summary = shell.text("feedback", "summary")
    assert "precision" in summary and "email" in summary
    wrong = ("feedback", "give", "disagreed", record, "--dispute", "wrong_data")
    assert "disputed" in shell.text(*wrong)
    assert "lifecycle.dispute.open_already" in shell.text(*wrong, code=1)
    shown = shell.json("dispute", "list", "--whose", "opened")["disputes"]
    assert record in [entry["record_id"] for entry in shown]


def test_the_commands_of_cooling_offs_and_protections(shared: Alliance) -> None:
    shell = Shell(shared)
    value = "hold.quokka@scam-post.net"
    shared.report(shared.validators[1], kind="email", value=value, confidence=90,
                  object_role="offender_controlled", evidence_level="confirmed")  # fmt: skip
    until(lambda: shared.screen(shared.validators[0], kind="email", value=value)["hit"], "a hit")
    about = ("--kind", "email", "--value", "-", "--customer", "c 1", "--payment", "p 1")
    held = shell.json("cooling-off", "hold", *about, "--seconds", "900", given=f"{value}\n")
    assert held["state"] == "held"
    assert held["id"] in shell.text("cooling-off", "list", "--state", "held")
    assert held["token"] in shell.text("cooling-off", "show", held["id"])
    key = shell.json("cooling-off", "key")
    options = ("--key", key["public_key"], "--member", key["member"], "--customer", "c 1")
    check = ["cooling-off", "check", held["token"], *options, "--opening", held["opening"]]
    runner = CliRunner()
    good = runner.invoke(cli, [*check, "--payment", "p 1", "--use", "hold"])
    assert good.exit_code == 0 and held["id"] in good.output
    for more, code in (
        (("--payment", "p 2", "--use", "hold"), "payment"),
        (("--payment", "p 1"), "use"),
    ):
        bad = runner.invoke(cli, [*check, *more])
        assert bad.exit_code == 1 and bad.output.startswith(f"REFUSED  {code}")
    assert (
        runner.invoke(cli, [*check[:3], "--key", "zz", *check[5:], "--payment", "p"]).exit_code == 2
    )
    assert shell.json("cooling-off", "extend", held["id"], "60")["extensions"] == 1
    assert "cooling_off.early" in shell.text("cooling-off", "confirm", held["id"], code=1)
    assert "cancelled" in shell.text("cooling-off", "cancel", held["id"])

    shield = ("--role", "impersonated", "--person", "c 9", "--basis", "legitimate_interests")
    made = shell.json(
        "protect", "add", "--kind", "email", "--value", "help@genuine-quokka.org", *shield
    )
    assert made["id"] in shell.text("protect", "list")
    assert "help@genuine-quokka.org" in shell.text("protect", "show", made["id"])
    assert shell.json("protect", "renew", made["id"], "--days", "500")["renewals"] == 1
    assert "withdrawn" in shell.text("protect", "withdraw", made["id"], "--erase")


@pytest.mark.parametrize("content", ["", "[]", "{", "x" * 300_000])
def test_a_file_that_is_no_report_is_refused_before_a_node_is_asked(
    shared: Alliance, content: str
) -> None:
    done = CliRunner().invoke(
        cli, ["customer-report", "take", "-", *Shell(shared).node], input=content
    )
    assert done.exit_code == 2 and "wants one JSON object" in done.output
