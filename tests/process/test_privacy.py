"""A real alliance makes its keys by itself and asks questions that name nobody to evaluators.

What one member reported under a tag another one finds: so all of them use one key that none has.
"""

from __future__ import annotations

import json
import shutil
import stat

import pytest

from tests.process.conftest import MakeAlliance
from tests.process.support import Alliance, until

pytestmark = pytest.mark.process


def log_lines(alliance: Alliance, name: str, part: str) -> list[dict[str, object]]:
    """What a part of a node logged."""
    lines = [json.loads(line) for line in alliance.log(name).splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("part") == part]


def finds(alliance: Alliance, name: str, value: str) -> bool:
    answer = alliance.screen(name, kind="email", value=value)
    assert answer["complete"], f"{name}: {answer['incomplete_reason']}"
    return bool(answer["hit"])


def test_keys_are_made_once_and_outlive_restarts_a_lost_disk_and_a_silent_member(
    make_alliance: MakeAlliance,
) -> None:
    alliance = make_alliance(4, 1)
    alliance.start()
    first, second, third, last = alliance.validators
    for name in alliance.names:
        made = [line for line in log_lines(alliance, name, "keys") if "key_id" in line]
        assert sorted(str(line["purpose"]) for line in made) == ["council", "tag"]
        assert {(line["holders"], line["threshold"]) for line in made} == {(4, 3)}
    for name in alliance.validators:
        file = alliance.node(name).home / "keys/shares"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    alliance.report(first, kind="email", value="before@scam-post.net")
    height = alliance.height(first)
    alliance.until_final(height)
    assert all(finds(alliance, name, "before@scam-post.net") for name in alliance.names)

    alliance.stop()
    alliance.start()
    assert all(finds(alliance, name, "before@scam-post.net") for name in alliance.names)

    alliance.devnet.kill(last)
    alliance.report(second, kind="email", value="while-away@scam-post.net")
    shutil.rmtree(alliance.node(last).home / "data")
    alliance.devnet.start_node(last)
    alliance.until_final(alliance.height(second), [last])
    for value in ("before@scam-post.net", "while-away@scam-post.net"):
        assert finds(alliance, last, value)
        assert finds(alliance, third, value)


def test_without_a_quorum_of_evaluators_the_answer_says_so_and_is_not_clean(
    make_alliance: MakeAlliance,
) -> None:
    alliance = make_alliance(4, 0)
    alliance.start()
    first, second, *others = alliance.validators
    alliance.report(first, kind="email", value="known@scam-post.net")
    for name in others:
        alliance.devnet.kill(name)
    until(lambda: not alliance.status(second)["peers"][1:], "the others are gone")
    answer = alliance.screen(second, kind="email", value="never-asked@scam-post.net")
    assert not answer["complete"]
    assert not answer["hit"]
    assert answer["band"] == "unknown"
    assert "the tag can not be computed now" in answer["incomplete_reason"]
    # What it asked before it still answers.
    assert alliance.screen(first, kind="email", value="known@scam-post.net")["hit"]
