"""The access desk: entries are written before anything is asked, one for each reason."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bulwark.indicators.model import IndicatorReport, ScreeningRequest
from bulwark.ledger.accesslog import AccessEntry, AccessKind, Gap
from bulwark.ledger.ids import MemberId
from node.clock import Clock
from node.facade import Facade, Parts
from node.guarded.accessdesk import AccessDesk
from node.guarded.accesslog import ENTRIES
from node.guarded.atrest import AtRest
from node.guarded.claims import ClaimBook, asked_for
from node.service import Caller, Role, ScreeningAnswer, Stage
from node.storage.durability import Durability
from node.storage.errors import StoreWriteFailed
from node.storage.memory import MemoryStore
from node.storage.schema import number8
from tests.unit.node.guarded.questions import until
from tests.unit.node.guarded.test_accesslog import access

BY = Caller("desk-7", Role.ANALYST)


def question(value: str, case: str = "", purpose: str = "fraud_prevention") -> ScreeningRequest:
    row = {"kind": "domain", "value": value, "purpose": purpose, "case_ref": case}
    return ScreeningRequest.from_mapping({**row, "lawful_basis": "legitimate_interests"})


class Service:
    """Screener and reporter that note what a kill at their call would leave."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.left: list[AccessKind] = []

    def _cut(self) -> None:
        self.left += [entry.kind for entry in access(self.store).page()]

    async def screen(
        self,
        requests: Sequence[ScreeningRequest],
        progress: object = None,
        at: object = None,
        seen: object = None,
    ) -> list[ScreeningAnswer]:
        self._cut()
        return []

    async def report(self, reports: Sequence[IndicatorReport], **how: Any) -> list[object]:
        self._cut()
        return []


class NoHits:
    """Own hits are noted after the answer; nothing here looks at them."""

    async def note(self, *_args: object) -> None:
        return


class Scene:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.durability = Durability(self.store)
        self.log = access(self.store)
        unused: Any = None
        claims = ClaimBook(self.store, AtRest(bytes(32), b"claims", os.urandom))
        self.desk = AccessDesk(
            self.log, self.store, unused, self.durability, unused, Clock(), MemberId("m0"), claims
        )
        self.service = Service(self.store)
        parts = SimpleNamespace(
            access=self.desk,
            screener=self.service,
            reporter=self.service,
            is_reporter=lambda: True,
            hits=NoHits(),
            remember=lambda by: None,
        )
        self.facade = Facade(cast(Parts, parts))


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.durability.close()


REPORT = IndicatorReport.from_mapping(
    {"kind": "domain", "value": "one.example", "fraud_type": "phishing"}, now_ms=0
)


@pytest.mark.parametrize(
    ("ask", "kinds"),
    [
        (lambda facade: facade.screen([question("a.example")], by=BY), [AccessKind.SCREENING]),
        (
            lambda facade: facade.screen([question("a.example"), question("b.example")], by=BY),
            [AccessKind.SCREENING_BATCH],
        ),
        (
            lambda facade: facade.report([REPORT], by=BY, wait=Stage.ACCEPTED),
            [AccessKind.REPORT],
        ),
        (
            lambda facade: facade.report([REPORT, REPORT], by=BY, wait=Stage.ACCEPTED),
            [AccessKind.REPORT_BATCH],
        ),
    ],
)
async def test_what_is_asked_or_reported_is_written_to_the_log_before_anything_happens(
    scene: Scene, ask: Callable[[Facade], Awaitable[object]], kinds: list[AccessKind]
) -> None:
    await ask(scene.facade)
    assert scene.service.left == kinds


def on_disk(scene: Scene) -> list[AccessEntry]:
    return access(scene.store.after_power_cut()).page()


async def test_what_nothing_else_flushes_is_on_disk_soon(scene: Scene) -> None:
    await scene.facade.screen([question("a.example")], by=BY)
    assert on_disk(scene) == []
    await until(lambda: len(on_disk(scene)) == 1)
    assert scene.durability.flushes == 1


async def test_what_is_noted_during_a_flush_gets_one_of_its_own(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flush that is under way has looked at the disk before."""
    flush, started, go_on = scene.store.flush, threading.Event(), threading.Event()

    def slow() -> None:
        flush()
        started.set()
        go_on.wait(10)

    monkeypatch.setattr(scene.store, "flush", slow)
    await scene.facade.screen([question("a.example")], by=BY)
    await until(started.is_set)
    await scene.facade.screen([question("b.example")], by=BY)
    go_on.set()
    await until(lambda: len(on_disk(scene)) == 2)


async def test_one_flush_serves_all_questions_of_its_time(scene: Scene) -> None:
    for number in range(20):
        await scene.facade.screen([question(f"{number}.example")], by=BY)
    await until(lambda: len(on_disk(scene)) == 20)
    assert scene.durability.flushes <= 2


async def test_nothing_is_asked_when_the_entry_can_not_be_written(scene: Scene) -> None:
    scene.store.refuse_writes = True
    with pytest.raises(StoreWriteFailed):
        await scene.facade.screen([question("one.example")], by=BY)
    assert scene.service.left == []


async def test_an_upload_has_an_entry_for_each_purpose_basis_and_case(scene: Scene) -> None:
    rows = [question(f"{n}.example", f"CASE-{n % 3}") for n in range(500)]
    rows += [question("x.example", "CASE-0", "supervision")]
    await scene.desk.screening(BY, rows)
    found = [(entry.case_ref, entry.purpose, entry.count) for entry in scene.log.page()]
    assert found == [
        ("CASE-0", "fraud_prevention", 167),
        ("CASE-1", "fraud_prevention", 167),
        ("CASE-2", "fraud_prevention", 166),
        ("CASE-0", "supervision", 1),
    ]


async def test_an_entry_that_does_not_open_is_named_and_ends_the_page(scene: Scene) -> None:
    for number in range(4):
        await scene.desk.screening(BY, [question(f"{number}.example")])
    key = ENTRIES + number8(3)
    scene.store.write({key: b"\x01" * 40}, sync=True)
    page = scene.desk.page(0, 1000)
    reason = "it does not open under this member's key"
    assert [entry.number for entry in page.entries] == [1, 2]
    assert page.damaged == Gap(3, reason)
    assert scene.log.check([]) == Gap(3, reason)
    assert scene.desk.page(0, 2).damaged is None


async def test_what_a_request_asks_evaluators_is_claimed_for_its_own_entries(scene: Scene) -> None:
    seen: list[tuple[int, int]] = []

    async def screen(*_requests: object, **_how: object) -> list[ScreeningAnswer]:
        seen.append(asked_for.get())
        return []

    scene.service.screen = screen  # type: ignore[method-assign]
    rows = [question("a.example", "A"), question("b.example", "B"), question("c.example", "A")]

    async def ask(requests: Sequence[ScreeningRequest]) -> None:
        await scene.facade.screen(requests, by=BY)

    await asyncio.create_task(ask(rows[:1]))
    await asyncio.create_task(ask(rows))
    assert seen == [(1, 1), (2, 3)]
    assert asked_for.get() == (0, 0), "outside a request nothing is asked for any entry"
