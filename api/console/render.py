"""Renderer: views into HTML, with escaping always on, and how values look on every page.

Rules: jinja2 is loaded with the first page (ADR-0014: a start loads little); an undefined name in
a template is an error, never an empty place; times are UTC with the exact instant beside them,
heights are grouped, digests stand in full in the page and are only cut off for the eye.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from api.console.source import STAFF
from api.console.visit import Page, View, Visit
from api.views import timestamp
from node.service import Role

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

FOLDER: Final = Path(__file__).parent
MAX_SHOWN_MS: Final = 253_402_300_800_000
AT_DESKS: Final = STAFF | {Role.ADMIN}
"""Whose menu begins with their own work and has the ledger's pages behind a heading."""


class Renderer:
    """Makes pages; safe to use from threads."""

    def __init__(self) -> None:
        self.style = (FOLDER / "static" / "style.css").read_bytes()
        self.icon = (FOLDER / "static" / "icon.svg").read_bytes()
        self.version = hashlib.sha256(self.style + self.icon).hexdigest()[:12]
        self.script = (FOLDER / "static" / "progress.js").read_text("utf-8")
        hashed = hashlib.sha256(self.script.encode()).digest()
        self.script_source = f"'sha256-{base64.b64encode(hashed).decode('ascii')}'"
        """What a policy names to let this script run and none besides."""

    def page(
        self, view: View, visit: Visit, pages: Sequence[Page], frame: Mapping[str, object]
    ) -> bytes:
        """The whole HTML document of a view."""
        from markupsafe import Markup

        session = visit.session
        values = {
            "frame": frame,
            "title": view.title,
            "crumbs": view.crumbs,
            "session": session,
            "principal": None if session is None else session.principal,
            "nav": [] if session is None else _navigation(pages, visit),
            "at_desk": session is not None and visit.role in STAFF,
            "script": Markup(self.script) if is_scripted(pages, visit.exchange.route) else "",
            "path": visit.exchange.path,
            "version": self.version,
            **view.values,
        }
        return self._environment.get_template(view.template).render(values).encode()

    @cached_property
    def _environment(self) -> Environment:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        made = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        made.filters |= {
            "utc": utc,
            "number": number,
            "signed": signed,
            "counted": counted,
            "digest": digest,
            "hexed": hexed,
            "words": words,
            "duration": duration,
        }
        return made


def utc(at_ms: int | None) -> Markup | str:
    """An instant for people, with its exact form for programs; a dash for none."""
    from markupsafe import Markup

    if at_ms is None or not 0 <= at_ms < MAX_SHOWN_MS:
        return "–" if at_ms is None else f"{at_ms} ms"
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    exact = timestamp(at_ms)
    return Markup('<time datetime="{exact}" title="{exact}">{shown} UTC</time>').format(
        exact=exact, shown=moment.strftime("%Y-%m-%d %H:%M:%S")
    )


def number(value: int) -> str:
    """A number with its digits in groups of three."""
    return f"{value:,}"


def signed(value: int) -> str:
    """A weight with its sign."""
    return f"+{value:,}" if value > 0 else f"{value:,}".replace("-", "\u2212")


def counted(value: int, one: str, many: str) -> str:
    """A number with its noun."""
    return f"{number(value)} {one if value == 1 else many}"


def hexed(value: bytes, prefix: str = "0x") -> str:
    """Bytes as hexadecimal."""
    return prefix + value.hex()


def digest(value: bytes | str, path: str | None = None) -> Markup:
    """A digest or key: the whole of it is there to be read, copied and spoken, little is seen.

    `path` makes a link of it.
    """
    from markupsafe import Markup

    text = value if isinstance(value, str) else hexed(value)
    shown = Markup('<code class="digest" title="{0}">{0}</code>').format(text)
    return shown if path is None else Markup('<a href="{}">{}</a>').format(path, shown)


def words(values: Iterable[object]) -> str:
    """Values with commas between; a dash for none."""
    return ", ".join(str(value) for value in values) or "–"


def duration(ms: int) -> str:
    """Milliseconds as people say them: 850 ms, 12.3 s, 4 min 10 s, 3 h 2 min, 5 d 4 h."""
    if ms < 1_000:
        return f"{ms} ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(ms // 1000, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def is_scripted(pages: Iterable[Page], route: str) -> bool:
    """Whether a page may run the console's script."""
    return any(page.scripted and page.path == route for page in pages)


def _navigation(pages: Iterable[Page], visit: Visit) -> list[dict[str, object]]:
    """The pages that this role's main menu has, the one above the shown page marked."""
    path = visit.exchange.path.rstrip("/")
    shown: list[dict[str, object]] = []
    for page in pages:
        if page.label is None or page.roles is None or visit.role not in page.roles:
            continue
        inside = page.path != "/console" and path.startswith(f"{page.path}/")
        here = "page" if path == page.path else ("true" if inside else None)
        is_aside = page.ledger and visit.role in AT_DESKS
        entry: dict[str, object] = {
            "label": page.label,
            "path": page.path,
            "current": here,
            "aside": is_aside,
        }
        shown.append(entry)
    return shown
