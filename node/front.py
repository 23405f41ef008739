"""The front door: the HTTP server of a node over its services.

It is the one module that brings in what serves HTTP.
"""

from __future__ import annotations

from typing import Unpack

from api.desks import DeskServices
from api.door import Closed, Door
from api.server import create_app
from api.settings import ApiSettings
from node.assembly import Home
from node.identity.port import Identities
from node.server import HttpServer
from node.service import NodeService
from node.traces import TracedView


def front_door(
    home: Home,
    service: NodeService,
    ethereum: TracedView,
    closed: Closed,
    identities: Identities,
    **desks: Unpack[DeskServices],
) -> HttpServer:
    """The server, not started yet; it answers little while `closed` gives a reason.

    `identities` says who may come in.
    """
    http, told = home.config.http, home.config.interaction
    settings = ApiSettings(
        open_metrics=http.open_metrics,
        console=http.console,
        max_batch_bytes=http.max_body_bytes,
        bad_attempts=http.wrong_keys_per_minute,
        access_log=http.access_log == "all",
        thresholds=told.thresholds(),
        language=told.language,
        member_name=home.member.name,
        contact=told.contact,
        status_attempts=told.status_attempts,
        status_lookups_per_minute=told.status_lookups_per_minute,
    )
    app = create_app(
        service,
        ethereum,
        identities,
        settings,
        **desks,
    )
    return HttpServer(Door(app, closed), home.path, http)
