"""Recalls over REST: a paged list and a stream of server-sent events, for this member's systems.

Rules: a recall says which own questions a fallen record answered, so the keys that screen read it;
the list and the stream go on behind a number, so nothing is missed between two connections.
Streams are those of `api.streams`.
"""

from __future__ import annotations

import json
from typing import Final

from api import documentation as doc
from api import erasure_schemas as schemas
from api.exchange import Exchange, Reply, Route, json_reply
from api.query import documented, number
from api.settings import ApiSettings
from api.streams import Streams, frame
from node.recall.port import MAX_PAGE, Recall, RecallService
from node.service import Role

READERS: Final = frozenset({Role.REPORTER, Role.ANALYST, Role.OPERATOR, Role.ADMIN})
_AFTER: Final = documented("after", "Number of the last recall that was read", 0)
_MOST: Final = documented("most", "Length of the page", 100, 1, MAX_PAGE)
_LIST: Final = doc.operation(
    "listRecalls",
    "recalls",
    "List recalls: records that answered this member and stand no more",
    {200: schemas.RecallsOut},
    parameters=(_AFTER, _MOST),
)
_STREAM: Final = doc.operation(
    "streamRecalls",
    "recalls",
    "Follow recalls as server-sent events; Last-Event-ID goes on behind a number",
    {200: "text/event-stream"},
    parameters=(_AFTER,),
)


class RecallRoutes:
    """Handlers of /v1/recalls."""

    def __init__(self, service: RecallService) -> None:
        self._service = service
        self._streams = Streams()

    async def list(self, exchange: Exchange) -> Reply:
        """GET /v1/recalls."""
        given = exchange.query("after", "most")
        after, length = number(given, "after", 0), number(given, "most", 100, 1, MAX_PAGE)
        found = self._service.recalls(after, length)
        page = {
            "recalls": [recall_document(recall) for recall in found],
            "next": found[-1].number if len(found) == length else None,
        }
        return json_reply(200, page)

    async def stream(self, exchange: Exchange) -> Reply:
        """GET /v1/recalls/stream."""
        given = exchange.query("after")
        last = exchange.headers.get(b"last-event-id", b"").decode("latin-1")
        after = number({"after": given.get("after") or last or "0"}, "after", 0)
        return self._streams.reply(exchange, self._service.stream(after), _event)


def recall_routes(at: RecallRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    limit = settings.request_timeout_ms
    return [
        Route("GET", "/v1/recalls", at.list, READERS, _LIST, limit),
        Route("GET", "/v1/recalls/stream", at.stream, READERS, _STREAM, limit),
    ]


def recall_document(recall: Recall) -> dict[str, object]:
    """A recall."""
    return {
        "id": recall.number,
        "record_id": recall.record_id.hex(),
        "reason": recall.cause,
        "time_ms": recall.time_ms,
        "height": recall.height,
        "questions": [
            {"id": q.number, "time_ms": q.time_ms, "asked_by": q.who, "case_ref": q.case_ref}
            for q in recall.questions
        ],
        "delivery": recall.delivery.label,
        "tries": recall.tries,
    }


def _event(recall: Recall) -> bytes:
    data = json.dumps(recall_document(recall), separators=(",", ":"))
    return frame(str(recall.number), "recall", data.encode())
