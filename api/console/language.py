"""Language: of the texts that are read to a customer, and of those for who reads them.

Rules: the console's own words are English. Advice and customers' reports have a language of their
own: the form's, else the first of the browser's (Accept-Language) that there are texts in, else
the member's (`[interaction] language`). At most 200 characters of the browser's wish are read.
"""

from __future__ import annotations

import re
from typing import Final

from api.console.forms import Field
from api.exchange import Exchange
from bulwark.advice.texts import Catalogue

_ACCEPTED: Final = re.compile(r"\s*([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)\s*(?:;|\Z)")
_NAMES: Final = {"de": "Deutsch", "en": "English", "es": "Español", "fr": "Français", "zh": "中文"}
"""What speakers call their language; others are shown by their tag."""


def accepted(exchange: Exchange, catalogue: Catalogue, default: str) -> str:
    """The language of the catalogue that a browser asks for first, else the default."""
    wish = exchange.headers.get(b"accept-language", b"").decode("latin-1")[:200]
    for part in wish.split(","):
        match = _ACCEPTED.match(part)
        found = None if match is None else catalogue.language(match[1])
        if found is not None:
            return found
    return catalogue.language(default) or default


def language_field(catalogue: Catalogue, value: str, help_text: str) -> Field:
    """A choice of the languages that there are texts in."""
    choices = [(tag, _NAMES.get(tag, tag)) for tag in catalogue.languages]
    if value not in catalogue.languages:
        choices.insert(0, (value, value))
    return Field("language", "Customer's language", "select", value, help_text, tuple(choices))
