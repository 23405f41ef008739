"""Log-in at the member's identity provider: out to it and back, beside the log-in by API key.

Rules: the browser goes out with a cookie that only this log-in knows and comes back with a code,
which the node turns into a token itself (`node.identity.login`). That cookie is SameSite=Lax, since
the way back begins at another site; the session's own is Strict, so the page that sets it leads on
by itself instead of redirecting. A log-in always begins a new session. Query, code and token stand
in no log.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from api.auth import Entrance, address_group
from api.console.cookies import OIDC, drop_cookie, read_cookie, set_cookie
from api.console.gate import is_own_path
from api.console.login import HOME, LoginPages, landing
from api.console.visit import HTML_TYPE, View, Visit
from api.exchange import Reply
from api.problems import Problem, malformed
from node.identity.port import LogIn, ProviderUnreachable, TokenRefused

MAX_QUERY_BYTES: Final = 8_192
"""Codes of some providers are long."""


class OidcPages:
    """Handlers of /console/oidc."""

    def __init__(self, entrance: Entrance, login: LoginPages) -> None:
        self._entrance = entrance
        self._login = login

    async def start(self, visit: Visit) -> Reply:
        """GET /console/oidc/start."""
        wish = visit.exchange.query("next").get("next", HOME)
        try:
            location, cookie = await self._log_in().start(wish if is_own_path(wish) else HOME)
        except ProviderUnreachable as error:
            raise _away(error) from error
        headers = (
            (b"location", location.encode("ascii")),
            set_cookie(visit.exchange, OIDC, cookie, same_site="Lax"),
        )
        return Reply(303, b"", HTML_TYPE, headers)

    async def callback(self, visit: Visit) -> View:
        """GET /console/oidc/callback."""
        exchange = visit.exchange
        query = _query(exchange.scope.get("query_string", b""))
        log_in = self._log_in()
        cookie = read_cookie(exchange, OIDC)
        if "error" in query:  # its text is the provider's and is not shown
            log_in.abandon(query.get("state", ""))
            raise self._refused(visit, "the identity provider did not let you in")
        try:
            principal, wish = await log_in.finish(
                query.get("state", ""), query.get("code", ""), cookie, query.get("iss")
            )
        except TokenRefused as error:
            raise self._refused(visit, error.detail) from error
        except ProviderUnreachable as error:
            raise _away(error) from error
        headers = self._login.begin(visit, principal, "console.oidc")
        values = {"target": landing(wish, principal)}
        drop = drop_cookie(exchange, OIDC)
        return View("oidc_done.html", "Logged in", values, headers=(*headers, drop))

    def _log_in(self) -> LogIn:
        found = self._entrance.identities.log_in
        if found is None:
            raise Problem(404, "not-found", "this node has no log-in at an identity provider")
        return found

    def _refused(self, visit: Visit, detail: str) -> Problem:
        client = visit.exchange.client
        self._entrance.identities.refused("console.oidc", address_group(client))
        return Problem(403, "forbidden", f"{detail}; log in again")


def _away(error: ProviderUnreachable) -> Problem:
    return Problem(503, "unavailable", error.detail, headers={"retry-after": "5"})


def _query(raw: bytes) -> dict[str, str]:
    """Parameters of the provider's redirect; it may send some that nobody knows."""
    if len(raw) > MAX_QUERY_BYTES:
        raise malformed(f"the query is over {MAX_QUERY_BYTES} bytes")
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=32
        )
    except ValueError as error:
        raise malformed("the query is not percent-encoded UTF-8") from error
    query = dict(pairs)
    if len(query) != len(pairs):
        raise malformed("a query parameter is given twice")
    return query
