"""What a member asked before is answered from its own disk after a crash, with nobody to ask."""

from __future__ import annotations

import pytest

from tests.process.conftest import MakeAlliance
from tests.process.support import until

pytestmark = pytest.mark.process


def test_a_crashed_member_answers_what_it_asked_before_without_any_evaluator(
    make_alliance: MakeAlliance,
) -> None:
    alliance = make_alliance(4, 0)
    alliance.start()
    first, second, *others = alliance.validators
    alliance.report(second, kind="domain", value="reported.example")
    alliance.until_final(alliance.height(second))
    asked = ["reported.example", *(f"asked-{number}.example" for number in range(20))]
    for value in asked:
        assert alliance.screen(first, kind="domain", value=value)["complete"]
    assert alliance.status(first)["tagging"]["cached"] == len(asked)
    alliance.devnet.kill(first)
    alliance.devnet.start_node(first)
    assert alliance.status(first)["tagging"]["cached"] == len(asked)
    for name in others:
        alliance.devnet.kill(name)
    until(lambda: not alliance.status(first)["peers"][1:], "the others are gone")
    for value in asked:
        answer = alliance.screen(first, kind="domain", value=value)
        assert "tag" not in str(answer["incomplete_reason"])
        assert answer["hit"] == (value == "reported.example")
    fresh = alliance.screen(first, kind="domain", value="never.example")
    assert "the tag can not be computed now" in fresh["incomplete_reason"]
