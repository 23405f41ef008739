"""The front door: the HTTP server of a node over its services.

It is the one module that brings in what serves HTTP.
"""

from __future__ import annotations

from typing import Unpack

from api.auth import ApiKeys
from api.desks import DeskServices
from api.door import Closed, Door
from api.server import create_app
from api.settings import ApiSettings
from node.assembly import Home
from node.server import HttpServer
from node.service import NodeService
from node.traces import TracedView


def front_door(
    home: Home,
    service: NodeService,
    ethereum: TracedView,
    closed: Closed,
    **desks: Unpack[DeskServices],
) -> HttpServer:
    """The server, not started yet; it answers little while `closed` gives a reason.

    Raises what a bad key file or certificate raises.
    """
    http = home.config.http
    settings = ApiSettings(
        open_metrics=http.open_metrics,
        console=http.console,
        max_batch_bytes=http.max_body_bytes,
        access_log=http.access_log == "all",
    )
    keys = ApiKeys.load(home.path / http.api_keys)
    app = create_app(
        service,
        ethereum,
        keys,
        settings,
        **desks,
    )
    return HttpServer(Door(app, closed), home.path, http)
