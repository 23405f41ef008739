"""The front door: the HTTP server of a node over its services.

It is the one module that brings in what serves HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass

from api.auth import ApiKeys
from api.server import create_app
from api.settings import ApiSettings
from node.assembly import Home
from node.audit.packport import PackService
from node.audit.port import AuditService
from node.consents.port import ConsentService
from node.disputes.port import DisputesService
from node.erasure.port import ErasureService
from node.ethereum import EthereumView
from node.governance.policyport import PolicyService
from node.governance.port import GovernanceService
from node.guarded.accessport import AccessService
from node.openings.port import OpeningsService
from node.recall.port import RecallService
from node.server import HttpServer
from node.service import NodeService


@dataclass(frozen=True, slots=True)
class Desks:
    """What serves besides reports and screenings."""

    governance: GovernanceService
    policies: PolicyService
    access: AccessService
    openings: OpeningsService
    consents: ConsentService
    audit: AuditService
    disputes: DisputesService
    erasure: ErasureService
    recalls: RecallService
    packs: PackService


def front_door(
    home: Home,
    service: NodeService,
    ethereum: EthereumView,
    desks: Desks,
) -> HttpServer:
    """The server, not started yet. Raises what a bad key file or certificate raises."""
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
        governance=desks.governance,
        policies=desks.policies,
        access=desks.access,
        openings=desks.openings,
        consents=desks.consents,
        audit=desks.audit,
        disputes=desks.disputes,
        erasure=desks.erasure,
        recalls=desks.recalls,
        packs=desks.packs,
    )
    return HttpServer(app, home.path, http)
