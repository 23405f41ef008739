"""A report as one page of HTML that prints: no script, nothing loaded from elsewhere."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from bulwark.audit.report import Report

if TYPE_CHECKING:
    from jinja2 import Template

POLICY: Final = b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Content-Security-Policy of the page: its own style and nothing else."""


def report_page(report: Report) -> str:
    """The page of a report; every text is escaped."""
    return _template().render(report=report)


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("api", "templates"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("report.html.j2")
