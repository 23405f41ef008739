"""Catalogue: the vocabularies, rules and defaults as Markdown tables for docs/indicators.md.

Rules: every table is made from the code alone, so a test can hold the page to it; ``fill`` replaces
what stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->`` and leaves the rest alone. It
writes no file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from bulwark.indicators.country import COUNTRIES
from bulwark.indicators.lifetime import LIFETIMES
from bulwark.indicators.model import (
    CASE_REF_MAX,
    REPORT_DEFAULTS,
    REPORT_FIELDS,
    SCREENING_DEFAULTS,
    SCREENING_FIELDS,
    ReportDefaults,
    ScreeningDefaults,
)
from bulwark.indicators.normalise.account import SCHEMES
from bulwark.indicators.normalise.iban_registry import structures
from bulwark.indicators.normalise.mailbox import PROVIDERS
from bulwark.indicators.normalise.outcome import MAX_LENGTH, PROFILES, RULES
from bulwark.indicators.normalise.url import TRACKING_PARAMETERS
from bulwark.indicators.normalise.wallet import CHAIN_NAMES
from bulwark.indicators.scoring import EVIDENCE_WEIGHT, LEFT_OUT, ROLE_WEIGHT
from bulwark.indicators.terms import Term
from bulwark.indicators.usage import ACTIONS
from bulwark.indicators.vocabulary import Kind, Usage

_SECTION: Final = re.compile(r"(<!-- begin ([\w-]+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)


def fill(page: str) -> str:
    """The page with every known section made anew; KeyError for a section nobody makes."""
    made = sections()
    return _SECTION.sub(lambda match: match[1] + made[match[2]] + match[3], page)


def sections() -> dict[str, str]:
    """All generated sections by name."""
    made: dict[str, Callable[[], str]] = {
        "kinds": _kinds,
        "rules": _rules,
        "report-defaults": lambda: _defaults(REPORT_DEFAULTS),
        "screening-defaults": lambda: _defaults(SCREENING_DEFAULTS),
        "fields": _fields,
        "providers": _providers,
        "chains": _chains,
        "accounts": _accounts,
        "iban-countries": _iban_countries,
        "tracking": _tracking,
        "countries": lambda: _wrapped(sorted(COUNTRIES)),
        "usage": _usage,
        "roles": _roles,
        "evidence": _evidence,
        "left-out": lambda: _pairs("reason", LEFT_OUT),
        "actions": lambda: _pairs("action", ACTIONS),
    }
    texts = {name: make() for name, make in made.items()}
    return texts | {_slug(terms): _vocabulary(terms) for terms in Term.__subclasses__()}


def _slug(terms: type[Term]) -> str:
    return "vocabulary-" + re.sub(r"(?<=[a-z])(?=[A-Z])", "-", terms.__name__).lower()


def _table(heads: tuple[str, ...], lines: Iterable[tuple[object, ...]]) -> str:
    head = f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n"
    return head + "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def _vocabulary(terms: type[Term]) -> str:
    lines = (
        (entry.code, f"`{entry.label}`", entry.meaning, ", ".join(f"`{a}`" for a in entry.aliases))
        for entry in terms
    )
    return _table(("code", "label", "meaning", "also read"), lines)


def _kinds() -> str:
    lines = (
        (
            kind.code,
            f"`{kind.label}`",
            kind.meaning,
            f"`{PROFILES[kind]}`",
            MAX_LENGTH[kind],
            LIFETIMES[kind].days,
            "{}/{}".format(*LIFETIMES[kind].speed),
        )
        for kind in Kind
    )
    heads = ("code", "kind", "meaning", "profile", "longest", "life in days", "decay speed")
    return _table(heads, lines)


def _rules() -> str:
    return _table(("rule", "allowed is"), ((f"`{rule}`", text) for rule, text in RULES.items()))


def _defaults(defaults: ReportDefaults | ScreeningDefaults) -> str:
    lines = []
    for entry in defaults.__struct_fields__:
        value = getattr(defaults, entry)
        told = "must be stated" if value is None else "not stated" if value == "" else f"`{value}`"
        lines.append((f"`{entry}`", told))
    return _table(("field", "default"), lines)


def _fields() -> str:
    both = sorted(REPORT_FIELDS | SCREENING_FIELDS)
    lines = (
        (
            f"`{name}`",
            "yes" if name in REPORT_FIELDS else "",
            "yes" if name in SCREENING_FIELDS else "",
        )
        for name in both
    )
    return _table(("field", "report", "screening"), lines) + f"\n`case_ref` <= {CASE_REF_MAX}.\n"


def _providers() -> str:
    lines = (
        (
            f"`{entry.domain}`",
            ", ".join(f"`{name}`" for name in entry.alias),
            " ".join(f"`{character}`" for character in entry.ignored),
            f"`{entry.dot_as}`" if entry.dot_as != "." else "",
        )
        for entry in PROVIDERS
    )
    return _table(("mailbox domain", "aliases", "ignored", "dot is read as"), lines)


def _chains() -> str:
    names: dict[str, list[str]] = {}
    for name, chain in CHAIN_NAMES.items():
        names.setdefault(chain, []).append(f"`{name}`")
    lines = ((f"`{chain}:`", ", ".join(spelled)) for chain, spelled in names.items())
    return _table(("canonical prefix", "names read"), lines)


def _accounts() -> str:
    lines = (
        (country, scheme.meaning, *(f"`{_bar(x)}`" if x else "empty" for x in _parts(country)))
        for country, scheme in SCHEMES.items()
    )
    return _table(("country", "bank number", "bank", "branch", "account"), lines)


def _parts(country: str) -> tuple[str, str, str]:
    scheme = SCHEMES[country]
    return scheme.bank, scheme.branch, scheme.account


def _bar(expression: str) -> str:
    return expression.replace("|", "\\|")


def _iban_countries() -> str:
    return _wrapped([f"{country}:{structure}" for country, structure in structures().items()])


def _tracking() -> str:
    return _wrapped(["utm_*", *sorted(TRACKING_PARAMETERS)])


def _usage() -> str:
    lines = ((int(flag), f"`{str(flag.name).lower()}`") for flag in Usage)
    return _table(("bit", "label"), lines)


def _roles() -> str:
    lines = ((f"`{role.label}`", weight) for role, weight in ROLE_WEIGHT.items())
    return _table(("object role", "weight in %"), lines)


def _evidence() -> str:
    lines = ((f"`{level.label}`", weight) for level, weight in EVIDENCE_WEIGHT.items())
    return _table(("evidence level", "weight in %"), lines)


def _pairs(head: str, words: Mapping[str, str]) -> str:
    return _table((head, "meaning"), ((f"`{name}`", text) for name, text in words.items()))


def _wrapped(words: list[str]) -> str:
    """Words in a code block, at most 96 columns wide."""
    lines, line = ["```"], ""
    for word in words:
        if len(line) + len(word) + 1 > 96:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
    return "\n".join([*lines, line, "```\n"])
