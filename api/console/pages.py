"""Pages: the table of all paths of the console with who may see them, and the console over them.

Rules: roles are those of the same reads over REST. A service that the node does not have has no
pages. Only this file builds the console's classes.
"""

from __future__ import annotations

from collections.abc import Callable

from api.auth import RandomBytes
from api.console.access import AccessPages
from api.console.adminpages import admin_pages
from api.console.analystpages import alert_pages, analyst_pages
from api.console.blocks import BlockPages
from api.console.disputes import DisputePages
from api.console.evidence import EvidencePages
from api.console.files import Files
from api.console.gate import Door, Gate, monotonic_ms
from api.console.health import HealthPage
from api.console.login import LoginPages
from api.console.members import MemberPages
from api.console.oidc import OidcPages
from api.console.openings import OpeningPages
from api.console.overview import OverviewPage
from api.console.policies import PolicyPages
from api.console.proposals import ProposalPages
from api.console.records import RecordPages
from api.console.render import Renderer
from api.console.reports import ReportPages
from api.console.search import SearchPage
from api.console.sessions import Limits, LoginForms, Sessions
from api.console.source import (
    EVERYBODY,
    LOG_READERS,
    OPERATORS,
    OVERSEERS,
    READERS,
    Source,
)
from api.console.visit import Page
from api.settings import ApiSettings

BASE = "/console"


def create_console(
    source: Source,
    door: Door,
    settings: ApiSettings,
    random_bytes: RandomBytes,
    limits: Limits | None = None,
    clock: Callable[[], int] = monotonic_ms,
) -> Gate:
    """The console of a node; `clock` is monotonic milliseconds, for the lives of sessions."""
    sessions = Sessions(random_bytes, limits or Limits())
    renderer = Renderer()
    login = LoginPages(sessions, LoginForms(random_bytes), door, clock)
    oidc = OidcPages(door.entrance, login)
    pages = [
        *_open_pages(login, oidc, Files(renderer)),
        *analyst_pages(source, settings.language),
        *_pages(source),
        *alert_pages(source),
    ]
    pages += admin_pages(source, door.entrance, pages)
    return Gate(pages, sessions, renderer, door, settings, source.frame, clock)


def _open_pages(login: LoginPages, oidc: OidcPages, files: Files) -> list[Page]:
    return [
        Page("GET", f"{BASE}/login", login.form, None),
        Page("POST", f"{BASE}/login", login.enter, None),
        Page("GET", f"{BASE}/oidc/start", oidc.start, None),
        Page("GET", f"{BASE}/oidc/callback", oidc.callback, None),
        Page("POST", f"{BASE}/logout", login.leave, EVERYBODY),
        Page("GET", f"{BASE}/static/style.css", files.style, None),
        Page("GET", f"{BASE}/static/icon.svg", files.icon, None),
    ]


def _pages(source: Source) -> list[Page]:
    overview, health = OverviewPage(source), HealthPage(source)
    blocks, members, evidence = BlockPages(source), MemberPages(source), EvidencePages(source)
    one_block = f"{BASE}/blocks/{{height}}"
    pages = [
        Page("GET", BASE, overview.show, EVERYBODY, "Overview", ledger=True),
        Page("GET", f"{BASE}/node", health.show, OPERATORS, "Node health"),
        Page("GET", f"{BASE}/blocks", blocks.every, EVERYBODY, "Blocks", ledger=True),
        Page("GET", one_block, blocks.show, EVERYBODY),
        Page("GET", f"{one_block}/certificate", blocks.certificate, EVERYBODY),
        Page("GET", f"{BASE}/transactions/{{hash}}", blocks.transaction, EVERYBODY),
        Page("GET", f"{BASE}/members", members.every, EVERYBODY, "Members", ledger=True),
        Page("GET", f"{BASE}/members/{{member}}", members.show, EVERYBODY),
    ]
    if source.governance is not None:
        proposals = ProposalPages(source, source.governance)
        pages += [
            Page("GET", f"{BASE}/proposals", proposals.every, OVERSEERS, "Proposals"),
            Page("GET", f"{BASE}/proposals/{{number}}", proposals.show, OVERSEERS),
        ]
    if source.policies is not None:
        policies = PolicyPages(source, source.policies)
        pages += [
            Page("GET", f"{BASE}/policies", policies.every, EVERYBODY, "Policies", ledger=True),
            Page("GET", f"{BASE}/policies/{{policy}}", policies.show, EVERYBODY),
        ]
    pages += [
        Page("GET", f"{BASE}/evidence", evidence.every, EVERYBODY, "Evidence", ledger=True),
        Page("GET", f"{BASE}/evidence/{{case}}", evidence.show, EVERYBODY),
    ]
    if source.openings is not None:
        openings = OpeningPages(source, source.openings)
        pages += [
            Page("GET", f"{BASE}/openings", openings.every, OVERSEERS, "Openings"),
            Page("GET", f"{BASE}/openings/{{case}}", openings.show, OVERSEERS),
        ]
    if source.disputes is not None:
        disputes = DisputePages(source, source.disputes)
        pages += [Page("GET", f"{BASE}/disputes", disputes.every, READERS, "Disputes")]
    if source.audit is not None:
        pages += _report_pages(ReportPages(source, source.audit))
    if source.access is not None:
        access = AccessPages(source, source.access)
        pages += [
            Page("GET", f"{BASE}/access-log", access.every, LOG_READERS, "Access log"),
            Page("GET", f"{BASE}/access-log/check", access.check, LOG_READERS),
        ]
    return [
        *pages,
        Page("GET", f"{BASE}/records/{{record}}", RecordPages(source).show, READERS),
        Page("POST", f"{BASE}/search", SearchPage(source).show, EVERYBODY),
    ]


def _report_pages(reports: ReportPages) -> list[Page]:
    one = f"{BASE}/reports/{{report}}"
    return [
        Page("GET", f"{BASE}/reports", reports.every, LOG_READERS, "Reports"),
        Page("GET", one, reports.show, LOG_READERS),
        Page("GET", f"{one}/print", reports.print, LOG_READERS),
        Page("GET", f"{one}/csv", reports.csv, LOG_READERS),
        Page("GET", f"{one}/json", reports.json, LOG_READERS),
    ]
