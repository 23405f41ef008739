"""Text hygiene shared by all kinds: invisible characters, defanging marks, stable folding.

Rules: blanks at the ends and invisible format characters go (people paste them, offenders add
them); control characters and unpaired surrogates are refused; defanged marks such as ``[.]``,
``(at)`` and ``hxxp`` are read as what they stand for. It does not know any kind's syntax.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from bulwark.indicators.normalise.outcome import MAX_LENGTH, refuse
from bulwark.indicators.vocabulary import Kind

_INVISIBLE: Final = dict.fromkeys(
    [
        *(0x00AD, 0x034F, 0x061C, 0x180E, 0x200B, 0x200E, 0x200F, 0xFEFF),
        *(*range(0x202A, 0x202F), *range(0x2060, 0x2070), *range(0xFE00, 0xFE10)),
    ]
)
"""Soft hyphen, zero-width space, bidi marks, word joiner, variation selectors: drawn as nothing."""

_JOINERS: Final = {0x200C: None, 0x200D: None}
_JOINERS_MATTER: Final = frozenset({Kind.DOMAIN, Kind.URL, Kind.EMAIL})
"""Zero-width joiners tell some internationalised names apart (UTS 46), so these kinds keep them."""

_REFUSED: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufff0-\uffff]")
_DOT: Final = re.compile(
    r"\s{0,3}(?:\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\)|\{dot\})\s{0,3}", re.IGNORECASE
)
_BRACKETED_DOT: Final = re.compile(r"(?<=\w)(?:\[\.|\.\])(?=\w)")
_AT: Final = re.compile(r"\s{0,3}(?:\[@\]|\(@\)|\{@\}|\[at\]|\(at\)|\{at\})\s{0,3}", re.IGNORECASE)
_COLON: Final = re.compile(r"\[:\](?=//)|\[://\]|\[:\]")
_FOLDS_MAX: Final = 4


def clean(kind: Kind, given: str) -> str:
    """The given text without blank ends and invisible characters, within the kind's length."""
    if len(given) > MAX_LENGTH[kind]:
        refuse(kind, "value.too-long")
    text = given.strip()
    if not text.isascii():
        text = text.translate(_INVISIBLE)
        text = (text if kind in _JOINERS_MATTER else text.translate(_JOINERS)).strip()
    if not text:
        refuse(kind, "value.empty")
    if not text.isprintable() and _REFUSED.search(text):
        refuse(kind, "value.control-character")
    return text


def refang_dots(text: str) -> str:
    """``evil[.]com``, ``evil(dot)com``, ``evil[.com`` -> ``evil.com``."""
    if "[" in text or "(" in text or "{" in text or "]" in text:
        text = _DOT.sub(".", text)
        text = _BRACKETED_DOT.sub(".", text)
    return text


def refang_at(text: str) -> str:
    """``user(at)evil.com`` -> ``user@evil.com``."""
    return _AT.sub("@", text) if "[" in text or "(" in text or "{" in text else text


def refang_colon(text: str) -> str:
    """``http[:]//evil.com`` and ``http[://]evil.com`` -> ``http://evil.com``."""
    if "[:" not in text:
        return text
    return _COLON.sub(lambda mark: "://" if mark.group() == "[://]" else ":", text)


def fold(kind: Kind, text: str) -> str:
    """NFC and case folding until neither changes the text any more; refused where none settles."""
    for _ in range(_FOLDS_MAX):
        folded = unicodedata.normalize("NFC", text.casefold())
        if folded == text:
            return text
        text = folded
    refuse(kind, "value.ambiguous-unicode")
