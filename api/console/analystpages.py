"""Analyst pages: the table of what reporters and analysts see and may do.

Rules: those of `pages`; what changes something is a POST.
"""

from __future__ import annotations

from typing import Final

from api.consents import KEEPERS
from api.console.alerts import AlertPages
from api.console.casework import CaseworkPages
from api.console.consents import ConsentPages
from api.console.customers import CustomerPages
from api.console.feedback import FeedbackPages
from api.console.figures import FigurePages
from api.console.held import HeldPages
from api.console.jobs import JobPages
from api.console.protections import ProtectionPages
from api.console.reporting import ReportingPages
from api.console.screening import ScreeningPages
from api.console.source import READERS, STAFF, WRITERS, Source
from api.console.visit import Page
from api.feedback import READERS as FIGURE_READERS
from api.jobs import UPLOAD_MS, WATCHERS
from api.recalls import READERS as RECALL_READERS
from bulwark.advice.texts import shipped
from node.interaction.port import InteractionService

BASE: Final = "/console"


def analyst_pages(source: Source, language: str) -> list[Page]:
    """Pages of the desks that the node has; `language` is the member's own."""
    pages: list[Page] = []
    if source.adviser is not None:
        pages += _screening_pages(source, ScreeningPages(source, source.adviser, language))
    if source.jobs is not None:
        pages += _job_pages(JobPages(source.jobs))
    if source.disputes is not None:
        at = CaseworkPages(source, source.disputes)
        move = f"{BASE}/records/{{record}}/{{move}}"
        pages += [
            Page("GET", move, at.show, WRITERS),
            Page("POST", move, at.do, WRITERS),
            Page("GET", f"{BASE}/followed/{{kept}}", at.done, WRITERS),
        ]
    if source.interaction is not None:
        pages += _customer_pages(source, source.interaction, language)
        pages += _held_pages(source, HeldPages(source.interaction.cooling_offs))
    if source.consents is not None:
        pages += _consent_pages(ConsentPages(source.consents))
    if source.interaction is not None:
        figures = FigurePages(source.interaction.feedback)
        pages.append(Page("GET", f"{BASE}/feedback", figures.show, FIGURE_READERS, "Figures"))
    return pages


def alert_pages(source: Source) -> list[Page]:
    """What changed about earlier questions, for all who read recalls and events."""
    pages: list[Page] = []
    alerts = AlertPages(source.recalls, source.push)
    if source.recalls is not None:
        pages.append(Page("GET", f"{BASE}/recalls", alerts.recalls, RECALL_READERS, "Recalls"))
    if source.push is not None:
        pages.append(Page("GET", f"{BASE}/retro-hits", alerts.hits, RECALL_READERS, "Retro-hunt"))
    return pages


def _customer_pages(source: Source, interaction: InteractionService, language: str) -> list[Page]:
    at = CustomerPages(interaction.reports, source.now_ms, shipped(), language)
    base, one = f"{BASE}/customer-reports", f"{BASE}/customer-reports/{{report}}"
    shields = ProtectionPages(interaction.protections, source.now_ms)
    own, shield = f"{BASE}/protections", f"{BASE}/protections/{{protection}}"
    return [
        Page("GET", base, at.every, STAFF, "Customers"),
        Page("POST", base, at.take, STAFF, large=True),
        Page("GET", one, at.show, STAFF),
        Page("POST", f"{one}/{{step}}", at.step, STAFF, large=True),
        Page("GET", own, shields.every, STAFF, "Protections"),
        Page("POST", own, shields.register, WRITERS, large=True),
        Page("GET", shield, shields.show, STAFF),
        Page("POST", f"{shield}/renew", shields.renew, WRITERS),
        Page("POST", f"{shield}/withdraw", shields.withdraw, WRITERS),
    ]


def _held_pages(source: Source, at: HeldPages) -> list[Page]:
    base, one = f"{BASE}/cooling-offs", f"{BASE}/cooling-offs/{{held}}"
    pages = [
        Page("GET", base, at.every, STAFF, "Held payments"),
        Page("GET", one, at.show, STAFF),
        Page("POST", f"{one}/{{step}}", at.step, STAFF),
    ]
    if source.adviser is not None:  # a payment is held from the page of an answer
        hold = f"{BASE}/answers/{{kept}}/hold"
        pages += [Page("GET", hold, at.begin, STAFF), Page("POST", hold, at.hold, STAFF)]
    return pages


def _consent_pages(at: ConsentPages) -> list[Page]:
    base, one = f"{BASE}/consents", f"{BASE}/consents/{{consent}}"
    return [
        Page("GET", base, at.every, KEEPERS, "Consents"),
        Page("POST", base, at.give, WRITERS, large=True),
        Page("POST", f"{base}/search", at.find, KEEPERS),
        Page("GET", f"{base}/found/{{kept}}", at.found, KEEPERS),
        Page("GET", one, at.show, READERS),
        Page("POST", f"{one}/{{step}}", at.step, WRITERS),
    ]


def _job_pages(at: JobPages) -> list[Page]:
    base, one = f"{BASE}/jobs", f"{BASE}/jobs/{{job}}"
    return [
        Page("GET", base, at.every, WATCHERS, "Batches", scripted=True),
        Page("POST", base, at.send, STAFF, upload=True, timeout_ms=UPLOAD_MS, scripted=True),
        Page("GET", one, at.show, WATCHERS, scripted=True),
        Page("POST", f"{one}/{{step}}", at.step, WATCHERS),
        Page("GET", f"{one}/result/{{format}}", at.result, STAFF),
        Page("GET", f"{one}/manifest", at.manifest, STAFF),
    ]


def _screening_pages(source: Source, at: ScreeningPages) -> list[Page]:
    reporting, answer = ReportingPages(source), f"{BASE}/answers/{{kept}}"
    pages = [
        Page("GET", f"{BASE}/screening", at.form, STAFF, "Ask"),
        Page("POST", f"{BASE}/screening", at.ask, STAFF, large=True),
        Page("GET", answer, at.answer, STAFF),
        Page("GET", f"{answer}/report", reporting.about, WRITERS),
        Page("GET", f"{BASE}/report", reporting.form, WRITERS, "Report"),
        Page("POST", f"{BASE}/report", reporting.send, WRITERS, large=True),
        Page("GET", f"{BASE}/reported/{{kept}}", reporting.done, WRITERS),
    ]
    if source.interaction is not None:
        feedback = FeedbackPages(at, source.interaction.feedback)
        pages.append(Page("POST", f"{answer}/feedback", feedback.give, STAFF, large=True))
    return pages
