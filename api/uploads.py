"""Uploads: how many are served at a time, and how far each of them is.

Rules: an upload is known by the x-correlator of its request, so a client that chose one can ask
how far it is while it waits for the answer (of several with one, the newest is shown); the key that
sent it asks, operators and admins see all; the last ones that ended are kept for a while. Nothing
of a row is kept here, only counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from api import documentation as doc
from api import upload_schemas as schemas
from api.exchange import Exchange, Reply, Route, json_reply
from api.problems import Problem
from api.settings import ApiSettings
from api.views import timestamp
from node.service import Caller, NotFound, Progress, Role

ALL_SEEN_BY: Final = frozenset({Role.OPERATOR, Role.ADMIN})
ASKERS: Final = frozenset({Role.REPORTER, Role.ANALYST, Role.OPERATOR, Role.ADMIN})
MOST: Final = 64
"""Uploads that are remembered; those that ended go first."""
_LIST: Final = doc.operation(
    "listUploads", "uploads", "List uploads under way and the last ones", {200: schemas.UploadsOut}
)
_SHOW: Final = doc.operation(
    "showUpload",
    "uploads",
    "Show how far an upload is, by the x-correlator of its request",
    {200: schemas.UploadOut},
    path=["correlator"],
    problems=(404,),
)


@dataclass(slots=True)
class Upload:
    """One upload."""

    correlator: str
    kind: str
    """`screening` or `report`."""
    by: Caller
    started_ms: int
    ended_ms: int | None = None
    failed: bool = False
    total: int = 0
    """Rows, once all are read."""
    done: int = 0
    untagged: int = 0
    """Rows of them whose tag could not be computed."""

    def began(self, total: int, refused: int) -> Progress:
        """All rows are read, some refused at once; told how far the others are."""
        self.total, self.done = total, refused

        def moved(done: int, untagged: int) -> None:
            self.done, self.untagged = refused + done, untagged

        return moved


class Uploads:
    """Uploads being served, and those of a while ago."""

    def __init__(self, most: int, now_ms: Callable[[], int]) -> None:
        self._most = most
        self._now_ms = now_ms
        self._known: list[Upload] = []
        """The oldest first."""

    @contextmanager
    def slot(self, exchange: Exchange, kind: str) -> Iterator[Upload]:
        """Hold one place; Problem 429 when all are taken."""
        if sum(upload.ended_ms is None for upload in self._known) >= self._most:
            detail = f"{self._most} uploads are being served, come back when one is done"
            raise Problem(429, "busy", detail, headers={"retry-after": "5"})
        upload = Upload(exchange.correlator, kind, exchange.caller, self._now_ms())
        self._known.append(upload)
        self._forget()
        upload.failed = True
        try:
            yield upload
            upload.failed = False
        finally:
            upload.ended_ms = self._now_ms()

    def _forget(self) -> None:
        """Drop the oldest of those that ended, as far as there are too many."""
        over = max(0, len(self._known) - max(MOST, self._most))
        for upload in [known for known in self._known if known.ended_ms is not None][:over]:
            self._known.remove(upload)

    async def every(self, exchange: Exchange) -> Reply:
        """GET /v1/uploads."""
        exchange.query()
        seen = [self._document(upload) for upload in reversed(self._seen_by(exchange.caller))]
        return json_reply(200, {"uploads": seen})

    async def show(self, exchange: Exchange) -> Reply:
        """GET /v1/uploads/{correlator}."""
        exchange.query()
        wanted = exchange.params["correlator"]
        for upload in reversed(self._seen_by(exchange.caller)):
            if upload.correlator == wanted:
                return json_reply(200, self._document(upload))
        raise NotFound("no upload of this key has this x-correlator")

    def _seen_by(self, caller: Caller) -> list[Upload]:
        every = caller.role in ALL_SEEN_BY
        return [u for u in self._known if every or u.by.key_id == caller.key_id]

    def _document(self, upload: Upload) -> dict[str, object]:
        end = self._now_ms() if upload.ended_ms is None else upload.ended_ms
        seconds = max(0, end - upload.started_ms) / 1000
        over = "failed" if upload.failed else "done"
        return {
            "correlator": upload.correlator,
            "kind": upload.kind,
            "key": upload.by.key_id,
            "state": "running" if upload.ended_ms is None else over,
            "started": timestamp(upload.started_ms),
            "rows": upload.total,
            "done": upload.done,
            "untagged": upload.untagged,
            "seconds": round(seconds, 3),
            "rows_per_second": round(upload.done / seconds, 1) if seconds else 0.0,
        }


def upload_routes(at: Uploads, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    limit = settings.request_timeout_ms
    return [
        Route("GET", "/v1/uploads", at.every, ASKERS, _LIST, limit),
        Route("GET", "/v1/uploads/{correlator}", at.show, ASKERS, _SHOW, limit),
    ]
