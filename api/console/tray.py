"""Tray: results of a session's forms, so that one sent twice does one thing and leads to one page.

Rules: memory only, gone with the session; bounded, the oldest goes first. A form carries a ticket
that its page made: the first to arrive with a ticket is served, a second one waits for it and is
led to the same page. Clear text that somebody typed and secrets that were just made are kept here
and nowhere else, so no address, log or cache has them. A secret is handed out once.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

RandomBytes = Callable[[int], bytes]

TICKET_BYTES: Final = 24
MOST_KEPT: Final = 16
"""Results of one session."""
MOST_TICKETS: Final = 64
"""Forms of one session that are known to be served."""
_TICKET: Final = re.compile(r"[A-Za-z0-9_-]{32}\Z")


class NoTicket(Exception):
    """A form came without a ticket of its page."""


class Interrupted(Exception):
    """The same form was sent a moment before, and its request ended before it was served."""


class Tray:
    """Results and served forms of one session."""

    def __init__(self, random_bytes: RandomBytes) -> None:
        self._random = random_bytes
        self._kept: OrderedDict[str, object] = OrderedDict()
        self._served: OrderedDict[str, asyncio.Future[str]] = OrderedDict()

    def ticket(self) -> str:
        """A name for one form; also for one result."""
        return base64.urlsafe_b64encode(self._random(TICKET_BYTES)).decode("ascii")

    def keep(self, result: object) -> str:
        """Keep a result; its name."""
        name = self.ticket()
        self._kept[name] = result
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return name

    def show(self, name: str) -> object | None:
        """A result that is kept; None for one that is not, or not any more."""
        return self._kept.get(name)

    def take(self, name: str) -> object | None:
        """A result, for the last time."""
        return self._kept.pop(name, None)

    async def once(self, ticket: str, work: Callable[[], Awaitable[str]]) -> str:
        """The path that a form leads to: `work` is done once for a ticket.

        What `work` raises is raised here, and the ticket may be used again. Who waits for a
        request that went away gets Interrupted.
        """
        if _TICKET.match(ticket) is None:
            raise NoTicket
        earlier = self._served.get(ticket)
        if earlier is not None:
            return await asyncio.shield(earlier)
        place: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._served[ticket] = place
        while len(self._served) > MOST_TICKETS:
            self._served.popitem(last=False)
        try:
            path = await work()
        except BaseException as error:
            self._served.pop(ticket, None)
            place.set_exception(error if isinstance(error, Exception) else Interrupted())
            place.exception()  # nobody may be waiting, and that is no fault
            raise
        place.set_result(path)
        return path
