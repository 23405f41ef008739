"""Forms: fields with their labels, choices and errors, and how a sent form becomes a redirect.

Rules: what was typed comes back into the form when it is refused, with each error beside its field
and a summary that links to it; what was done leads to a page of its own, so reloading does nothing
again. Passwords, files and secrets never come back. It knows no desk.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from api.console.tray import Interrupted, NoTicket
from api.console.visit import View, Visit, redirect
from api.edge import as_problem
from api.exchange import Reply
from api.problems import FieldProblem, Problem, invalid
from bulwark.indicators.errors import IndicatorError
from bulwark.indicators.terms import Term
from bulwark.ledger.ids import Digest
from node.service import Idempotency, ServiceError

T = TypeVar("T", bound=Term)
_INDEX: Final = re.compile(r"[.\[].*")
SHOWN_AGAIN: Final = frozenset({400, 403, 404, 409, 410, 413, 422, 429, 503})
"""Refusals after which the form is shown again with what was typed."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form."""

    name: str
    label: str
    kind: str = "text"
    """text, search, number, date, datetime, textarea, select, checkbox or hidden."""
    value: str = ""
    help: str = ""
    options: tuple[tuple[str, str], ...] = ()
    """(value, words) of a select."""
    required: bool = False
    most: int = 128
    """Characters."""
    autofocus: bool = False
    errors: tuple[str, ...] = ()
    more: bool = False
    """Seldom filled in: it stands below a heading that opens."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form as a page shows it."""

    action: str
    button: str
    fields: tuple[Field, ...] = ()
    id: str = "form"
    ticket: str = ""
    errors: tuple[tuple[str, str], ...] = ()
    """(id of the field or '', message) of the summary."""
    upload: bool = False
    danger: bool = False
    """What it does can not be undone; the button shows after a second click."""
    more: str = "More"
    """The heading over the fields that are seldom filled in."""

    @property
    def prefix(self) -> str:
        """What ids of its fields begin with, since a page may have several forms."""
        return "" if self.id == "form" else f"{self.id}-"

    @property
    def shows_more(self) -> bool:
        """Whether a field that is seldom filled in has an error or a text."""
        typed = any(each.value for each in self.fields if each.more and each.kind != "select")
        return typed or any(each.errors for each in self.fields if each.more)


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a form was refused."""

    status: int
    detail: str
    errors: tuple[FieldProblem, ...] = ()
    headers: tuple[tuple[bytes, bytes], ...] = field(default=())


def form_of(
    visit: Visit, action: str, button: str, fields: Iterable[Field] = (), **more: object
) -> Form:
    """A fresh form of this session."""
    ticket = "" if visit.session is None else visit.session.tray.ticket()
    return replace(Form(action, button, tuple(fields), ticket=ticket), **more)  # type: ignore[arg-type]


def refused(form: Form, given: Mapping[str, str], wrong: Wrong) -> Form:
    """The form with what was typed and what is wrong with it."""
    names = {each.name for each in form.fields}
    found: dict[str, list[str]] = {}
    summary: list[tuple[str, str]] = []
    for problem in wrong.errors:
        name = problem.field if problem.field in names else _INDEX.sub("", problem.field)
        rule = "" if problem.rule is None else f" ({problem.rule})"
        text = f"{problem.detail}{rule}"
        if name in names:
            found.setdefault(name, []).append(text)
            label = next(each.label for each in form.fields if each.name == name)
            summary.append((f"{form.prefix}{name}", f"{label}: {text}"))
        else:
            summary.append(("", f"{problem.field}: {text}" if problem.field else text))
    if not summary:
        summary.append(("", wrong.detail))
    fields = tuple(
        replace(
            each,
            value=given.get(each.name, "") if each.kind != "hidden" else each.value,
            errors=tuple(found.get(each.name, ())),
            autofocus=False,
        )
        for each in form.fields
    )
    return replace(form, fields=fields, errors=tuple(summary))


async def settle(
    visit: Visit, work: Callable[[], Awaitable[str]], again: Callable[[Wrong], Awaitable[View]]
) -> View | Reply:
    """Do what a form asks, once, and lead on; or show it again with what is wrong."""
    visit.exchange.query()
    session = visit.session
    if session is None:
        raise RuntimeError("a form was served without a session")
    try:
        path = await session.tray.once(visit.form.get("ticket", ""), work)
    except NoTicket:
        raise Problem(400, "malformed", "the form came without its ticket; load it anew") from None
    except Interrupted:
        detail = "the same form was sent a moment before and was not served; send it again"
        raise Problem(409, "conflict", detail) from None
    except (Problem, ServiceError, IndicatorError) as error:
        problem = as_problem(error, visit.exchange.correlator)
        if problem.status not in SHOWN_AGAIN:
            raise
        headers = tuple((k.encode(), v.encode("latin-1")) for k, v in problem.headers.items())
        view = await again(Wrong(problem.status, problem.detail, tuple(problem.errors), headers))
        return replace(view, status=problem.status, headers=(*view.headers, *headers))
    return redirect(path)


def promise(visit: Visit) -> Idempotency:
    """The form's ticket as the node's idempotency key: it holds past the end of the session."""
    fields = sorted((k, v) for k, v in visit.form.items() if k not in ("token", "ticket"))
    text = "\n".join([visit.exchange.path, *(f"{k}={v!r}" for k, v in fields)])
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return Idempotency(f"console-{visit.form['ticket']}", Digest(digest))


def given(visit: Visit, *names: str) -> dict[str, object]:
    """The named fields that were filled in, stripped; Problem 422 for a field that has no place."""
    unknown = visit.form.keys() - {*names, "token", "ticket"}
    if unknown:
        raise invalid(FieldProblem(min(unknown)[:64], "the form has no such field"))
    return {name: text for name in names if (text := visit.form.get(name, "").strip())}


def whole(row: dict[str, object], *names: str) -> dict[str, object]:
    """The same with whole numbers where these fields hold digits; others are left as typed."""
    for name in names:
        text = row.get(name)
        if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 18:
            row[name] = int(text)
    return row


def options(vocabulary: type[T], *without: Term) -> tuple[tuple[str, str], ...]:
    """Choices of a vocabulary, in words."""
    return tuple((entry.label, _in_words(entry)) for entry in vocabulary if entry not in without)


def _in_words(entry: Term) -> str:
    """A term with its meaning, where that is more than another name for programs."""
    words = entry.label.replace("_", " ")
    return words if entry.meaning.startswith("dpv:") else f"{words}: {entry.meaning}"
