"""URLs: the WHATWG form without what does not name the page.

Rules: ada parses as browsers do (case, dot segments, IPv4 in odd bases, punycode); user, password,
fragment, default port and known tracking parameters go; percent-encoding is reduced to what is
needed (RFC 3986 6.2.2: unreserved characters decoded, hex in capitals); a final dot of the host
goes. Scheme, path case and parameter order stay, since servers may tell them apart. A missing
scheme and ``hxxp`` are read as http. Nothing is fetched.
"""

from __future__ import annotations

import re
from typing import Final

import ada_url

from bulwark.indicators.normalise.host import checked_ascii_domain, is_plain_domain
from bulwark.indicators.normalise.outcome import MAX_LENGTH, refuse
from bulwark.indicators.normalise.text import clean, refang_colon, refang_dots
from bulwark.indicators.vocabulary import Kind

TRACKING_PARAMETERS: Final = frozenset(
    {
        *("_ga", "_gl", "dclid", "fbclid", "gbraid", "gclid", "gclsrc", "igsh", "igshid"),
        *("li_fat_id", "mc_cid", "mc_eid", "mkt_tok", "msclkid", "oly_anon_id", "oly_enc_id"),
        *("srsltid", "ttclid", "twclid", "vero_id", "wbraid", "yclid", "ysclid", "_hsenc", "_hsmi"),
    }
)
"""Parameters that advertisers add to a link; besides these, every name that starts with utm_."""

SCHEMES: Final = frozenset({"http:", "https:", "ftp:", "ws:", "wss:"})

_SEGMENTS: Final = r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?"
_PLAIN: Final = re.compile(rf"https?://([a-z0-9.-]+)({_SEGMENTS})(?:\?([A-Za-z0-9._~=&-]+))?")
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*):(?=//)", re.IGNORECASE)
_DEFANGED: Final = re.compile(r"h[tx*]{2}p(s?)", re.IGNORECASE)
_HOST_FIRST: Final = re.compile(r"(?!\w+:(?!\d))[\w\[][^\s]*", re.IGNORECASE)
_PERCENT: Final = re.compile(r"%([0-9a-fA-F]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def normalise_url(given: str, _region: str | None) -> str:
    """``hxxp://User@EVIL[.]com:80/%7ea?utm_id=1#x`` -> ``http://evil.com/~a``; rules url.*."""
    plain = _PLAIN.fullmatch(given)
    if plain is not None and is_plain_domain(plain[1]) and len(given) < MAX_LENGTH[Kind.URL]:
        path, query = plain[2], plain[3]
        if query is None:
            return given if path else given + "/"
        if path and _without_tracking(query) == query:
            return given
    return by_parser(clean(Kind.URL, given))


def by_parser(text: str) -> str:
    canonical = _reduced(_with_scheme(refang_colon(refang_dots(text))))
    if len(canonical) > MAX_LENGTH[Kind.URL]:
        refuse(Kind.URL, "value.too-long")
    # Decoding an escape could uncover something that reads differently: such a text has no form.
    if "%" in text and _reduced(canonical) != canonical:
        refuse(Kind.URL, "url.syntax")
    return canonical


def _with_scheme(text: str) -> str:
    scheme = _SCHEME.match(text)
    if scheme is not None:
        defanged = _DEFANGED.fullmatch(scheme[1])
        if defanged is not None:
            return f"http{defanged[1].lower()}{text[scheme.end(1) :]}"
        return text
    if text.startswith("//"):
        return "http:" + text
    if _HOST_FIRST.match(text) is None:
        refuse(Kind.URL, "url.scheme")
    return "http://" + text


def _reduced(text: str) -> str:
    try:
        url = ada_url.URL(text)
        scheme, port, host = url.protocol, url.port, url.hostname
        path, query, host_type = url.pathname, url.search, url.host_type
    except (ValueError, UnicodeError):
        refuse(Kind.URL, "url.syntax")
    if scheme not in SCHEMES:
        refuse(Kind.URL, "url.scheme")
    if host_type == ada_url.HostType.DEFAULT:
        host = checked_ascii_domain(Kind.URL, host.removesuffix("."), "url.host")
    colon = f":{port}" if port else ""
    kept = _without_tracking(_PERCENT.sub(_escape, query[1:]))
    mark = "?" if kept else ""
    return f"{scheme}//{host}{colon}{_PERCENT.sub(_escape, path)}{mark}{kept}"


def _escape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


def _without_tracking(query: str) -> str:
    if not query:
        return ""
    return "&".join(part for part in query.split("&") if part and not _is_tracking(part))


def _is_tracking(part: str) -> bool:
    name = part.partition("=")[0].lower()
    return name.startswith("utm_") or name in TRACKING_PARAMETERS
