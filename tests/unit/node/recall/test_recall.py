"""Own hits are found again when their record falls, and this member's systems are told once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bulwark.indicators.model import ScreeningRequest
from bulwark.ledger.ids import Digest, Height, MemberId, RecordId, TimestampMs
from node.config import ConfigError
from node.erasure.triggers import Cause, Trigger
from node.guarded.atrest import AtRest
from node.push.courier import Courier
from node.push.settings import PushConfig, RetroConfig
from node.push.wiring import CoreHome, PushCore
from node.recall.desk import RecallDesk
from node.recall.hits import HitLog
from node.recall.port import Delivery, Recall
from node.recall.queue import RecallQueue
from node.recall.webhook import CONFIGURED, read_secret, recall_lane
from node.sections import RecallConfig
from node.service import Caller, RecordView, Role, ScreeningAnswer, Stage
from node.storage.durability import Durability
from node.storage.memory import MemoryStore

FIRST, SECOND = RecordId(b"\x11" * 32), RecordId(b"\x22" * 32)
CONSENT = b"\x33" * 32
SECRET = b"a secret that two sides share"
KEY = b"\x07" * 32
ASKER = Caller("desk-key-4711", Role.ANALYST)


def question(case_ref: str) -> ScreeningRequest:
    return ScreeningRequest.from_mapping(
        {
            "kind": "email",
            "value": "somebody@scam-post.net",
            "purpose": "fraud_prevention",
            "lawful_basis": "legitimate_interests",
            "case_ref": case_ref,
        }
    )


def answer(*records: RecordId, consent: bytes | None = None) -> ScreeningAnswer:
    fields = {"consent_anchor": None if consent is None else consent.hex()}
    views = tuple(
        RecordView(record, MemberId("alpha"), Height(1), TimestampMs(1), fields, Stage.FINALIZED)
        for record in records
    )
    return ScreeningAnswer(bool(records), "high", 80, (), views, Height(1), 0, True)


@dataclass
class Receiver:
    """A real HTTP receiver that answers with a status of its own choosing."""

    status: int = 204
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    async def start(self) -> Receiver:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in head[1:]) if n}
        body = await reader.readexactly(int(headers["content-length"]))
        self.got.append((headers, body))
        writer.write(f"HTTP/1.1 {self.status} X\r\ncontent-length: 0\r\n\r\n".encode())
        writer.write_eof()
        writer.close()


class Desk:
    """A member's recall over one store, with the webhook that its node's file sets."""

    def __init__(
        self, store: MemoryStore | None = None, home: Path | None = None, port: int | None = None
    ) -> None:
        self.store = MemoryStore() if store is None else store
        self.now_ms = 1_800_000_000_000
        durability = Durability(self.store)
        at_rest = AtRest(KEY, b"own-hits", os.urandom)
        self.hits = HitLog(self.store, at_rest, KEY, durability, lambda: self.now_ms, 1_000)
        self.queue = RecallQueue(self.store, AtRest(KEY, b"recalls", os.urandom), KEY)
        where = Path() if home is None else home
        core_home = CoreHome(where, MemberId("alpha"), KEY, KEY, PushConfig(), RetroConfig())
        self.core = PushCore(core_home, self.store, durability, lambda: self.now_ms)
        self.desk = RecallDesk(
            hits=self.hits,
            queue=self.queue,
            events=self.core.events,
            has_webhook=port is not None,
            durability=durability,
            wall_ms=lambda: self.now_ms,
            keep_ms=10**9,
        )
        self.courier = Courier()
        if home is not None and port is not None:
            config = webhook_config(port, home)
            lane = recall_lane(config, home, self.core, self.desk.told)
            assert lane is not None
            self.desk.resume(lane.progress.cursor, lambda e: self.core.book.is_dead(CONFIGURED, e))
            self.courier.open(lane)

    async def asked(self, case_ref: str, *records: RecordId, consent: bytes | None = None) -> int:
        given = [answer(*records, consent=consent)]
        return await self.hits.note(ASKER, [question(case_ref)], given)

    async def falls(self, *subjects: RecordId, cause: Cause = Cause.ERASED) -> int:
        triggers = [
            Trigger(RecordId(bytes(32)), s, cause, Digest(bytes(32)), Height(9), self.now_ms)
            for s in subjects
        ]
        return await self.desk.recall(triggers)


def webhook_config(port: int, home: Path) -> RecallConfig:
    secret = home / "secret"
    secret.write_bytes(SECRET + b"\n")
    secret.chmod(0o600)
    return RecallConfig(
        webhook_url=f"http://127.0.0.1:{port}/recalls",
        webhook_secret_file=Path("secret"),
        webhook_tries=3,
    )


async def until(condition: object, times: int = 2_000) -> None:
    for _ in range(times):
        if condition():  # type: ignore[operator]
            return
        await asyncio.sleep(0.005)
    raise AssertionError("not in time")


async def test_a_record_that_falls_names_the_own_questions_that_it_answered() -> None:
    it = Desk()
    assert await it.asked("CASE-1", FIRST, SECOND) == 1
    it.now_ms += 5
    assert await it.asked("CASE-2", FIRST) == 1
    assert await it.asked("CASE-3") == 0, "an answer without a record is no hit"
    assert await it.falls(FIRST) == 1
    (recall,) = it.desk.recalls(0, 10)
    assert (recall.number, recall.record_id, recall.cause) == (1, FIRST, "erased")
    assert [(q.number, q.case_ref, q.who) for q in recall.questions] == [
        (1, "CASE-1", ASKER.key_id),
        (2, "CASE-2", ASKER.key_id),
    ]
    assert recall.questions[1].time_ms == recall.questions[0].time_ms + 5


async def test_a_record_that_nobody_here_asked_about_is_no_recall() -> None:
    it = Desk()
    await it.asked("CASE-1", FIRST)
    assert await it.falls(SECOND) == 0
    assert it.desk.recalls(0, 10) == []


async def test_a_record_is_recalled_once_for_each_cause_also_after_a_restart() -> None:
    it = Desk()
    await it.asked("CASE-1", FIRST)
    assert await it.falls(FIRST, cause=Cause.RETRACTED) == 1
    again = Desk(it.store)
    assert await again.falls(FIRST, cause=Cause.RETRACTED) == 0
    assert await again.falls(FIRST, cause=Cause.ERASED) == 1
    assert [r.number for r in again.desk.recalls(0, 10)] == [1, 2]
    assert [r.number for r in again.desk.recalls(1, 10)] == [2]


async def test_the_disk_shows_neither_record_nor_case_nor_key() -> None:
    it = Desk()
    await it.asked("CASE-ZEPPELIN", FIRST, consent=CONSENT)
    await it.falls(FIRST)
    stored = b"".join(key + value for key, value in it.store.iterate(b""))
    for secret in (FIRST, CONSENT, b"CASE-ZEPPELIN", ASKER.key_id.encode(), FIRST.hex().encode()):
        assert secret not in stored


async def test_records_on_a_consent_are_found_by_the_consent() -> None:
    it = Desk()
    await it.asked("CASE-1", FIRST, consent=CONSENT)
    await it.asked("CASE-2", SECOND)
    assert it.hits.records_on(CONSENT, 0, 10) == ([FIRST], None)
    assert it.hits.records_on(CONSENT, 0, 1) == ([FIRST], 1)
    assert it.hits.records_on(CONSENT, 1, 1) == ([], None)
    assert it.hits.records_on(b"\x44" * 32, 0, 10) == ([], None)


async def test_hits_are_dropped_by_age_and_by_number_with_their_names() -> None:
    it = Desk()
    for number in range(5):
        await it.asked(f"CASE-{number}", FIRST)
        it.now_ms += 1_000
    assert it.hits.prune(before_ms=1_800_000_002_000) == 2
    assert [q.case_ref for q in it.hits.questions(FIRST, 10)] == ["CASE-2", "CASE-3", "CASE-4"]
    few = HitLog(
        it.store, AtRest(KEY, b"own-hits", os.urandom), KEY, Durability(it.store), lambda: 0, 1
    )
    assert few.prune(0) == 2
    assert [q.case_ref for q in few.questions(FIRST, 10)] == ["CASE-4"]
    assert sum(1 for _ in it.store.iterate(b"y")) == 2, "one entry and its one name"


async def test_only_the_newest_questions_are_named() -> None:
    it = Desk()
    for number in range(120):
        await it.asked(f"CASE-{number}", FIRST)
    await it.falls(FIRST)
    (recall,) = it.desk.recalls(0, 1)
    assert [q.case_ref for q in recall.questions] == [f"CASE-{n}" for n in range(20, 120)]


async def test_the_webhook_gets_a_signed_recall_once(tmp_path: Path) -> None:
    receiver = await Receiver().start()
    it = Desk(home=tmp_path, port=receiver.port)
    await it.asked("CASE-1", FIRST)
    await it.falls(FIRST)
    task = asyncio.create_task(it.courier.run())
    await until(lambda: it.desk.recalls(0, 1)[0].delivery is Delivery.DELIVERED)
    await asyncio.sleep(0)
    task.cancel()
    await receiver.stop()
    ((headers, body),) = receiver.got
    stamp, mac = (part.split("=")[1] for part in headers["bulwark-signature"].split(","))
    expected = hmac.new(SECRET, f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert mac == expected and int(stamp) == it.now_ms // 1000
    assert json.loads(body) == {
        "id": 1,
        "record_id": FIRST.hex(),
        "reason": "erased",
        "time_ms": it.now_ms,
        "height": 9,
        "questions": [
            {"id": 1, "time_ms": it.now_ms, "asked_by": ASKER.key_id, "case_ref": "CASE-1"}
        ],
    }


async def waits_again(it: Desk, tries: int) -> None:
    """Until a try failed, then the clock goes on to the next one."""
    await until(lambda: it.desk.recalls(0, 1)[0].tries >= tries)
    it.now_ms += 3_600_000


async def test_a_receiver_that_is_down_gets_the_recall_when_it_is_back_once(
    tmp_path: Path,
) -> None:
    receiver = await Receiver().start()
    await receiver.stop()
    it = Desk(home=tmp_path, port=receiver.port)
    await it.asked("CASE-1", FIRST)
    await it.falls(FIRST)
    task = asyncio.create_task(it.courier.run())
    await waits_again(it, 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await receiver.start()
    back = Desk(it.store, tmp_path, receiver.port)  # the node was restarted, too
    back.now_ms = it.now_ms
    task = asyncio.create_task(back.courier.run())
    await until(lambda: back.desk.recalls(0, 1)[0].delivery is Delivery.DELIVERED)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await receiver.stop()
    assert len(receiver.got) == 1 and list(back.queue.waiting()) == []


async def test_a_receiver_that_refuses_for_good_leaves_a_dead_letter(tmp_path: Path) -> None:
    receiver = await Receiver(status=500).start()
    it = Desk(home=tmp_path, port=receiver.port)
    await it.asked("CASE-1", FIRST)
    await it.falls(FIRST)
    task: asyncio.Task[None] | None = None
    for tries in (1, 2, 3):
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        task = asyncio.create_task(it.courier.run())
        await waits_again(it, tries)
    assert it.desk.recalls(0, 1)[0].delivery is Delivery.DEAD
    assert len(receiver.got) == 3 and list(it.queue.waiting()) == []
    assert {headers["bulwark-recall"] for headers, _ in receiver.got} == {"1"}
    if task is not None:
        task.cancel()
    await receiver.stop()


async def test_the_stream_goes_on_behind_a_number_and_shows_what_comes() -> None:
    it = Desk()
    await it.asked("CASE-1", FIRST, SECOND)
    await it.falls(FIRST)
    await it.falls(FIRST, cause=Cause.RETRACTED)
    stream = it.desk.stream(1)
    assert await _number(stream) == 2
    coming = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    await it.falls(SECOND)
    recall = await coming
    assert recall is not None and (recall.number, recall.record_id) == (3, SECOND)


async def _number(stream: object) -> int:
    recall: Recall | None = await anext(stream)  # type: ignore[call-overload]
    assert recall is not None
    return recall.number


@pytest.mark.parametrize(
    ("mode", "data", "why"),
    [(0o644, SECRET, "0600"), (0o600, b"short", "16 to 4096"), (0o600, b"x" * 5_000, "16 to 4096")],
    ids=["others may read it", "too short", "too long"],
)
def test_a_secret_that_is_none_is_refused(mode: int, data: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(data)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=why):
        read_secret(path)


def test_url_and_secret_of_the_webhook_belong_together() -> None:
    for settings in ({"webhook_url": "https://x.example/"}, {"webhook_secret_file": Path("s")}):
        with pytest.raises(ValueError, match="belong together"):
            RecallConfig(**settings)  # type: ignore[arg-type]


async def test_old_recalls_go_and_those_that_wait_for_the_webhook_stay(tmp_path: Path) -> None:
    it = Desk(home=tmp_path, port=9)
    await it.asked("CASE-1", FIRST, SECOND)
    await it.falls(FIRST)
    first = it.desk.recalls(0, 1)[0]
    it.queue.settle(first, Delivery.DELIVERED, 1)
    await it.falls(SECOND)
    await it.falls(SECOND, cause=Cause.RETRACTED)
    assert it.queue.prune(it.now_ms + 1) == 1
    assert [recall.number for recall in it.desk.recalls(0, 10)] == [2, 3]
    assert Desk(it.store).queue.last == 3, "numbers never come again"
