"""What a build says it knows: the code's own level, lowered for rehearsals and never raised."""

from __future__ import annotations

import pytest

from bulwark.ledger.features import HIGHEST_LEVEL
from node.version import KNOWN_LEVEL_VARIABLE, KnownLevelInvalid, known_level


def test_a_build_knows_the_highest_level_of_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KNOWN_LEVEL_VARIABLE, raising=False)
    assert known_level() == HIGHEST_LEVEL


@pytest.mark.parametrize(("given", "known"), [("0", 0), ("65535", HIGHEST_LEVEL)])
def test_the_environment_lowers_the_level_and_never_raises_it(
    monkeypatch: pytest.MonkeyPatch, given: str, known: int
) -> None:
    monkeypatch.setenv(KNOWN_LEVEL_VARIABLE, given)
    assert known_level() == known


@pytest.mark.parametrize("given", ["-1", "one", "1.0", " 1", "²", "999999"])
def test_what_is_no_level_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv(KNOWN_LEVEL_VARIABLE, given)
    with pytest.raises(KnownLevelInvalid, match="BULWARK_KNOWN_LEVEL"):
        known_level()
