"""Evidence: the cases against validators that this node holds, and posting one to the ledger.

Rules: a case is shown with the very bytes that were signed, so that whoever reads it needs to trust
neither this node nor its words; posting the same case again does nothing and answers the same.
"""

from __future__ import annotations

import re
from typing import Final

from api.exchange import Exchange, Reply, json_reply
from api.problems import Problem, refused
from bulwark.ledger.ids import Digest
from node.evidence import document, summary
from node.service import NodeService

MAX_BODY_BYTES: Final = 1024
_ID: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{64}\Z")


class EvidenceRoutes:
    """Handlers of evidence."""

    def __init__(self, service: NodeService) -> None:
        self._service = service

    async def list(self, exchange: Exchange) -> Reply:
        """GET /v1/evidence."""
        exchange.query()
        found = [summary(entry) for entry in self._service.evidence()]
        return json_reply(200, {"evidence": found})

    async def show(self, exchange: Exchange) -> Reply:
        """GET /v1/evidence/{evidence_id}."""
        exchange.query()
        return json_reply(200, document(self._service.evidence_of(_identity(exchange))))

    async def post(self, exchange: Exchange) -> Reply:
        """POST /v1/evidence/{evidence_id}/post."""
        exchange.query()
        identity = _identity(exchange)
        body = (await exchange.body(MAX_BODY_BYTES)).strip()
        if body not in (b"", b"{}"):
            raise Problem(422, "invalid", "the body wants nothing, or an empty object")
        return json_reply(202, summary(await self._service.post_evidence(identity)))


def _identity(exchange: Exchange) -> Digest:
    text = exchange.params["evidence_id"]
    if _ID.match(text) is None:
        allowed = "64 hexadecimal digits"
        raise refused("evidence_id", allowed)
    return Digest(bytes.fromhex(text.removeprefix("0x")))
