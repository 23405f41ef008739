"""Visit: one request to the console as its pages see it, and the view that they answer with.

Rules: a page gives a template and plain values; it never writes HTML. Forms are read strictly:
URL-encoded, few and short fields, each once. It knows no session store.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from api.auth import Principal
from api.console.sessions import Session
from api.console.tray import Tray
from api.exchange import Exchange, Reply
from api.problems import Problem, malformed, refused
from node.service import Role

FORM_TYPE: Final = b"application/x-www-form-urlencoded"
HTML_TYPE: Final = b"text/html; charset=utf-8"
MAX_FORM_BYTES: Final = 4_096
MAX_FORM_FIELDS: Final = 8
LARGE_FORM_BYTES: Final = 524_288
"""A form of a desk: 20 identifiers of 2,048 characters and a text of 8,000, where one character
takes up to 12 bytes when it is percent-encoded."""
LARGE_FORM_FIELDS: Final = 128
"""Five for each of the 20 identifiers of a customer's report, and the rest of its form."""
_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]{0,17})\Z")
_DIGEST: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{64}\Z")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,30}\Z")


@dataclass(frozen=True, slots=True)
class View:
    """A page to be made: its template, title and values."""

    template: str
    title: str
    values: Mapping[str, object] = field(default_factory=dict)
    crumbs: tuple[tuple[str, str], ...] = ()
    """(label, path) of the pages above this one, outermost first."""
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(slots=True)
class Visit:
    """One request: what was asked, in which session."""

    exchange: Exchange
    session: Session | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    """Parts of the path by their names."""
    form: Mapping[str, str] = field(default_factory=dict)
    """Fields of a POST, after its token was checked."""
    upload: AsyncIterator[bytes] | None = None
    """The file of a form that has one, as it arrives."""
    limit: asyncio.Timeout | None = None
    """The request's deadline."""

    @property
    def principal(self) -> Principal:
        """Who asks; only on pages that need a session."""
        if self.session is None:
            raise RuntimeError("a page that needs a session was served without one")
        return self.session.principal

    @property
    def role(self) -> Role:
        """What who asks may do."""
        return self.principal.role

    def number(self, name: str) -> int:
        """A part of the path that is a number; Problem 404 otherwise."""
        text = self.params[name]
        if _NUMBER.match(text) is None:
            raise Problem(404, "not-found", f"{name}: a number without leading zeros is wanted")
        return int(text)

    def digest(self, name: str) -> bytes:
        """A part of the path that is 32 bytes in hexadecimal; Problem 404 otherwise."""
        text = self.params[name]
        if _DIGEST.match(text) is None:
            raise Problem(404, "not-found", f"{name}: 64 hexadecimal digits are wanted")
        return bytes.fromhex(text.removeprefix("0x"))

    def name(self, name: str) -> str:
        """A part of the path that is a member's or report's name; Problem 404 otherwise."""
        text = self.params[name]
        if _NAME.match(text) is None:
            raise Problem(404, "not-found", f"{name}: 1 to 31 of a-z, 0-9 and - are wanted")
        return text

    def identity(self, name: str, characters: int) -> str:
        """A part of the path that is an id in lower-case hexadecimal; Problem 404 otherwise."""
        text = self.params[name]
        if re.fullmatch(r"[0-9a-f]+", text) is None or len(text) != characters:
            raise Problem(404, "not-found", f"{name}: {characters} hexadecimal digits are wanted")
        return text

    @property
    def tray(self) -> Tray:
        """Results of this session's forms."""
        if self.session is None:
            raise RuntimeError("a form was served without a session")
        return self.session.tray

    def page_number(self, name: str) -> int | None:
        """A number of the query, None where it is left out; Problem 400 for anything else."""
        text = self.exchange.query(name).get(name)
        if text is None:
            return None
        if _NUMBER.match(text) is None:
            allowed = "a number without leading zeros"
            raise refused(name, allowed)
        return int(text)


Handler = Callable[[Visit], Awaitable[View | Reply]]
"""Serves one page; raises Problem or ServiceError."""


_OF_PERSONS: Final = (
    "/console/customer-reports", "/console/protections", "/console/consents",
    "/console/cooling-offs",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Page:
    """One path and method with who may see it."""

    method: str
    path: str
    """Template, as /console/blocks/{height}; also the label in logs and metrics."""
    handler: Handler
    roles: frozenset[Role] | None
    """None: without a session."""
    label: str | None = None
    """Its name in the navigation, None for pages that are reached by links."""
    ledger: bool = False
    """Whether it shows the alliance's ledger, which people at a desk seldom need."""
    large: bool = False
    """Whether its form is one of a desk, with many and long fields."""
    upload: bool = False
    """Whether its form has a file."""
    timeout_ms: int | None = None
    """Its own deadline."""
    audited: bool = True
    """Whether the gate enters it in the access log if only an admin may; else its desk does."""
    scripted: bool = False
    """Whether the console's one script may run on it; without it the page does the same."""

    @property
    def is_of_persons(self) -> bool:
        """Whether it takes or shows what this member keeps of persons: every request is entered."""
        return self.path.startswith(_OF_PERSONS) or self.path.endswith("/result/{format}")


def redirect(path: str, *headers: tuple[bytes, bytes]) -> Reply:
    """303 to a path of this console."""
    place = (b"location", path.encode("ascii"))
    return Reply(303, b"", HTML_TYPE, (place, *headers))


async def read_form(exchange: Exchange, *, large: bool = False) -> dict[str, str]:
    """Fields of a form. Raises Problem 400, 413, 415."""
    exchange.content_type(FORM_TYPE)
    body = await exchange.body(LARGE_FORM_BYTES if large else MAX_FORM_BYTES)
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=LARGE_FORM_FIELDS if large else MAX_FORM_FIELDS,
        )
    except ValueError as error:  # also UnicodeDecodeError
        raise malformed("the form is not percent-encoded UTF-8 of a few fields") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise malformed("a field of the form is given twice")
    return fields
