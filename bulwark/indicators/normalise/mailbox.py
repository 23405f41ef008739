"""E-mail addresses: every spelling to the one mailbox it reaches, provider-aware.

Rules: the domain as in ``host``; the local part in NFC and case-folded (no large provider tells
case apart). For providers that publish such rules, ignored dots and tags after '+' are dropped and
alias domains joined: two spellings that reach the same mailbox must give one tag on the ledger.
For all other domains dots and tags stay, because there they may be different people. Quoted local
parts and comments are refused. Nothing is resolved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from email_validator import EmailNotValidError, validate_email

from bulwark.indicators.normalise.host import canonical_domain, is_plain_domain
from bulwark.indicators.normalise.outcome import refuse
from bulwark.indicators.normalise.text import clean, fold, refang_at, refang_dots
from bulwark.indicators.vocabulary import Kind

LOCAL_MAX: Final = 64
ADDRESS_MAX: Final = 254

_ATOM: Final = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_ANGLE: Final = re.compile(r"[^<>]*<([^<>]+)>")
_MAILTO: Final = re.compile(r"mailto:([^?]*)(?:\?.*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Provider:
    """How one provider reads local parts: its main domain and which characters it ignores."""

    domain: str
    ignored: str = ""
    alias: tuple[str, ...] = ()
    dot_as: str = "."


PROVIDERS: Final = (
    Provider("gmail.com", ignored=".", alias=("googlemail.com",)),
    Provider("proton.me", ignored=".-_", alias=("protonmail.com", "protonmail.ch", "pm.me")),
    Provider(
        "yandex.ru",
        alias=("ya.ru", "yandex.com", "yandex.by", "yandex.kz", "yandex.ua"),
        dot_as="-",
    ),
    Provider("outlook.com"),
    Provider("hotmail.com"),
    Provider("live.com"),
    Provider("msn.com"),
    Provider("icloud.com"),
    Provider("me.com"),
    Provider("mac.com"),
    Provider("fastmail.com"),
    Provider("fastmail.fm"),
    Provider("zoho.com"),
)
"""Providers whose public rules say that '+tag' reaches the same mailbox."""

_BY_DOMAIN: Final = {name: entry for entry in PROVIDERS for name in (entry.domain, *entry.alias)}


def normalise_email(given: str, _region: str | None) -> str:
    """``A.B+x@GoogleMail.com`` -> ``ab@gmail.com``; rules email.*."""
    local, at, domain = given.partition("@")
    if at and is_plain_domain(domain) and len(local) <= LOCAL_MAX and _LOCAL.fullmatch(local):
        return _mailbox(local, domain)
    return _carefully(clean(Kind.EMAIL, given))


def _carefully(text: str) -> str:
    angle = _ANGLE.fullmatch(text)
    text = (angle[1] if angle else text).strip()
    mailto = _MAILTO.fullmatch(text)
    text = refang_at(refang_dots(mailto[1] if mailto else text))
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        refuse(Kind.EMAIL, "email.syntax")
    domain = canonical_domain(Kind.EMAIL, domain, "email.domain")
    local = fold(Kind.EMAIL, local)
    if len(local) > LOCAL_MAX:
        refuse(Kind.EMAIL, "email.length")
    if _LOCAL.fullmatch(local) is None:
        local = _international(local)
    return _mailbox(local, domain)


def _international(local: str) -> str:
    """A local part with characters beyond ASCII, as RFC 6531 and email-validator allow it."""
    try:
        checked = validate_email(f"{local}@example.com", check_deliverability=False)
    except EmailNotValidError:
        refuse(Kind.EMAIL, "email.syntax")
    return fold(Kind.EMAIL, checked.local_part)


def _mailbox(local: str, domain: str) -> str:
    provider = _BY_DOMAIN.get(domain)
    if provider is not None:
        local = local.partition("+")[0]
        for character in provider.ignored:
            local = local.replace(character, "")
        local = local.replace(".", provider.dot_as)
        domain = provider.domain
        if not local.strip("-"):
            refuse(Kind.EMAIL, "email.empty-mailbox")
    if len(local.encode()) > LOCAL_MAX or len(local) + len(domain) >= ADDRESS_MAX:
        refuse(Kind.EMAIL, "email.length")
    return f"{local}@{domain}"
