"""Texts: the message catalogue, one JSON document a language, with English to fall back on.

Rules: a message is named by a code; its placeholders are plain names in braces and the same in
every language; a code that a language lacks is said in English and the answer says so. What is
filled in is text and never read as a template. Shipped documents are read once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from string import Formatter
from typing import Final

from msgspec import Struct

FALLBACK: Final = "en"
LANGUAGES: Final = (FALLBACK, "de", "fr", "es", "zh")
"""Shipped languages; each is the name of its file too."""
MAX_MESSAGE: Final = 600
MAX_VALUE: Final = 200


class TextFault(ValueError):
    """A catalogue breaks a rule; the message says where and what is allowed."""


class Text(Struct, frozen=True):
    """A message in words."""

    text: str
    language: str
    """In which it is, which may be the fallback's."""
    is_fallback: bool
    """The language that was asked for has no such message."""


class Catalogue:
    """Messages by language and code."""

    def __init__(self, documents: Mapping[str, Mapping[str, object]]) -> None:
        """`documents`: JSON objects by language. Raises TextFault."""
        self._messages: dict[str, dict[str, str]] = {}
        self.names: dict[str, str] = {}
        for language, document in documents.items():
            self._messages[language] = _messages_of(language, document)
            self.names[language] = str(document.get("name", language))
        if FALLBACK not in self._messages:
            raise TextFault(f"the catalogue has no {FALLBACK}, on which others fall back")
        for language, messages in self._messages.items():
            self._check(language, messages)

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages there are, the fallback first."""
        others = sorted(self._messages.keys() - {FALLBACK})
        return (FALLBACK, *others)

    @property
    def codes(self) -> frozenset[str]:
        """Every code."""
        return frozenset(self._messages[FALLBACK])

    def missing(self, language: str) -> frozenset[str]:
        """Codes that a language has no message for."""
        return self.codes - self._messages.get(language, {}).keys()

    def language(self, wanted: str) -> str | None:
        """The language that a tag as `de-AT` names, None for one that is not here."""
        first = wanted.replace("_", "-").partition("-")[0].lower()
        return first if first in self._messages else None

    def text(self, code: str, wanted: str, **values: str) -> Text:
        """A message in words; KeyError for an unknown code or a value that is not given."""
        language = self.language(wanted)
        template = None if language is None else self._messages[language].get(code)
        if language is None or template is None:
            return Text(_filled(self._messages[FALLBACK][code], values), FALLBACK, True)
        return Text(_filled(template, values), language, False)

    def messages(self, wanted: str) -> Mapping[str, str]:
        """All messages of a language as templates, the fallback's where it has none."""
        own = self._messages.get(self.language(wanted) or FALLBACK, {})
        return {code: own.get(code, text) for code, text in self._messages[FALLBACK].items()}

    def _check(self, language: str, messages: Mapping[str, str]) -> None:
        english = self._messages[FALLBACK]
        for code, text in messages.items():
            if code not in english:
                raise TextFault(f"{language}: {code}: is no code of {FALLBACK}")
            if placeholders(text) != placeholders(english[code]):
                wanted = ", ".join(sorted(placeholders(english[code]))) or "none"
                raise TextFault(f"{language}: {code}: its placeholders have to be: {wanted}")


@cache
def shipped() -> Catalogue:
    """The catalogue that ships with the product."""
    folder = resources.files("bulwark.advice") / "texts"
    return Catalogue(
        {name: json.loads((folder / f"{name}.json").read_bytes()) for name in LANGUAGES}
    )


def placeholders(template: str) -> frozenset[str]:
    """Names in braces; TextFault for braces that hold anything but a plain name."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise TextFault(f"{template[:40]!r}: {error}") from error
    found: set[str] = set()
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if not name.isidentifier() or form or conversion:
            raise TextFault(f"{template[:40]!r}: braces hold a plain name and nothing else")
        found.add(name)
    return frozenset(found)


def _filled(template: str, values: Mapping[str, str]) -> str:
    parts: list[str] = []
    for literal, name, _, _ in Formatter().parse(template):
        parts.append(literal)
        if name is not None:
            parts.append(values[name][:MAX_VALUE])
    return "".join(parts)


def _messages_of(language: str, document: Mapping[str, object]) -> dict[str, str]:
    messages = document.get("messages")
    if document.get("language") != language or not isinstance(messages, dict):
        raise TextFault(f"{language}: wants its own language and messages")
    for code, text in messages.items():
        if not isinstance(text, str) or not 0 < len(text) <= MAX_MESSAGE:
            raise TextFault(f"{language}: {code}: text of 1 to {MAX_MESSAGE} characters")
    return dict(messages)
