"""A record in a real alliance: disputed, ruled on, taken back, the same at every node."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import httpx
import pytest

from tests.process.support import ROOT, Alliance, until

pytestmark = pytest.mark.process

VALUE = "lifecycle.quokka@scam-post.net"
REGULATOR = "regulator"


class Story:
    """One record of the first member, seen at all nodes."""

    def __init__(self, alliance: Alliance) -> None:
        self.alliance = alliance
        self.names = alliance.names
        self.reporter, self.second, self.third, _ = alliance.validators
        fields = {"kind": "email", "value": VALUE, "evidence_level": "confirmed"}
        fields["object_role"] = "offender_controlled"
        self.id = alliance.report(self.reporter, confidence=80, **fields)["record_id"]

    def write(self, name: str, path: str, body: dict[str, Any], key: str = "") -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        client = self.alliance.client(name, "reporter")
        return client.post(f"/v1/{path}", json=body, headers=headers)

    def taken(self, name: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.write(name, path, body)
        assert answer.status_code == 201, answer.text
        outcome = dict(answer.json())
        assert (outcome["taken"], outcome["rule"]) == (True, None)
        self.everywhere(outcome["height"])
        return outcome

    def refused(self, name: str, path: str, body: dict[str, Any]) -> str:
        answer = self.write(name, path, body)
        assert answer.status_code == 409, answer.text
        return str(answer.json()["errors"][0]["rule"])

    def everywhere(self, height: int) -> None:
        for name in self.names:
            until(lambda name=name: self.alliance.height(name) >= height, f"{name} at {height}")

    def answers(self, **more: Any) -> list[tuple[object, ...]]:
        """What every member answers, without what is its own clock."""
        answers = []
        for name in self.alliance.validators:
            found = self.alliance.screen(name, kind="email", value=VALUE, **more)
            assert found["complete"], found
            reasons = tuple(reason["code"] for reason in found["reasons"])
            answers.append((found["hit"], found["band"], found["score"], reasons))
        return answers

    def histories(self) -> list[object]:
        found = []
        for name in self.names:
            client = self.alliance.client(name, "auditor")
            document = client.get(f"/v1/records/{self.id}/history").raise_for_status().json()
            document["record"].pop("age_ms")
            document["record"].pop("stage")
            found.append(document)
        return found

    def inbox(self, name: str) -> list[dict[str, Any]]:
        """Disputes of this record that a member's inbox has; other tests dispute others."""
        disputes = self.seen(name, "disputes")["disputes"]
        return [entry for entry in disputes if entry["record_id"] == self.id]

    def seen(self, name: str, path: str) -> dict[str, Any]:
        client = self.alliance.client(name, "analyst")
        return dict(client.get(f"/v1/{path}").raise_for_status().json())


def test_a_disputed_record_answers_nobody_until_the_regulator_ruled(shared: Alliance) -> None:
    story = Story(shared)
    hit = (True, "high", 68, ("evidence",))
    until(lambda: story.answers() == [hit] * 4, "a hit everywhere")
    before = shared.height(story.reporter)

    # Contested by a person through another member: restricted everywhere in one block.
    body = {"record_id": story.id, "ground": "reassigned", "for_person": True}
    disputed = story.taken(story.second, "disputes", body)
    assert disputed["state"] == "disputed"
    silent = (False, "none", 0, ("disputed",))
    assert story.answers() == [silent] * 4
    assert story.answers(height=before) == [hit] * 4, "reproducible at a height"

    # The person's code leads to it at that member alone; the inbox is the reporter's.
    code = disputed["reference"]
    shown = story.seen(story.second, f"disputes/{code.lower()}")
    assert (shown["status"], shown["for_person"]) == ("open", True)
    unknown = shared.client(story.third, "analyst").get(f"/v1/disputes/{code}")
    assert unknown.status_code == 404
    inbox = story.inbox(story.reporter)
    assert [entry["id"] for entry in inbox] == [disputed["id"]]
    assert not inbox[0]["for_person"] and not inbox[0]["overdue"]
    assert story.inbox(story.third) == []

    # What the table refuses is refused with its rule before it is sent.
    ruling = f"records/{story.id}/rulings"
    again = {**body, "ground": "victim"}
    assert story.refused(story.second, "disputes", again) == "lifecycle.dispute.open_already"
    assert story.refused(story.reporter, ruling, {"ruling": "rejected"}) == (
        "lifecycle.rule.own_record"
    )
    assert story.refused(story.second, ruling, {"ruling": "upheld"}) == (
        "lifecycle.rule.own_dispute"
    )
    assert story.refused(story.third, f"records/{story.id}/retraction", {}) == (
        "lifecycle.retract.not_the_reporter"
    )

    # The regulator's own account rules; the record stands again.
    story.taken(REGULATOR, ruling, {"ruling": "rejected"})
    assert story.answers() == [hit] * 4
    assert story.seen(story.second, f"disputes/{code}")["status"] == "rejected"
    assert story.refused(story.second, "disputes", body) == "lifecycle.dispute.decided_already"

    # Taken back by its reporter, once, however often the request comes.
    place = f"records/{story.id}/retraction"
    first = story.write(story.reporter, place, {}, key="retract-once")
    second = story.write(story.reporter, place, {}, key="retract-once")
    assert (first.status_code, second.status_code) == (201, 201), second.text
    assert first.json()["id"] == second.json()["id"]
    assert story.refused(story.reporter, place, {}) == "lifecycle.retract.record_retracted"
    story.everywhere(first.json()["height"])
    assert story.answers() == [(False, "none", 0, ("withdrawn",))] * 4

    one, *others = story.histories()
    assert all(other == one for other in others), "one history at every node"
    assert [(step["operation"], step["member"], step["state"]) for step in one["history"]] == [
        ("dispute", story.second, "disputed"),
        ("rule", REGULATOR, "active"),
        ("retract", story.reporter, "retracted"),
    ]
    follow_ups = [
        entry for entry in shared.client(story.second, "auditor").get("/v1/access-log").json()[
            "entries"
        ] if entry["kind"] == "follow-up"
    ]  # fmt: skip
    assert len(follow_ups) >= 4, "what was refused is logged, too"


def test_the_command_line_tells_the_rule_and_the_history(shared: Alliance) -> None:
    record = shared.report(
        shared.validators[0], kind="email", value="cli." + VALUE, evidence_level="confirmed"
    )["record_id"]
    home = str(shared.devnet.home)

    def bulwark(*words: str, node: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "node.cli.main", *words, "--devnet", home, "--node", node],
            cwd=ROOT, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    second = shared.validators[1]
    until(lambda: shared.has_record(second, record), "the record at the second member")
    retract = bulwark("record", "retract", record, node=second)
    assert retract.returncode == 1
    assert "lifecycle.retract.not_the_reporter" in retract.stderr
    opened = bulwark("dispute", "open", record, "--ground", "victim", node=second)
    assert opened.returncode == 0, opened.stderr
    listed = bulwark("dispute", "list", "--whose", "opened", node=second)
    assert "victim" in listed.stdout, listed.stdout
    expired = bulwark("record", "expire", record, node=shared.validators[0])
    assert expired.returncode == 0, expired.stderr
    history = bulwark("record", "history", record, node=shared.validators[0])
    assert "expired" in history.stdout and "dispute" in history.stdout, history.stdout
    asked = bulwark(
        "screen", "--kind", "email", "--value", "cli." + VALUE, "--at-height", "999999",
        node=second,
    )  # fmt: skip
    assert asked.returncode == 1 and "there is no block 999999" in asked.stderr
