"""Cookies of the console: read strictly, set so that no other site and no script sees them.

Rules: HttpOnly, SameSite=Strict (Lax for the way to the identity provider and back), for this
session of the browser only, Secure whenever the request came over TLS. Browsers keep cookies by
host and not by port, so the port is part of the name: two nodes on one machine do not log each
other's visitors out.
"""

from __future__ import annotations

from typing import Final

from api.exchange import Exchange

MAX_COOKIE_BYTES: Final = 8_192
PATH: Final = "/console"
SESSION: Final = "bulwark_console"
LOGIN: Final = "bulwark_login"
OIDC: Final = "bulwark_oidc"


def read_cookie(exchange: Exchange, name: str) -> str:
    """Value of a cookie, empty where there is none."""
    raw = exchange.headers.get(b"cookie", b"")
    if not raw or len(raw) > MAX_COOKIE_BYTES:
        return ""
    wanted = _full(exchange, name)
    for part in raw.decode("latin-1").split(";"):
        given, _, value = part.strip().partition("=")
        if given == wanted:
            return value
    return ""


def set_cookie(
    exchange: Exchange, name: str, value: str, *, same_site: str = "Strict"
) -> tuple[bytes, bytes]:
    """Header that gives the browser a cookie until it is closed."""
    return _header(exchange, f"{_full(exchange, name)}={value}", same_site)


def drop_cookie(exchange: Exchange, name: str) -> tuple[bytes, bytes]:
    """Header that takes it away."""
    return _header(exchange, f"{_full(exchange, name)}=; Max-Age=0")


def is_secure(exchange: Exchange) -> bool:
    """Whether the request came over TLS, to this process or to a proxy that it trusts."""
    return bool(exchange.scope.get("scheme") == "https")


def _full(exchange: Exchange, name: str) -> str:
    server = exchange.scope.get("server")
    return f"{name}_{server[1]}" if server and server[1] else name


def _header(exchange: Exchange, text: str, same_site: str = "Strict") -> tuple[bytes, bytes]:
    secure = "; Secure" if is_secure(exchange) else ""
    whole = f"{text}; Path={PATH}; HttpOnly; SameSite={same_site}{secure}"
    return b"set-cookie", whole.encode("ascii")
