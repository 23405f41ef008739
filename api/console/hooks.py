"""Hooks: webhooks for administrators: added, tested, paused, rotated, replayed, and how they do.

Rules: the secret is on one page, once. What a URL may be is the node's word; the gate enters every
change in the access log. Operators see how they do and change nothing.
"""

from __future__ import annotations

import re
from typing import Final

from pydantic import ValidationError

from api.console.forms import Field, Form, Wrong, form_of, given, refused, settle, whole
from api.console.keys import Secret
from api.console.source import ADMINS
from api.console.visit import View, Visit
from api.exchange import Reply
from api.problems import FieldProblem, invalid
from api.push_schemas import WebhookIn
from node.push.port import Change, EventType, PushService, State, Wanted
from node.service import NotFound, ServiceError

PATH: Final = "/console/webhooks"
SHOWN: Final = 50
"""Tries and dead letters of one page."""
_ID: Final = re.compile(r"[0-9a-f]{16}\Z")
_TYPES: Final = tuple(f"type_{kind.value}" for kind in EventType)
_ADVICE: Final = (
    "Give it to the receiver: it checks each delivery's signature with it (docs/webhooks.md)."
)


class HookPages:
    """Handlers of /console/webhooks."""

    def __init__(self, push: PushService) -> None:
        self._push = push

    async def every(self, visit: Visit) -> View:
        """GET /console/webhooks."""
        visit.exchange.query()
        return self._list(visit, _add_form(visit))

    def _list(self, visit: Visit, form: Form) -> View:
        is_admin = visit.role in ADMINS
        values = {"hooks": self._push.webhooks(), "form": form if is_admin else None}
        return View("webhooks.html", "Webhooks", values)

    async def add(self, visit: Visit) -> View | Reply:
        """POST /console/webhooks."""

        async def work() -> str:
            wish = _wish(visit)
            types = tuple(dict.fromkeys(wish.types))
            caller = visit.exchange.caller
            try:
                made, secret = await self._push.add(
                    wish.url, types, wish.description, wish.after, caller
                )
            except ServiceError as error:
                if error.status != 422:
                    raise
                raise invalid(FieldProblem("url", error.detail)) from None
            return self._once(visit, "The webhook's secret", made.id, secret)

        async def again(wrong: Wrong) -> View:
            return self._list(visit, refused(_add_form(visit), visit.form, wrong))

        return await settle(visit, work, again)

    def _once(self, visit: Visit, title: str, identity: str, clear: str) -> str:
        secret = Secret(title, f"Webhook {identity}", clear, _ADVICE, f"{PATH}/{identity}")
        return f"/console/shown-once/{visit.tray.keep(secret)}"

    async def show(self, visit: Visit) -> View:
        """GET /console/webhooks/{webhook}."""
        visit.exchange.query()
        return self._one(visit)

    def _one(self, visit: Visit, wrong: Wrong | None = None) -> View:
        identity = _identity(visit)
        hook = self._push.webhook(identity)
        forms = {form.id: form for form in _forms(visit, hook.state, f"{PATH}/{identity}")}
        if wrong is not None:
            name = visit.exchange.route.rpartition("/")[2]
            name = "state" if name in ("pause", "resume") else name
            if name in forms:
                forms[name] = refused(forms[name], visit.form, wrong)
        values = {
            "hook": hook,
            "attempts": self._push.attempts(identity, None, SHOWN),
            "dead": self._push.dead(identity, 0, SHOWN),
            "forms": forms,
            "is_admin": visit.role in ADMINS,
        }
        return View("webhook.html", f"Webhook {identity}", values, (("Webhooks", PATH),))

    async def test(self, visit: Visit) -> View | Reply:
        """POST /console/webhooks/{webhook}/test."""

        async def work() -> str:
            given(visit)
            await self._push.test(_identity(visit))
            return f"{PATH}/{_identity(visit)}#deliveries"

        return await self._settle(visit, work)

    async def pause(self, visit: Visit) -> View | Reply:
        """POST /console/webhooks/{webhook}/pause."""
        return await self._switch(visit, is_active=False)

    async def resume(self, visit: Visit) -> View | Reply:
        """POST /console/webhooks/{webhook}/resume."""
        return await self._switch(visit, is_active=True)

    async def _switch(self, visit: Visit, *, is_active: bool) -> View | Reply:
        async def work() -> str:
            given(visit)
            change = Change(is_active=is_active)
            await self._push.change(_identity(visit), change, visit.exchange.caller)
            return f"{PATH}/{_identity(visit)}"

        return await self._settle(visit, work)

    async def rotate(self, visit: Visit) -> View | Reply:
        """POST /console/webhooks/{webhook}/rotate."""

        async def work() -> str:
            given(visit)
            made, secret = await self._push.rotate(_identity(visit), None, visit.exchange.caller)
            return self._once(visit, "The webhook's new secret", made.id, secret)

        return await self._settle(visit, work)

    async def replay(self, visit: Visit) -> View | Reply:
        """POST /console/webhooks/{webhook}/replay."""

        async def work() -> str:
            row = whole(given(visit, "first", "last"), "first", "last")
            first, last = row.get("first"), row.get("last")
            for name, value in (("first", first), ("last", last)):
                if value is not None and not isinstance(value, int):
                    raise invalid(FieldProblem(name, "the number of an event"))
            is_range = isinstance(first, int) or isinstance(last, int)
            wanted = Wanted(
                dead=not is_range,
                first=first if isinstance(first, int) else None,
                last=last if isinstance(last, int) else None,
            )
            await self._push.replay(_identity(visit), wanted, visit.exchange.caller)
            return f"{PATH}/{_identity(visit)}"

        return await self._settle(visit, work)

    async def remove(self, visit: Visit) -> View | Reply:
        """POST /console/webhooks/{webhook}/remove."""

        async def work() -> str:
            given(visit)
            await self._push.remove(_identity(visit), visit.exchange.caller)
            return PATH

        return await self._settle(visit, work)

    async def _settle(self, visit: Visit, work: object) -> View | Reply:
        async def again(wrong: Wrong) -> View:
            return self._one(visit, wrong)

        return await settle(visit, work, again)  # type: ignore[arg-type]


