"""Log-in and log-out: an API key for a session.

Rules: the key comes in a form over POST, is compared with hashes and forgotten; wrong keys count
against the address as over REST; a log-in always begins a new session and ends the one before.
Who screens begins at the question.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from api.auth import Principal
from api.console.cookies import (
    LOGIN,
    SESSION,
    drop_cookie,
    is_secure,
    read_cookie,
    set_cookie,
)
from api.console.gate import Door, is_own_path
from api.console.sessions import LoginForms, Sessions
from api.console.source import STAFF
from api.console.visit import View, Visit, redirect
from api.exchange import Reply
from api.problems import Problem

HOME: Final = "/console"
DESK: Final = "/console/screening"
"""The first page of who screens."""
MAX_KEY_CHARS: Final = 128
_TEMPLATE: Final = "login.html"
_log = logging.getLogger("bulwark.api.console")


def landing(wish: str, principal: Principal) -> str:
    """Where a log-in leads: to the page that was asked for, else to the first one of the role."""
    if is_own_path(wish) and wish != HOME:
        return wish
    return DESK if principal.role in STAFF else HOME


class LoginPages:
    """Handlers of /console/login and /console/logout."""

    def __init__(
        self, sessions: Sessions, forms: LoginForms, door: Door, clock: Callable[[], int]
    ) -> None:
        self._clock = clock
        self._sessions = sessions
        self._forms = forms
        self._door = door

    async def form(self, visit: Visit) -> View | Reply:
        """GET /console/login."""
        query = visit.exchange.query("next", "over")
        wish = query.get("next", HOME)
        if visit.session is not None:
            return redirect(wish if is_own_path(wish) else HOME)
        message = "The session is over; log in again." if "over" in query else None
        return self._form(visit, wish, message)

    async def enter(self, visit: Visit) -> View | Reply:
        """POST /console/login."""
        exchange, form = visit.exchange, visit.form
        exchange.query()
        wish = form.get("next", HOME)
        cookie = read_cookie(exchange, LOGIN)
        if not self._forms.belongs(cookie, form.get("token", "")):
            message = "The form was too old, or the browser keeps no cookies. Try again."
            return self._form(visit, wish, message, status=403)
        key = form.get("key", "").strip()
        try:
            principal = self._door.identify(key[: MAX_KEY_CHARS + 1].encode(), exchange.client)
        except Problem as problem:
            if problem.status == 429:
                raise
            message = "This node knows no such key. Nothing was logged of what you typed."
            return self._form(visit, wish, message, status=401)
        headers = self.begin(visit, principal, "console.api-key")
        return redirect(landing(wish, principal), *headers)

    def begin(
        self, visit: Visit, principal: Principal, how: str
    ) -> tuple[tuple[bytes, bytes], ...]:
        """A new session in the place of the one before; its headers."""
        exchange = visit.exchange
        exchange.principal = principal
        self._sessions.end(read_cookie(exchange, SESSION))
        identity = self._sessions.begin(principal, self._clock())
        self._door.entrance.identities.logged_in(principal, how)
        fields = {"key": principal.key_id, "role": principal.role, "client": exchange.client}
        _log.info("console log-in", extra={"fields": fields})
        return set_cookie(exchange, SESSION, identity), drop_cookie(exchange, LOGIN)

    async def leave(self, visit: Visit) -> Reply:
        """POST /console/logout."""
        visit.exchange.query()
        self._sessions.end(read_cookie(visit.exchange, SESSION))
        return redirect("/console/login", drop_cookie(visit.exchange, SESSION))

    def _form(self, visit: Visit, wish: str, message: str | None, status: int = 200) -> View:
        cookie = self._forms.cookie()
        values = {
            "token": self._forms.token(cookie),
            "next": wish if is_own_path(wish) else HOME,
            "message": message,
            "secure": is_secure(visit.exchange),
            "oidc": self._door.entrance.identities.log_in is not None,
        }
        headers = (set_cookie(visit.exchange, LOGIN, cookie),)
        return View(_TEMPLATE, "Log in", values, status=status, headers=headers)
