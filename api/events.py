"""Events over REST: a paged list, or a stream for who asks for text/event-stream.

Rules: events name own questions, so the keys that screen read them, as recalls; list and stream go
on behind a number, and a stream behind the id that it showed last, so nothing is missed between two
connections and nothing comes twice. Of what the log dropped meanwhile the stream says so, as an
event `gap`. Streams are those of `api.streams`.
"""

from __future__ import annotations

import re
from typing import Final

import orjson

from api import documentation as doc
from api import push_schemas as schemas
from api.exchange import Exchange, Reply, Route, json_reply
from api.problems import refused
from api.query import documented, number
from api.settings import ApiSettings
from api.streams import EVENTS, Streams, frame
from node.push.port import MAX_PAGE, Event, EventType, Gap, PushService
from node.service import Role

READERS: Final = frozenset({Role.REPORTER, Role.ANALYST, Role.OPERATOR, Role.ADMIN})
_LAST: Final = re.compile(r"(?:([0-9a-f]{16})-)?(0|[1-9][0-9]{0,17})\Z")
_TYPES: Final = [kind.value for kind in EventType]
_QUERY: Final = (
    {
        "name": "after",
        "in": "query",
        "description": "Number, or id, of the last event that was read",
        "schema": {"type": "string", "pattern": "^([0-9a-f]{16}-)?(0|[1-9][0-9]{0,17})$"},
    },
    documented("most", "Length of the page", 100, 1, MAX_PAGE),
    {
        "name": "types",
        "in": "query",
        "description": "Types to show, with commas between; all if left out",
        "schema": {
            "type": "string",
            "pattern": f"^({'|'.join(_TYPES)})(,({'|'.join(_TYPES)}))*$",
        },
    },
)
_LIST: Final = doc.operation(
    "listEvents",
    "events",
    "List events, oldest first; with Accept: text/event-stream follow them as they come",
    {200: schemas.EventsOut},
    parameters=_QUERY,
)


class EventRoutes:
    """Handlers of /v1/events."""

    def __init__(self, service: PushService) -> None:
        self._service = service
        self._streams = Streams()

    async def events(self, exchange: Exchange) -> Reply:
        """GET /v1/events."""
        given = exchange.query("after", "most", "types")
        types = _types(given.get("types"))
        if EVENTS in exchange.headers.get(b"accept", b"").lower():
            last = exchange.headers.get(b"last-event-id", b"").decode("latin-1")
            log, after = _position("after", last or given.get("after", "0"))
            source = self._service.stream(after, types, log)
            return self._streams.reply(exchange, source, self._frame)
        log, after = _position("after", given.get("after", "0"))
        most = number(given, "most", 100, 1, MAX_PAGE)
        page = self._service.events(after, most, types, log)
        shown = {
            "log": page.log,
            "events": [self._document(identity, event) for identity, event in page.events],
            "next": page.next,
            "first": page.first,
        }
        return json_reply(200, shown)

    def _document(self, identity: str, event: Event) -> dict[str, object]:
        return {
            "id": identity,
            "number": event.number,
            "type": event.type.value,
            "member": self._service.member,
            "time_ms": event.time_ms,
            "height": event.height,
            "data": dict(event.data),
        }

    def _frame(self, shown: tuple[str, Event | Gap]) -> bytes:
        identity, event = shown
        if isinstance(event, Gap):
            data = {"after": event.after, "first": event.first}
            return frame(identity, "gap", orjson.dumps(data))
        return frame(identity, event.type.value, orjson.dumps(self._document(identity, event)))


def event_routes(at: EventRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    return [Route("GET", "/v1/events", at.events, READERS, _LIST, settings.request_timeout_ms)]


def _types(text: str | None) -> tuple[EventType, ...]:
    if text is None:
        return ()
    names = text.split(",")
    if not set(names) <= set(_TYPES):
        raise refused("types", f"some of {', '.join(_TYPES)}, with commas between")
    return tuple(EventType(name) for name in dict.fromkeys(names))


def _position(name: str, text: str) -> tuple[str | None, int]:
    found = _LAST.match(text)
    if found is None:
        raise refused(name, "a whole number, or the id of an event")
    return found[1], int(found[2])
