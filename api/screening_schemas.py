"""Schemas of screenings: questions and answers of the REST surface.

Rules: those of `schemas`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from api.advice_schemas import LANGUAGE, AdviceOut
from api.schemas import CASE, REGION, VALUE, Document, RecordOut, RowProblemOut, words
from bulwark.indicators.vocabulary import Kind, LawfulBasis, Purpose


class ScreeningIn(Document):
    """One question about an identifier."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "kind": "phone",
                    "value": "+44 20 7946 0958",
                    "purpose": "fraud_prevention",
                    "lawful_basis": "legitimate_interests",
                }
            ]
        },
    )

    kind: str = words(Kind, "What sort of identifier it is")
    value: str = VALUE
    purpose: str = words(Purpose, "Purpose of the question", stated=True)
    lawful_basis: str = words(LawfulBasis, "Legal basis of the question", stated=True)
    case_ref: str = CASE
    region: str = REGION


class ScreeningAtIn(ScreeningIn):
    """One question, also as of an earlier block."""

    height: int | None = Field(
        None, ge=0, description="Block whose state is asked; the last executed one unless given"
    )
    language: str | None = Field(
        None, pattern=LANGUAGE, max_length=30, description="Language of the advice's texts"
    )


class LimitOut(Document):
    """One duty that comes with an answer."""

    code: str
    text: str


class ScoreReasonOut(Document):
    """One weighted reason of a score."""

    code: str
    weight: int
    text: str


class ScreeningOut(Document):
    """The answer to a question; `complete` false is never a clean answer."""

    hit: bool
    band: str
    score: int
    reasons: list[ScoreReasonOut]
    records: list[RecordOut]
    height: int = Field(ge=0, description="Block height of the state that was asked")
    age_ms: int = Field(ge=0, description="Age of that state")
    complete: bool = Field(description="False: the question could not be asked in full")
    incomplete_reason: str | None = None
    reporters: int = Field(ge=0, description="Distinct members whose statements count")
    customers: int = Field(ge=0, description="Distinct customers behind them, as members told")
    protected: bool = Field(description="The holder is a victim or genuine: shield it")
    permitted_actions: list[str] = Field(description="What the records allow, mildest first")
    limits: list[LimitOut] = Field(description="Duties that come with the answer")
    advice: AdviceOut


class ScreeningRowOut(Document):
    """One row of an upload of questions."""

    line: int = Field(ge=1)
    status: Literal["answered", "refused"]
    answer: ScreeningOut | None = None
    problem: RowProblemOut | None = None


class ScreeningBatchOut(Document):
    """Answers to an upload of questions."""

    answered: int = Field(ge=0)
    hits: int = Field(ge=0)
    incomplete: int = Field(ge=0)
    refused: int = Field(ge=0)
    rows: list[ScreeningRowOut]


MODELS = (ScreeningIn, ScreeningAtIn, ScreeningOut, ScreeningBatchOut)
