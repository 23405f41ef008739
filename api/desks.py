"""Desks: what a node serves besides reports and screenings, and the routes of each.

Rules: of a desk that is not given there are no routes, so a test or a tool may build a smaller API;
`server` is the only caller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

from api.access import AccessRoutes, access_routes
from api.audit import AuditRoutes, audit_routes
from api.backups import BackupRoutes, backup_routes
from api.consent_info import ConsentInfoRoutes, consent_info_routes
from api.consents import ConsentRoutes, consent_routes
from api.disputes import DisputeRoutes, dispute_routes
from api.erasure import ErasureRoutes, erasure_routes
from api.events import EventRoutes, event_routes
from api.exchange import Route
from api.governance import GovernanceRoutes, governance_routes
from api.identity import IdentityRoutes, identity_routes
from api.interaction import interaction_routes
from api.jobs import JobRoutes, job_routes
from api.misp import MispRoutes, misp_routes
from api.openings import OpeningRoutes, opening_routes
from api.packs import PackRoutes, pack_routes
from api.policies import PolicyRoutes, policy_routes
from api.recalls import RecallRoutes, recall_routes
from api.settings import ApiSettings
from api.stix import StixRoutes, stix_routes
from api.taxii import TaxiiRoutes, taxii_routes
from api.webhooks import WebhookRoutes, webhook_routes
from node.audit.packport import PackService
from node.audit.port import AuditService
from node.backup.port import BackupService
from node.consents.port import ConsentService
from node.disputes.port import DisputesService
from node.erasure.port import ErasureService
from node.exchange.port import ExchangeService
from node.governance.policyport import PolicyService
from node.governance.port import GovernanceService
from node.guarded.accessport import AccessService
from node.identity.port import ApiKeyService
from node.interaction.port import InteractionService
from node.jobs.port import JobsService
from node.openings.port import OpeningsService
from node.push.port import PushService
from node.recall.port import RecallService
from node.taxii.port import TaxiiService
from node.taxii.stixport import StixService


class DeskServices(TypedDict, total=False):
    """What a node serves besides reports and screenings; each may be missing."""

    governance: GovernanceService | None
    policies: PolicyService | None
    openings: OpeningsService | None
    access: AccessService | None
    consents: ConsentService | None
    audit: AuditService | None
    packs: PackService | None
    disputes: DisputesService | None
    erasure: ErasureService | None
    recalls: RecallService | None
    push: PushService | None
    backups: BackupService | None
    jobs: JobsService | None
    interaction: InteractionService | None
    identity: ApiKeyService | None
    exchange: ExchangeService | None
    taxii: TaxiiService | None
    stix: StixService | None


def desk_routes(
    settings: ApiSettings, clock: Callable[[], int], desks: DeskServices
) -> list[Route]:
    """The routes of the desks that there are."""
    found: list[Route] = []
    if (governance := desks.get("governance")) is not None:
        found += governance_routes(GovernanceRoutes(governance, settings), settings)
    if (openings := desks.get("openings")) is not None:
        found += opening_routes(OpeningRoutes(openings, settings), settings)
    if (consents := desks.get("consents")) is not None:
        found += consent_routes(ConsentRoutes(consents, settings), settings)
        found += consent_info_routes(ConsentInfoRoutes(consents, settings), settings)
    if (disputes := desks.get("disputes")) is not None:
        found += dispute_routes(DisputeRoutes(disputes, settings, clock), settings)
    if (exchange := desks.get("exchange")) is not None:
        found += misp_routes(MispRoutes(exchange), settings)
    if (stix := desks.get("stix")) is not None:
        found += stix_routes(StixRoutes(stix), settings)
    if (taxii := desks.get("taxii")) is not None:
        found += taxii_routes(TaxiiRoutes(taxii, settings), settings)
    if (access := desks.get("access")) is not None:
        found += access_routes(AccessRoutes(access), settings)
    if (audit := desks.get("audit")) is not None:
        found += audit_routes(AuditRoutes(audit), settings)
    if (packs := desks.get("packs")) is not None:
        found += pack_routes(PackRoutes(packs), settings)
    if (erasure := desks.get("erasure")) is not None:
        found += erasure_routes(ErasureRoutes(erasure, settings), settings)
    if (recalls := desks.get("recalls")) is not None:
        found += recall_routes(RecallRoutes(recalls), settings)
    if (push := desks.get("push")) is not None:
        found += event_routes(EventRoutes(push), settings)
        found += webhook_routes(WebhookRoutes(push, settings), settings)
    if (jobs := desks.get("jobs")) is not None:
        found += job_routes(JobRoutes(jobs), settings)
    if (backups := desks.get("backups")) is not None:
        found += backup_routes(BackupRoutes(backups), settings)
    if (identity := desks.get("identity")) is not None:
        found += identity_routes(IdentityRoutes(identity), settings)
    if (interaction := desks.get("interaction")) is not None:
        found += interaction_routes(interaction, settings, clock)
    if (policies := desks.get("policies")) is not None:
        found += policy_routes(PolicyRoutes(policies), settings)
    return found
