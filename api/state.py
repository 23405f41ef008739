"""State: blocks, members, the node itself, health, readiness, metrics.

Rules: /healthz says only that the process answers; /readyz says whether it serves, 503 with the
failing checks when it does not, with numbers of the voting (epoch, how many validators are heard
and needed, until when this one is silent). Neither names anybody to somebody without a key.
"""

from __future__ import annotations

import re
from typing import Final

import orjson

from api.exchange import Exchange, Reply, json_reply
from api.metrics import ApiMetrics
from api.problems import refused
from api.views import block_document, member_document
from node.service import NodeService

METRICS_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
_HEIGHT: Final = re.compile(r"(?:0|[1-9][0-9]{0,17})\Z")
_NAMED: Final = frozenset(("latest", "finalized"))


class StateRoutes:
    """Handlers that read the chain and the node."""

    def __init__(self, service: NodeService, metrics: ApiMetrics) -> None:
        self._service = service
        self._metrics = metrics

    async def block(self, exchange: Exchange) -> Reply:
        """GET /v1/blocks/{at}."""
        exchange.query()
        text = exchange.params["at"]
        if text not in _NAMED and _HEIGHT.match(text) is None:
            allowed = "a height, latest or finalized"
            raise refused("at", allowed)
        view = await self._service.block(text if text in _NAMED else int(text))
        return json_reply(200, block_document(view))

    async def members(self, exchange: Exchange) -> Reply:
        """GET /v1/members."""
        exchange.query()
        shown = [member_document(member) for member in self._service.members()]
        return json_reply(200, {"members": shown})

    async def node(self, exchange: Exchange) -> Reply:
        """GET /v1/node."""
        exchange.query()
        # The node's state is free JSON; what is no JSON type (a path, say) is shown as text.
        status = dict(self._service.status())
        return Reply(200, orjson.dumps(status, default=str, option=orjson.OPT_NON_STR_KEYS))

    async def health(self, exchange: Exchange) -> Reply:
        """GET /healthz."""
        return json_reply(200, {"status": "ok"})

    async def ready(self, exchange: Exchange) -> Reply:
        """GET /readyz."""
        readiness = self._service.readiness()
        document: dict[str, object] = {
            "ready": readiness.ready,
            "checks": dict(readiness.checks),
        }
        if readiness.voting:
            document["voting"] = dict(readiness.voting)
        return json_reply(200 if readiness.ready else 503, document)

    async def metrics(self, exchange: Exchange) -> Reply:
        """GET /metrics."""
        text = self._service.metrics()
        if text and not text.endswith(b"\n"):
            text += b"\n"
        return Reply(200, text + self._metrics.expose(), METRICS_TYPE)
