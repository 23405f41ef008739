"""Interaction: the routes of all that customers and victims take part in."""

from __future__ import annotations

from collections.abc import Callable

from api.cooling_offs import CoolingOffRoutes, cooling_off_routes
from api.customer_reports import CustomerReportRoutes, customer_report_routes
from api.exchange import Route
from api.feedback import FeedbackRoutes, feedback_routes
from api.protections import ProtectionRoutes, protection_routes
from api.settings import ApiSettings
from node.interaction.port import InteractionService


def interaction_routes(
    service: InteractionService, settings: ApiSettings, now_ms: Callable[[], int]
) -> list[Route]:
    """The routes for the member's own systems; those of the status page are in its front."""
    return [
        *customer_report_routes(CustomerReportRoutes(service.reports, settings, now_ms), settings),
        *cooling_off_routes(CoolingOffRoutes(service.cooling_offs, settings), settings),
        *protection_routes(ProtectionRoutes(service.protections, settings, now_ms), settings),
        *feedback_routes(FeedbackRoutes(service.feedback, settings), settings),
    ]
