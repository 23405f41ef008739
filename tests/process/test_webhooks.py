"""A receiver that fails in every way gets every event once; forgeries and replays are noticed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import jsonschema
import pytest

from bulwark.client.webhooks import signature
from tests.process.hooks import HASTY, PATIENT, SCHEMA, Receiver, Scene, indicator
from tests.process.support import Alliance, until

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("webhooks")
    alliance = Alliance.create(folder / "alliance", 4, 0)
    try:
        for name, text in zip(alliance.validators[1:3], (PATIENT, HASTY), strict=True):
            with (alliance.node(name).home / "node.toml").open("a") as settings:
                settings.write(text)
        alliance.start()
        yield Scene(alliance, folder, alliance.validators[1])
    finally:
        alliance.close()


@pytest.fixture
def receiver(scene: Scene, request: pytest.FixtureRequest) -> Iterator[Receiver]:
    made = Receiver(scene.folder, request.node.name)
    yield made
    made.kill()


def test_a_receiver_that_fails_in_every_way_gets_every_event_once_and_in_order(
    scene: Scene, receiver: Receiver
) -> None:
    values = [f"once{number}" for number in range(6)]
    webhook = scene.subscribe(receiver, "--type", "retro_hit")
    scene.ask(*values)
    receiver.start()
    first = scene.report(values[0])
    until(receiver.events, "the first hit arrives")
    (hit,) = receiver.events()
    jsonschema.validate(hit, SCHEMA)
    assert hit["type"] == "retro_hit" and hit["member"] == scene.desk
    assert [q["case_ref"] for q in hit["data"]["questions"]] == ["CASE-once0"]
    assert hit["data"]["questions"][0]["band"] == "none" != hit["data"]["band"]
    assert hit["data"]["records"] == [{"record_id": first, "reporter": scene.reporter}]
    assert "scam-post" not in json.dumps(hit)

    receiver.mode("500")
    scene.report(values[1])
    until(lambda: receiver.raw("500"), "it was refused")
    receiver.mode("hang")
    scene.report(values[2])
    until(lambda: receiver.raw("hang"), "it hangs")
    receiver.kill()
    scene.report(values[3])
    scene.alliance.devnet.kill(scene.desk)
    scene.report(values[4])
    scene.alliance.devnet.start_node(scene.desk)
    receiver.mode("lost")
    receiver.start()
    until(lambda: receiver.raw("lost"), "what is done and not answered")
    receiver.mode("ok")
    scene.report(values[5])

    def all_settled() -> bool:
        return not scene.webhook(webhook)["waiting"] and len(scene.numbers()) == len(values)

    until(all_settled, "the subscription is at the end of the log")
    done = [event["number"] for event in receiver.events()]
    assert done == scene.numbers(), "every event, each once, in order"
    cases = [q["case_ref"] for e in receiver.events() for q in e["data"]["questions"]]
    assert cases == [f"CASE-{value}" for value in values]
    assert not scene.webhook(webhook)["dead"]


def test_forged_stale_and_replayed_deliveries_are_recognised(
    scene: Scene, receiver: Receiver
) -> None:
    webhook = scene.subscribe(receiver, "--after", "0")
    scene.ask("forged")
    receiver.start()
    scene.report("forged")
    until(lambda: not scene.webhook(webhook)["waiting"], "delivered")
    before = receiver.events()
    headers, body = receiver.raw("ok")[-1]
    assert before and json.loads(body)["id"] == before[-1]["id"]

    def post(given: Mapping[str, str], content: bytes) -> int:
        return httpx.post(receiver.url, content=content, headers=dict(given)).status_code

    assert post(headers, body) == 200, "a replay is acknowledged and does nothing"
    assert post(headers, body.replace(b'"retro_hit"', b'"retro_hot"')) == 401
    moved = {**headers, "bulwark-delivery": f"{json.loads(body)['id'][:16]}-999"}
    assert post(moved, body) == 401, "under another id"
    own = signature(["whsec_of_somebody_else"], headers["bulwark-delivery"], int(time.time()), body)
    assert post({**headers, "bulwark-signature": own}, body) == 401
    assert post({**headers, "bulwark-signature": "t=now,v1=00"}, body) == 400
    assert receiver.events() == before

    paths = {name: scene.folder / name for name in ("body", "headers", "seen")}
    paths["body"].write_bytes(body)
    paths["headers"].write_text("\n".join(f"{n}: {v}" for n, v in headers.items()))
    paths["seen"].write_text(f"{headers['bulwark-delivery']}\n")
    check = ["webhook", "verify", str(paths["body"]), "--headers", str(paths["headers"])]
    check += ["--secret-file", str(receiver.secret)]
    assert scene.command(*check).startswith("VALID\n")
    later = str(int(time.time()) + 3_600)
    assert "STALE" in scene.command(*check, "--at", later, code=1)
    assert "REPLAYED" in scene.command(*check, "--seen", str(paths["seen"]), code=1)
    paths["body"].write_bytes(body + b" ")
    assert "FORGED" in scene.command(*check, code=1)


def test_a_dead_endpoint_is_paused_with_an_alarm_and_its_dead_letters_are_replayed(
    scene: Scene, receiver: Receiver
) -> None:
    scene = scene.elsewhere()
    receiver.mode("500")
    webhook = scene.subscribe(receiver)
    receiver.start()
    values = [f"dead{number}" for number in range(4)]
    scene.ask(*values)
    for value in values:
        scene.report(value)
    until(lambda: scene.webhook(webhook)["state"] == "failed", "three dead letters in a row")
    shown = scene.webhook(webhook)
    assert shown["dead"] == 3 and shown["waiting"] == 1 and "dead letters" in shown["reason"]
    metrics = scene.get("/metrics", "operator").text
    assert f'bulwark_webhook_failed{{webhook="{webhook}"}} 1.0' in metrics
    assert f'bulwark_webhook_dead_letters{{webhook="{webhook}"}} 3.0' in metrics
    assert "webhook paused" in scene.alliance.log(scene.desk)
    assert receiver.events() == []

    scene.alliance.devnet.kill(scene.desk)
    scene.alliance.devnet.start_node(scene.desk)
    assert scene.webhook(webhook)["state"] == "failed", "also after a restart"
    receiver.mode("ok")
    assert "200" in scene.command("webhook", "test", webhook)
    scene.command("webhook", "resume", webhook)
    assert "3 events" in scene.command("webhook", "replay", webhook, "--dead")
    until(lambda: not scene.webhook(webhook)["dead"], "nothing is dead any more")
    until(lambda: not scene.webhook(webhook)["waiting"], "nothing waits")
    told = [e for e in receiver.events() if e["type"] != "test"]
    cases = [q["case_ref"] for event in told for q in event["data"]["questions"]]
    assert sorted(cases) == [f"CASE-{value}" for value in values]
    tries = scene.get(f"/v1/webhooks/{webhook}/deliveries", "operator").json()["deliveries"]
    assert {500, 200} <= {each["status"] for each in tries}
    assert all(each["latency_ms"] < 1_000 for each in tries)


def test_a_changed_secret_signs_beside_the_old_one_for_the_overlap(
    scene: Scene, receiver: Receiver
) -> None:
    webhook = scene.subscribe(receiver)
    receiver.start()
    fresh = scene.folder / "fresh.secret"
    scene.command("webhook", "rotate-secret", webhook, "--secret-file", str(fresh))
    assert fresh.stat().st_mode & 0o777 == 0o600
    scene.ask("rotated")
    scene.report("rotated")
    until(receiver.events, "taken by a receiver that knows the old secret alone")
    headers, _ = receiver.raw("ok")[-1]
    assert headers["bulwark-signature"].count("v1=") == 2
    receiver.kill()
    receiver.secret.write_bytes(fresh.read_bytes())
    receiver.start()
    scene.ask("rotated2")
    scene.report("rotated2")
    until(lambda: len(receiver.events()) == 2, "taken by one that knows the new one")


def test_a_stream_goes_on_behind_the_last_event_without_a_gap_or_a_double(scene: Scene) -> None:
    scene.ask("stream1", "stream2")
    scene.report("stream1")
    until(lambda: len(scene.numbers()) >= 1, "an event")
    numbers = scene.numbers()
    client = scene.alliance.client(scene.desk, "analyst")
    headers = {"accept": "text/event-stream"}
    with client.stream("GET", "/v1/events", headers=headers) as stream:
        first = _events(stream, len(numbers))
    assert [event["number"] for event in first] == numbers
    half = first[len(first) // 2]
    with client.stream(
        "GET", "/v1/events", headers={**headers, "last-event-id": half["id"]}
    ) as stream:
        rest = _events(stream, len(numbers) - half["number"])
        scene.report("stream2")
        (new,) = _events(stream, 1)
    assert [event["number"] for event in rest] == numbers[numbers.index(half["number"]) + 1 :]
    assert new["number"] == numbers[-1] + 1 and new["type"] == "retro_hit"


_LINES: dict[int, Iterator[str]] = {}


def _events(stream: httpx.Response, count: int) -> list[dict[str, Any]]:
    """The next events of a stream."""
    lines = _LINES.setdefault(id(stream), stream.iter_lines())
    found: list[dict[str, Any]] = []
    while len(found) < count:
        line = next(lines)
        if line.startswith("data: "):
            found.append(json.loads(line.removeprefix("data: ")))
    return found


def test_disputes_recalls_and_proposals_are_told_to_those_whom_they_concern(
    scene: Scene, receiver: Receiver
) -> None:
    webhook = scene.subscribe(receiver)
    receiver.start()
    record_id = scene.report("contested")
    assert scene.alliance.screen(scene.desk, case_ref="CASE-9", **indicator("contested"))["hit"]
    reporters = scene.alliance.client(scene.reporter, "reporter")
    third = scene.alliance.client(scene.alliance.validators[2], "reporter")
    opened = third.post(
        "/v1/disputes", json={"record_id": record_id, "ground": "victim", "for_person": True}
    )
    assert opened.status_code in (201, 202), opened.text

    def ruled() -> bool:  # the reporter's node may be a block behind the one that disputed
        where = f"/v1/records/{record_id}/rulings"
        return reporters.post(where, json={"ruling": "upheld"}).status_code in (201, 202)

    until(ruled, "the ruling is taken")
    proposed = scene.alliance.client(scene.reporter, "admin").post(
        "/v1/governance/proposals",
        json={"action": {"kind": "set_parameter", "name": "quota_small", "value": 50_000}},
    )
    assert proposed.status_code in (201, 202), proposed.text
    wanted = {"dispute_opened", "dispute_ruled", "recall", "proposal_opened"}
    until(lambda: wanted <= {e["type"] for e in receiver.events()}, f"{wanted} arrive")
    told = {event["type"]: event for event in receiver.events()}
    for event in told.values():
        jsonschema.validate(event, SCHEMA)
    for kind in ("dispute_opened", "dispute_ruled", "recall"):
        data = told[kind]["data"]
        assert data["record_id"] == record_id
        assert [q["case_ref"] for q in data["questions"]] == ["CASE-9"]
    assert told["dispute_opened"]["data"]["concerns"] == ["asker"]
    assert told["dispute_ruled"]["data"]["ruling"] == "upheld"
    assert not scene.webhook(webhook)["dead"]
