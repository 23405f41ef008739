"""Schemas of advice: what a screening's answer suggests, in codes and in words.

Rules: those of `schemas`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schemas import Document

LANGUAGE = "^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}$"
LevelName = Literal["none", "check", "protect", "warn", "delay", "block"]


class AdviceTextsOut(Document):
    """An advice in words."""

    customer: str = Field(description="To be shown or read to the customer")
    agent: str = Field(description="For the member's own staff")
    letter: str | None = Field(description="Reasons, remedy and rights; null where nothing is done")


class AdviceOut(Document):
    """What an answer suggests; the member decides."""

    level: LevelName = Field(description="Mildest first; check: the answer is not complete")
    codes: list[str] = Field(description="Duties, and held_back: no refusal is permitted")
    language: str | None = Field(None, description="Of the texts; mixed where some fell back")
    fallback: bool | None = Field(None, description="Some text is in English for want of another")
    texts: AdviceTextsOut | None = Field(None, description="Not in rows of an upload")


class TextsOut(Document):
    """The catalogue of one language, with placeholders in braces."""

    language: str
    fallback: bool = Field(description="There is no such language, so this is English")
    languages: list[str]
    missing: list[str] = Field(description="Codes that are in English here")
    messages: dict[str, str]


MODELS = (AdviceOut, TextsOut)
