"""Server: puts the API together for one node.

Rules: the edge is the application; Starlette beneath it matches paths. FastAPI makes the OpenAPI
document, which is served at /v1/openapi.json to any key (no browser UI that loads scripts from
elsewhere), and is loaded when somebody asks for it: it takes a quarter of a second of CPU, in which
a node that comes back would not answer. Only this file builds the API's classes.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Unpack, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as PathRoute
from starlette.routing import Router
from starlette.types import ASGIApp

from api import documentation as doc
from api.advice import Adviser, advice_routes
from api.auth import ApiKeys, RandomBytes
from api.desks import DeskServices, desk_routes
from api.diagnosis import DiagnosisRoutes
from api.edge import Clock, Edge
from api.eth import ChainMethods, client_version, translate
from api.evidence import EvidenceRoutes
from api.exchange import ALL_ROLES, Exchange, Reply, Route, json_reply
from api.indicators import IndicatorRoutes
from api.jsonrpc import Dispatcher
from api.lateconsole import LateConsole
from api.metrics import ApiMetrics
from api.routes import (
    indicator_routes,
    oversight_routes,
    rpc_route,
    screening_routes,
    state_routes,
)
from api.rpc import RpcRoute, RpcSockets
from api.screenings import ScreeningRoutes
from api.settings import ApiSettings
from api.state import StateRoutes
from api.taxii_gate import WithTaxii
from api.uploads import Uploads, upload_routes
from node.identity.port import Identities
from node.service import NodeService
from node.traces import TracedView

if TYPE_CHECKING:
    from api.statuspage.answering import Answering

RPC_PATH = "/rpc"
OPENAPI_PATH = "/v1/openapi.json"
_DESCRIPTION = (
    "Report, screen, consent and prove at one member's node. Clear-text identifiers go no further "
    "than this node. Refusals are RFC 9457 problem documents; x-correlator is echoed; writes take "
    "Idempotency-Key and ?wait=. A key is sent as Authorization: Bearer KEY."
)


def now_ms() -> int:
    """Milliseconds since 1970, the default clock of create_app."""
    return time.time_ns() // 1_000_000


def create_app(
    service: NodeService,
    ethereum: TracedView,
    keys: ApiKeys | Identities,
    settings: ApiSettings,
    *,
    random_bytes: RandomBytes = secrets.token_bytes,
    clock: Callable[[], int] = now_ms,
    **desks: Unpack[DeskServices],
) -> ASGIApp:
    """The ASGI application of a node; `random_bytes` and `clock` (ms since 1970) are ports.

    Of a desk that is not given there are no routes.
    """
    metrics = ApiMetrics()
    chain = ChainMethods(ethereum, service, settings, random_bytes, clock)
    dispatcher = Dispatcher(
        chain.table(), translate, settings.max_rpc_calls, settings.max_rpc_answer_bytes
    )
    openapi = _OpenApi()
    uploads = Uploads(settings.max_uploads, clock)
    adviser = Adviser(settings)
    routes = [
        *indicator_routes(IndicatorRoutes(service, settings, uploads, clock), settings),
        *screening_routes(ScreeningRoutes(service, settings, uploads, clock, adviser), settings),
        *advice_routes(adviser, settings),
        *upload_routes(uploads, settings),
        *state_routes(StateRoutes(service, metrics), settings),
        *oversight_routes(DiagnosisRoutes(service), EvidenceRoutes(service), settings),
        rpc_route(RpcRoute(dispatcher, settings), settings),
        *desk_routes(settings, clock, desks),
    ]
    answering = _answering(settings, desks)
    if answering is not None:
        routes += _status_routes(answering, adviser, settings)
    edge = Edge(
        [*routes, Route("GET", OPENAPI_PATH, openapi.show, ALL_ROLES, {}, 10_000)],
        keys,
        settings,
        metrics,
        random_bytes,
        Clock(),
    )
    sockets = RpcSockets(dispatcher, ethereum, service, settings, random_bytes)
    openapi.routes = edge.routes
    edge.attach(_router(edge), RPC_PATH, sockets.serve)
    whole: ASGIApp = edge
    if settings.console:

        def console() -> ASGIApp:
            return _console(edge, service, ethereum, clock, desks, adviser, settings, random_bytes)

        whole = LateConsole(edge, console)
    if answering is not None:
        whole = _with_status_page(whole, edge, answering, adviser, settings)
    return whole if desks.get("taxii") is None else WithTaxii(whole, edge.routes)


def _answering(settings: ApiSettings, desks: DeskServices) -> Answering | None:
    """The look-ups of the status page; None where the member did not turn it on.

    Nothing of that page or of the console is loaded before it is known to be wanted.
    """
    interaction = desks.get("interaction")
    lookup = None if interaction is None else interaction.status
    if lookup is None:
        return None
    from api.console.gate import monotonic_ms
    from api.statuspage.answering import Answering

    return Answering(
        lookup,
        attempts=settings.status_attempts,
        per_minute=settings.status_lookups_per_minute,
        floor_ms=settings.status_floor_ms,
        steady_ms=monotonic_ms,
    )


def _status_routes(answering: Answering, adviser: Adviser, settings: ApiSettings) -> list[Route]:
    from api.statuspage.front import StatusRoutes, status_routes

    return status_routes(StatusRoutes(answering, adviser.speaker, settings), settings)


def _with_status_page(
    inner: ASGIApp, edge: Edge, answering: Answering, adviser: Adviser, settings: ApiSettings
) -> ASGIApp:
    from api.statuspage.front import WithStatusPage

    return WithStatusPage(inner, edge.routes, answering, adviser.speaker, edge, settings)


def _console(
    edge: Edge,
    service: NodeService,
    ethereum: TracedView,
    clock: Callable[[], int],
    desks: DeskServices,
    adviser: Adviser,
    settings: ApiSettings,
    random_bytes: RandomBytes,
) -> ASGIApp:
    from api.console.pages import create_console
    from api.console.source import Source

    source = Source(
        service,
        ethereum,
        clock,
        desks.get("governance"),
        desks.get("openings"),
        desks.get("access"),
        desks.get("audit"),
        desks.get("disputes"),
        desks.get("policies"),
        desks.get("interaction"),
        desks.get("jobs"),
        desks.get("recalls"),
        desks.get("push"),
        desks.get("identity"),
        adviser,
        desks.get("consents"),
    )
    return create_console(source, edge, settings, random_bytes)


class _OpenApi:
    """Serves the OpenAPI document of the routes it is given, made when it is first wanted."""

    def __init__(self) -> None:
        self.routes: Sequence[Route] = ()
        self._document: dict[str, Any] | None = None

    async def show(self, exchange: Exchange) -> Reply:
        """GET /v1/openapi.json."""
        exchange.query()
        if self._document is None:
            # In a thread: an analyst who opens the documentation must not hold up a vote.
            self._document = await asyncio.to_thread(_document, self.routes)
        return json_reply(200, self._document)


def _router(edge: Edge) -> Router:
    """Every route by its path; the endpoints leave the reply to the edge."""
    paths = []
    for route in edge.routes:
        path = PathRoute(route.path, _endpoint(edge, route), methods=[route.method])
        path.methods = {route.method}  # Starlette adds HEAD to GET; the table says what there is
        paths.append(path)
    return Router(paths, redirect_slashes=False)


def _endpoint(edge: Edge, route: Route) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        exchange: Exchange = request.scope["bulwark.exchange"]
        exchange.params = request.path_params
        request.scope["bulwark.reply"] = await edge.serve(route, exchange)
        return Response()

    return endpoint


def _document(routes: Sequence[Route]) -> dict[str, Any]:
    from fastapi.openapi.utils import get_openapi

    document = get_openapi(
        title="Bulwark node",
        version=client_version().rpartition("/")[2].removeprefix("v"),
        summary="Fraud indicators and consents of an alliance",
        description=_DESCRIPTION,
        routes=[],
    )
    for route in routes:
        if route.document:
            path = document["paths"].setdefault(route.path, {})
            roles = sorted(role.value for role in route.roles or ())
            told = doc.with_headers(cast("dict[str, Any]", route.document["responses"]))
            shown = {**route.document, "responses": told, "x-roles": roles}
            path[route.method.lower()] = shown
    components = document.setdefault("components", {})
    components["schemas"] = doc.component_schemas()
    components["headers"] = dict(doc.HEADERS)
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return document
