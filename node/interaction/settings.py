"""Settings of the interaction with customers and victims: thresholds, languages, times, page."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from bulwark.advice.advice import ThresholdFault, Thresholds
from bulwark.advice.texts import LANGUAGES
from bulwark.indicators.vocabulary import Band
from node.sections import Section

_BANDS = {band.label: band for band in Band}
Warn = Literal["low", "medium", "high", "very_high", "never"]
Delay = Literal["medium", "high", "very_high", "never"]
Block = Literal["very_high", "never"]


class InteractionConfig(Section):
    """What customers and victims are told and may tell, and for how long it is kept."""

    warn_from: Warn = Field("low", description="band from which answers advise to warn")
    delay_from: Delay = Field("medium", description="band from which answers advise a pause")
    block_from: Block = Field(
        "very_high", description="band from which answers advise to refuse, where records permit it"
    )
    language: str = Field(
        "en", description=f"language of texts unless asked: one of {', '.join(LANGUAGES)}"
    )
    contact: str = Field(
        "",
        max_length=160,
        description="where persons turn to, as texts say it: a number, an address or a page",
    )
    status_page: bool = Field(
        False, description="serve /status, where persons see how their case stands, without a key"
    )
    status_attempts: int = Field(
        20, ge=1, le=1_000, description="wrong codes of one address in ten minutes before a pause"
    )
    status_lookups_per_minute: int = Field(
        600, ge=1, le=100_000, description="look-ups of the status page in a minute from everybody"
    )
    report_days: int = Field(
        180, ge=1, le=3_650, description="days after its last change that a report's text is kept"
    )
    report_due_days: int = Field(
        10, ge=1, le=366, description="days in which a customer's report is to be answered"
    )
    max_reports: int = Field(
        100_000, ge=10, le=10_000_000, description="customers' reports kept before new ones get 429"
    )
    cooling_off_seconds: int = Field(
        1_800, ge=1, le=604_800, description="pause of a cooling-off that names none, seconds"
    )
    cooling_off_most_seconds: int = Field(
        172_800, ge=1, le=2_592_000, description="longest pause, extensions included, seconds"
    )
    release_seconds: int = Field(
        86_400,
        ge=1,
        le=2_592_000,
        description="time after the pause in which a yes is taken, seconds",
    )
    feedback_days: int = Field(
        365, ge=1, le=3_650, description="days that single entries of feedback are kept"
    )

    @model_validator(mode="after")
    def _is_lawful(self) -> Self:
        try:
            self.thresholds()
        except ThresholdFault as error:
            raise ValueError(str(error)) from error
        if self.language not in LANGUAGES:
            raise ValueError(f"language: one of {', '.join(LANGUAGES)}")
        if self.cooling_off_seconds > self.cooling_off_most_seconds:
            raise ValueError("cooling_off_seconds: at most cooling_off_most_seconds")
        return self

    def thresholds(self) -> Thresholds:
        """The bands as the advice reads them. Raises ThresholdFault."""
        return Thresholds(
            _BANDS.get(self.warn_from), _BANDS.get(self.delay_from), _BANDS.get(self.block_from)
        )
