"""Diagnosis: why there is no block, over HTTP.

Rules: always 200 while the process serves, whatever the verdict, so that a monitor reads the
document and not the status; /readyz is for load balancers.
"""

from __future__ import annotations

from api.exchange import Exchange, Reply, json_reply
from node.diagnosis.text import document
from node.service import NodeService


class DiagnosisRoutes:
    """Handler of the diagnosis."""

    def __init__(self, service: NodeService) -> None:
        self._service = service

    async def show(self, exchange: Exchange) -> Reply:
        """GET /v1/node/diagnosis."""
        exchange.query()
        return json_reply(200, document(self._service.diagnosis()))
