"""The page: a form for a code and how the case stands, in plain words of the visitor's language.

Rules: the code comes by POST in a form, never in an address; no script, nothing from elsewhere, no
cookie, nothing kept by a browser; every text is escaped by the template. It works at any width, by
keyboard alone and with a screen reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from api.statuspage.answering import Answer, Miss
from api.views import timestamp
from bulwark.advice.wording import Speaker
from node.interaction.statusport import StatusView

if TYPE_CHECKING:
    from jinja2 import Template

FOLDER: Final = Path(__file__).parent
STYLE: Final = FOLDER / "status.css"


@dataclass(frozen=True, slots=True)
class Told:
    """How a case stands, in words."""

    state_text: str
    next_text: str
    help_text: str
    language: str
    is_fallback: bool


def told(speaker: Speaker, view: StatusView, language: str) -> Told:
    """The words of a case."""
    name = f"{view.sort}.{view.state}"
    help_code = "status.overdue" if view.is_overdue else "status.help"
    said = [speaker.text(code, language) for code in (f"status.{name}", f"next.{name}", help_code)]
    return Told(
        state_text=said[0].text,
        next_text=said[1].text,
        help_text=said[2].text,
        language=said[0].language,
        is_fallback=any(text.is_fallback for text in said),
    )


def status_document(speaker: Speaker, view: StatusView, language: str) -> dict[str, object]:
    """A case as JSON."""
    words = told(speaker, view, language)
    return {
        "sort": view.sort.value,
        "state": view.state,
        "state_text": words.state_text,
        "next_text": words.next_text,
        "opened": None if view.opened_ms is None else timestamp(view.opened_ms),
        "due": None if view.due_ms is None else timestamp(view.due_ms),
        "overdue": view.is_overdue,
        "help_text": words.help_text,
        "language": words.language,
        "fallback": words.is_fallback,
    }


def status_page(speaker: Speaker, answer: Answer | None, language: str) -> bytes:
    """The HTML of the form, and under it what a code led to."""

    def say(code: str) -> str:
        return speaker.text(code, language).text

    catalogue = speaker.catalogue
    shown = catalogue.language(language) or "en"
    miss = None if answer is None or answer.miss is None else say(f"status.{answer.miss}")
    view = None if answer is None else answer.view
    return (
        _template()
        .render(
            say=say,
            language=shown,
            languages=[(name, catalogue.names[name]) for name in catalogue.languages],
            miss=miss,
            is_mistyped=answer is not None and answer.miss in (Miss.MISTYPED, Miss.NOT_FOUND),
            told=None if view is None else told(speaker, view, language),
            opened=_day(None if view is None else view.opened_ms),
            due=_day(None if view is None else view.due_ms),
        )
        .encode()
    )


def _day(at_ms: int | None) -> str | None:
    return None if at_ms is None else timestamp(at_ms)[:10]


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("status.html")
