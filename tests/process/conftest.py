"""Alliances for the process tests: one shared by tests that leave it whole, others to break."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.process.support import LIVE, Alliance

MakeAlliance = Callable[..., Alliance]
SHARED: list[Alliance] = []
"""The alliance of the whole run, once there is one."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failure shows the end of the log of every node that the test had to do with."""
    report = yield
    if report.failed:
        used = getattr(item, "fixturenames", ())
        for alliance in (one for one in LIVE if "shared" in used or one not in SHARED):
            for node in alliance.devnet.nodes:
                state = "gone" if node.pid is None else f"pid {node.pid}"
                report.sections.append((f"log of {node.name} ({state})", alliance.tail(node.name)))
    return report


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alliance]:
    """Four validators and an observer, running; tests must leave them so."""
    alliance = Alliance.create(tmp_path_factory.mktemp("shared") / "alliance")
    SHARED.append(alliance)
    try:
        alliance.start()
        yield alliance
    finally:
        alliance.close()


@pytest.fixture
def make_alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeAlliance]:
    """Makes further alliances; they end with the test."""
    made: list[Alliance] = []

    def make(members: int = 4, observers: int = 1, *, home: Path | None = None) -> Alliance:
        place = tmp_path_factory.mktemp("alliance") / "home" if home is None else home
        alliance = Alliance.create(place, members, observers)
        made.append(alliance)
        return alliance

    try:
        yield make
    finally:
        for alliance in made:
            alliance.close()
