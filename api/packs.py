"""Evidence packs and seals over REST, for auditors.

Rules: an auditor's or admin's key asks; a pack is made while it is sent and kept nowhere on the
node, so that it outlives no erasure there; one is made at a time. A seal is a certified header with
the ends of all epochs before it: whoever compares two nodes needs to trust neither.
"""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from api import documentation as doc
from api import schemas
from api.access import READERS
from api.exchange import JSON_TYPE, Exchange, Reply, Route, json_reply
from api.pack_schemas import MAX_HEIGHT, PackIn, SealOut
from api.problems import FieldProblem, Problem, refused
from api.query import documented, number_given
from api.settings import ApiSettings
from bulwark.ledger.ids import Height, MemberId, RecordId
from node.audit.packport import PackService, PackWish

PACK_TYPE: Final = b"application/zip"
ACCESS_NAME: Final = "access-anchors.json"
"""The paper that the node adds itself."""
SEAL_FORMAT: Final = "bulwark-sealed-header/1"
MAX_BODY_BYTES: Final = 8 * 1024 * 1024


def _height(name: str, description: str) -> dict[str, object]:
    return documented(name, description, most=MAX_HEIGHT) | {"required": True}


_PACK: Final = doc.operation(
    "makePack",
    "audit",
    "Make an evidence pack, for `bulwark verify pack FILE --genesis FILE`",
    {200: PACK_TYPE.decode()},
    body=doc.json_body(PackIn, required=False),
    problems=(404, 409),
)
_SEAL: Final = doc.operation(
    "showSeal",
    "audit",
    "Show the lowest certified header at or above a height with its proof from genesis",
    {200: SealOut},
    parameters=(_height("height", "Least height"),),
    problems=(409,),
)
_CONSISTENCY: Final = doc.operation(
    "proveConsistency",
    "audit",
    "Prove that the record log of one block only adds to that of an earlier one",
    {200: schemas.ProofOut},
    parameters=(_height("first", "Earlier block"), _height("second", "Later block")),
    problems=(409,),
)


class PackRoutes:
    """Handlers of packs and seals."""

    def __init__(self, service: PackService) -> None:
        self._service = service

    async def pack(self, exchange: Exchange) -> Reply:
        """POST /v1/audit/packs."""
        exchange.query()
        wish = await _wish(exchange)
        made = await self._service.pack(wish, by=exchange.caller)
        headers = (
            (b"content-disposition", b'attachment; filename="evidence.pack"'),
            (b"x-content-hash", made.content_hash.encode("ascii")),
        )
        return Reply(200, b"", PACK_TYPE, headers, made.chunks, made.size)

    async def seal(self, exchange: Exchange) -> Reply:
        """GET /v1/audit/seal."""
        (height,) = _heights(exchange, "height")
        sealed = await self._service.seal(height)
        return json_reply(200, {"format": SEAL_FORMAT, "sealed": sealed.document()})

    async def consistency(self, exchange: Exchange) -> Reply:
        """GET /v1/audit/consistency."""
        first, second = _heights(exchange, "first", "second")
        if first > second:
            raise refused("second", "a height not below first")
        proof = await self._service.consistency(first, second)
        return Reply(200, proof.to_json(), JSON_TYPE)


def pack_routes(at: PackRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    single, long = settings.request_timeout_ms, settings.batch_timeout_ms
    return [
        Route("POST", "/v1/audit/packs", at.pack, READERS, _PACK, long),
        Route("GET", "/v1/audit/seal", at.seal, READERS, _SEAL, single),
        Route("GET", "/v1/audit/consistency", at.consistency, READERS, _CONSISTENCY, single),
    ]


async def _wish(exchange: Exchange) -> PackWish:
    body = (await exchange.body(MAX_BODY_BYTES)).strip()
    if body:
        exchange.content_type(JSON_TYPE)
    try:
        given = PackIn.model_validate_json(body or b"{}")
    except ValidationError as error:
        problems = tuple(
            FieldProblem(".".join(map(str, each["loc"])) or "body", each["msg"])
            for each in error.errors(include_url=False, include_input=False)[:20]
        )
        raise Problem(
            422, "invalid", f"{len(problems)} fields were refused", errors=problems
        ) from None
    if given.reporter is not None and given.records:
        problem = FieldProblem("records", "not together with a reporter")
        raise Problem(422, "invalid", "records: not together with a reporter", errors=(problem,))
    names = [each.name for each in given.documents]
    if len(set(names)) != len(names) or ACCESS_NAME in names:
        problem = FieldProblem("documents", f"each name once, and not {ACCESS_NAME}")
        raise Problem(422, "invalid", "documents: a name is taken", errors=(problem,))
    return PackWish(
        from_height=None if given.from_height is None else Height(given.from_height),
        to_height=None if given.to_height is None else Height(given.to_height),
        reporter=None if given.reporter is None else MemberId(given.reporter),
        documents={each.name: each.text.encode() for each in given.documents},
        records=tuple(RecordId(bytes.fromhex(record)) for record in given.records),
    )


def _heights(exchange: Exchange, *names: str) -> list[Height]:
    query = exchange.query(*names)
    found: list[Height] = []
    for name in names:
        height = number_given(query, name, most=MAX_HEIGHT)
        if height is None:
            raise refused(name, "a height is needed")
        found.append(Height(height))
    return found
