"""Cooling-offs over REST: holding a payment, the customer's yes or no after the pause, the key.

Rules: reporters and analysts hold and release. What may not be is 409 with a rule id; a screening
that can not be made in full is 503, and nothing changes.
"""

from __future__ import annotations

from typing import Any, Final

from api import documentation as doc
from api import interaction_schemas as schemas
from api.bodies import known
from api.customer_reports import CURSOR_PARAMETER, STAFF, state_in, state_parameter
from api.exchange import Exchange, Reply, Route, json_reply
from api.interaction_bounds import PERSON_MAX
from api.interaction_reading import cursor_of, id_of, json_body, seconds_of, word_of
from api.problems import FieldProblem, invalid
from api.settings import ApiSettings
from api.views import timestamp
from bulwark.indicators.model import ScreeningRequest
from node.interaction.coolingport import CoolingOffs, CoolingState, CoolingView, NewCoolingOff

_BASE: Final = "/v1/cooling-offs"
_ONE: Final = f"{_BASE}/{{cooling_off_id}}"


class CoolingOffRoutes:
    """Handlers of /v1/cooling-offs."""

    def __init__(self, service: CoolingOffs, settings: ApiSettings) -> None:
        self._service = service
        self._settings = settings

    async def issue(self, exchange: Exchange) -> Reply:
        """POST /v1/cooling-offs."""
        exchange.query()
        _, body = await json_body(exchange, self._settings)
        known(body, "question", "customer", "payment", "seconds")
        question = body.get("question")
        if not isinstance(question, dict):
            raise invalid(FieldProblem("question", "a question as of POST /v1/screenings"))
        wish = NewCoolingOff(
            ScreeningRequest.from_mapping(question),
            word_of(body, "customer", PERSON_MAX),
            word_of(body, "payment", PERSON_MAX),
            seconds_of(body, needed=False),
        )
        return _reply(201, await self._service.issue(wish, by=exchange.caller))

    async def list(self, exchange: Exchange) -> Reply:
        """GET /v1/cooling-offs."""
        query = exchange.query("state", "cursor")
        state = state_in(CoolingState, query.get("state"))
        page = await self._service.page(state, cursor_of(query.get("cursor")))
        shown = [cooling_document(view) for view in page.cooling_offs]
        after = None if page.next is None else page.next.hex()
        return json_reply(200, {"cooling_offs": shown, "next": after})

    async def key(self, exchange: Exchange) -> Reply:
        """GET /v1/cooling-offs/key."""
        exchange.query()
        member, key = self._service.key()
        return json_reply(200, {"member": member, "algorithm": "Ed25519", "public_key": key.hex()})

    async def show(self, exchange: Exchange) -> Reply:
        """GET /v1/cooling-offs/{cooling_off_id}."""
        exchange.query()
        return _reply(200, self._service.show(_id(exchange)))

    async def confirm(self, exchange: Exchange) -> Reply:
        """POST /v1/cooling-offs/{cooling_off_id}/confirmation."""
        await self._empty(exchange)
        return _reply(200, await self._service.confirm(_id(exchange), by=exchange.caller))

    async def cancel(self, exchange: Exchange) -> Reply:
        """POST /v1/cooling-offs/{cooling_off_id}/cancellation."""
        await self._empty(exchange)
        return _reply(200, await self._service.cancel(_id(exchange)))

    async def extend(self, exchange: Exchange) -> Reply:
        """POST /v1/cooling-offs/{cooling_off_id}/extension."""
        exchange.query()
        _, body = await json_body(exchange, self._settings)
        known(body, "seconds")
        seconds = seconds_of(body, needed=True) or 0
        return _reply(200, await self._service.extend(_id(exchange), seconds))

    async def _empty(self, exchange: Exchange) -> None:
        exchange.query()
        _, body = await json_body(exchange, self._settings, optional=True)
        known(body)


def _id(exchange: Exchange) -> str:
    return id_of(exchange, "cooling_off_id")


def cooling_document(view: CoolingView) -> dict[str, object]:
    """A cooling-off."""
    return {
        "id": view.cooling_off_id,
        "state": view.state.value,
        "token": view.token,
        "opening": view.opening,
        "band": view.band,
        "level": view.level,
        "issued": timestamp(view.issued_ms),
        "not_before": timestamp(view.not_before_ms),
        "expires": timestamp(view.expires_ms),
        "extensions": view.extensions,
        "ended": None if view.ended_ms is None else timestamp(view.ended_ms),
    }


def _reply(status: int, view: CoolingView) -> Reply:
    return json_reply(status, cooling_document(view))


def _write(name: str, summary: str, body: Any, *, required: bool = True, status: int = 200) -> Any:
    return doc.operation(
        name,
        "cooling-offs",
        summary,
        {status: schemas.CoolingOffOut},
        body=doc.json_body(body, required=required),
        path=() if status == 201 else ("cooling_off_id",),
        problems=(409,) if status == 201 else (404, 409),
    )


def _read(name: str, summary: str, answer: Any, **how: Any) -> Any:
    return doc.operation(name, "cooling-offs", summary, {200: answer}, **how)


def cooling_off_routes(at: CoolingOffRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    limit = settings.request_timeout_ms
    path = ("cooling_off_id",)
    nothing = schemas.EmptyIn
    issue = _write("holdPayment", "Hold a payment", schemas.CoolingOffIn, status=201)
    confirm = _write(
        "confirmPayment", "The customer says yes: screen again, release", nothing, required=False
    )
    cancel = _write("cancelPayment", "The customer says no", nothing, required=False)
    extend = _write("extendCoolingOff", "Hold it longer", schemas.ExtensionIn)
    listed = (state_parameter(CoolingState), CURSOR_PARAMETER)
    every = _read("listCoolingOffs", "List cooling-offs", schemas.CoolingOffsOut, parameters=listed)
    key = _read("showCoolingOffKey", "The key that tokens are checked with", schemas.CoolingKeyOut)
    one = _read(
        "showCoolingOff",
        "Show a cooling-off",
        schemas.CoolingOffOut,
        path=path,
        problems=(404,),
    )
    return [
        Route("POST", _BASE, at.issue, STAFF, issue, limit, audit=True),
        Route("GET", _BASE, at.list, STAFF, every, limit, audit=True),
        Route("GET", f"{_BASE}/key", at.key, STAFF, key, limit),
        Route("GET", _ONE, at.show, STAFF, one, limit, audit=True),
        Route("POST", f"{_ONE}/confirmation", at.confirm, STAFF, confirm, limit, audit=True),
        Route("POST", f"{_ONE}/cancellation", at.cancel, STAFF, cancel, limit, audit=True),
        Route("POST", f"{_ONE}/extension", at.extend, STAFF, extend, limit, audit=True),
    ]
