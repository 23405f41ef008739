"""Advice: what a screening's answer suggests to do: nothing, check, protect, warn, delay or block.

Rules: a member sets from which band on each step is advised, and never earlier or more than the
records permit (`bulwark.indicators.usage`): a pause needs a band from medium on, a refusal what
`permitted_actions` calls refuse, else it becomes a pause and the advice says why. An answer that is
not complete is never advised as clean. A holder that is to be protected is never warned about,
delayed or blocked. Advice holds codes; who reported and on which evidence is in none of them. It
decides nothing: the member does.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from msgspec import Struct

from bulwark.indicators.vocabulary import Band


class Level(IntEnum):
    """What is advised, mildest first."""

    NONE = 0
    """Nothing that counts; no guarantee either."""
    CHECK = 1
    """The question could not be answered in full: own checks."""
    PROTECT = 2
    """Extra checks that shield the holder; never a suspicion."""
    WARN = 3
    """Warn the customer, who decides."""
    DELAY = 4
    """Hold the payment for a while and ask again."""
    BLOCK = 5
    """Refuse, after an own assessment."""

    @property
    def label(self) -> str:
        """The name used in the API."""
        return self.name.lower()


HELD_BACK: Final = "held_back"
"""Code: the band alone would suggest to refuse, and the records do not permit it."""
DUTIES: Final = ("own_assessment", "no_sole_basis", "notify_subject", "no_onward_sharing")
"""Limits of an answer that the agent is told in words."""
_LEAST: Final = {"warn": Band.LOW, "delay": Band.MEDIUM, "block": Band.VERY_HIGH}
"""Lowest band of each step: below it the records never permit it."""
_BAND: Final = {band.label: band for band in Band}
_DELAYS: Final = frozenset({"ask_confirmation", "delay_for_review"})


class ThresholdFault(ValueError):
    """A member's threshold asks for a step earlier than the records ever permit."""


class Thresholds(Struct, frozen=True):
    """From which band on a member wants each step; None for never."""

    warn: Band | None = Band.LOW
    delay: Band | None = Band.MEDIUM
    block: Band | None = Band.VERY_HIGH

    def __post_init__(self) -> None:
        for step, least in _LEAST.items():
            wanted = getattr(self, step)
            if wanted is not None and wanted < least:
                raise ThresholdFault(f"{step}: from {least.label} on, or never")
        order = [band for band in (self.warn, self.delay, self.block) if band is not None]
        if order != sorted(order):
            raise ThresholdFault("a milder step begins at the same band as a harder one, or below")


USUAL: Final = Thresholds()
"""Each step as early as records permit it."""


class Facts(Struct, frozen=True):
    """What advice looks at in an answer."""

    band: str
    """Label of a Band, or `unknown` where the question could not be asked."""
    is_complete: bool
    is_protected: bool
    permitted_actions: Sequence[str] = ()
    limits: Sequence[str] = ()
    """Codes of the limits."""


class Advice(Struct, frozen=True):
    """What is advised, in codes."""

    level: Level
    codes: tuple[str, ...] = ()
    """HELD_BACK and the duties that come with the answer."""


def advise(facts: Facts, thresholds: Thresholds) -> Advice:
    """The advice on an answer."""
    codes = tuple(code for code in DUTIES if code in facts.limits)
    if facts.is_protected:
        return Advice(Level.PROTECT, codes)
    band = _BAND.get(facts.band)
    if band is None:
        return Advice(Level.CHECK)
    level = _level(band, facts.permitted_actions, thresholds)
    wants_block = thresholds.block is not None and band >= thresholds.block
    if wants_block and level is Level.DELAY:
        codes = (HELD_BACK, *codes)
    if level is Level.NONE and not facts.is_complete:
        level = Level.CHECK
    return Advice(level, codes)


def _level(band: Band, permitted: Sequence[str], thresholds: Thresholds) -> Level:
    """The hardest step that the member wants at this band and the records permit."""
    if _from(thresholds.block, band) and "refuse" in permitted:
        return Level.BLOCK
    if (_from(thresholds.delay, band) or _from(thresholds.block, band)) and not _DELAYS.isdisjoint(
        permitted
    ):
        return Level.DELAY
    wants = any(_from(t, band) for t in (thresholds.warn, thresholds.delay, thresholds.block))
    return Level.WARN if wants and "warn_customer" in permitted else Level.NONE


def _from(threshold: Band | None, band: Band) -> bool:
    return threshold is not None and band >= threshold


def got_worse(then: Advice, band_then: str, now: Advice, band_now: str) -> bool:
    """Whether an answer warns more than an earlier one about the same: level or band rose.

    An answer that could not be made in full is not worse but unknown; ask `now.level` for that.
    """
    if now.level is Level.CHECK:
        return False
    if then.level is Level.CHECK:
        return now.level >= Level.DELAY
    return now.level > then.level or _BAND.get(band_now, 0) > _BAND.get(band_then, 0)
