"""Domains: every spelling of a DNS name to lower-case A-labels (punycode) without a final dot.

Rules: UTS 46 non-transitional mapping through ada (the WHATWG host rules), so that a domain and the
host of a URL come out alike; at least two labels; '_' is allowed inside labels because hosting
sites hand out such names; a last label of digits is an address, not a name (WHATWG "ends in a
number"). Public-suffix questions are not asked here.
"""

from __future__ import annotations

import re
from typing import Final

import ada_url

from bulwark.indicators.normalise.outcome import refuse
from bulwark.indicators.normalise.text import clean, refang_dots
from bulwark.indicators.vocabulary import Kind

DOMAIN_MAX: Final = 253

_LABEL: Final = r"(?!xn--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PLAIN: Final = re.compile(rf"(?:{_LABEL}\.){{1,8}}(?=[a-z])(?!xn--)[a-z0-9-]{{1,62}}[a-z0-9]")
_ANY_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_FOREIGN: Final = re.compile(r"[\s/\\?#@:%*\[\]<>^|`{}\"'(),;!$&+=~]")


def normalise_domain(given: str, _region: str | None) -> str:
    """``Exämple[.]COM.`` -> ``xn--exmple-cua.com``; rules domain.*."""
    if is_plain_domain(given):
        return given
    return canonical_domain(Kind.DOMAIN, clean(Kind.DOMAIN, given))


def is_plain_domain(text: str) -> bool:
    """Whether the text is surely its own canonical form (lower-case ASCII, no punycode)."""
    return len(text) <= DOMAIN_MAX and _PLAIN.fullmatch(text) is not None


def canonical_domain(kind: Kind, text: str, rule: str | None = None) -> str:
    """The canonical name of a cleaned text; refused under ``rule``, or a domain.* rule if None."""
    text = refang_dots(text)
    if _FOREIGN.search(text):
        refuse(kind, rule or "domain.not-a-domain")
    ascii_name = ada_url.idna_to_ascii(text).decode("ascii", "replace").removesuffix(".").lower()
    if not ascii_name or not ascii_name.isascii():
        refuse(kind, rule or "domain.idna")
    return checked_ascii_domain(kind, ascii_name, rule)


def checked_ascii_domain(kind: Kind, name: str, rule: str | None = None) -> str:
    """A lower-case ASCII name if labels and lengths are right; refused otherwise."""
    labels = name.split(".")
    if len(name) > DOMAIN_MAX or not all(map(_ANY_LABEL.fullmatch, labels)):
        refuse(kind, rule or "domain.syntax")
    if len(labels) < 2:
        refuse(kind, rule or "domain.single-label")
    if _NUMBER.fullmatch(labels[-1]):
        refuse(kind, rule or "domain.numeric-suffix")
    if "xn--" in name and not all(map(_is_a_label, labels)):
        refuse(kind, rule or "domain.idna")
    return name


def _is_a_label(label: str) -> bool:
    # ada passes ASCII names through unread, so a punycode label is decoded and encoded again here.
    if not label.startswith("xn--"):
        return True
    try:
        text = label[4:].encode("ascii").decode("punycode")
        return not text.isascii() and ada_url.idna_to_ascii(text) == label.encode("ascii")
    except UnicodeError:
        return False