def _add_form(visit: Visit) -> Form:
    types = tuple(
        Field(f"type_{kind.value}", kind.value.replace("_", " "), "checkbox") for kind in EventType
    )
    fields = (
        Field("url", "Address of the receiver", required=True, most=2_000, help="https"),
        Field("description", "Description", most=200),
        *types,
    )
    return form_of(visit, PATH, "Add the webhook", fields)


def _forms(visit: Visit, state: State, base: str) -> list[Form]:
    """What an administrator may do to one."""
    word, name = ("Pause", "pause") if state is State.ACTIVE else ("Resume", "resume")
    events = (
        Field("first", "First event", "number", most=18),
        Field("last", "Last event", "number", most=18,
              help="Numbers of events, both included; without any: all dead letters."),
    )  # fmt: skip
    return [
        form_of(visit, f"{base}/test", "Send a test now", id="test"),
        form_of(visit, f"{base}/{name}", word, id="state"),
        form_of(visit, f"{base}/rotate", "New secret", id="rotate"),
        form_of(visit, f"{base}/replay", "Replay", events, id="replay"),
        form_of(visit, f"{base}/remove", "Remove", id="remove", danger=True),
    ]


def _wish(visit: Visit) -> WebhookIn:
    row = given(visit, "url", "description", *_TYPES)
    types = [name.removeprefix("type_") for name in _TYPES if row.pop(name, None)]
    try:
        return WebhookIn.model_validate({**row, "types": types})
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        wrong = [FieldProblem(str(p["loc"][0]), str(p["msg"])) for p in problems]
        raise invalid(*wrong) from None


def _identity(visit: Visit) -> str:
    text = visit.params["webhook"]
    if _ID.match(text) is None:
        raise NotFound("there is no such webhook")
    return text
