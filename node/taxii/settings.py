"""Settings of the TAXII server."""

from __future__ import annotations

from pydantic import Field, field_validator

from bulwark.indicators.errors import FieldError
from bulwark.indicators.vocabulary import FraudType
from node.sections import Section


class TaxiiConfig(Section):
    """Collections that other systems of the member poll and write to (TAXII 2.1)."""

    enabled: bool = Field(True, description="serve /taxii2/ to keys of this member")
    title: str = Field(
        "Bulwark node", min_length=1, max_length=200, description="how discovery names this server"
    )
    contact: str = Field("", max_length=200, description="whom discovery names to write to")
    page_objects: int = Field(
        500, ge=1, le=5_000, description="objects of one page; a smaller `limit` is granted"
    )
    inbox_days: int = Field(
        30, ge=1, le=3_650, description="how long objects of the inbox are kept, days"
    )
    inbox_objects: int = Field(
        50_000, ge=1, le=1_000_000, description="versions of objects that the inbox holds"
    )
    inbox_fraud_type: str = Field(
        "", description="fraud type of what comes to the inbox and names none; '' refuses it"
    )
    inbox_take_context: bool = Field(
        False, description="report observables that come without an indicator, too"
    )
    inbox_keep_clear: bool = Field(
        True,
        description="keep clear values of the inbox for own exports, where "
        "exchange.keep_clear_text allows it",
    )

    @field_validator("inbox_fraud_type")
    @classmethod
    def _known(cls, given: str) -> str:
        if not given:
            return given
        try:
            return FraudType.parse(given, "inbox_fraud_type").label
        except FieldError as error:
            raise ValueError(f"allowed: {error.allowed}") from None
