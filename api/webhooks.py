"""Webhooks over REST: subscriptions, their secrets, tries, dead letters and replays.

Rules: administrators make and change them, operators see how they do; a secret is in the answer
that makes it and in no other. What a URL may be is the node's word (`node.push.receiver`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from msgspec.structs import asdict
from pydantic import ValidationError

from api import documentation as doc
from api import push_schemas as schemas
from api.exchange import JSON_TYPE, Exchange, Reply, Route, json_reply
from api.indicators import read_object
from api.problems import FieldProblem, invalid
from api.query import documented, number
from api.settings import ApiSettings
from node.push.port import Attempt, Change, PushService, Wanted, Webhook
from node.service import NotFound, Role

ADMINS: Final = frozenset({Role.ADMIN})
WATCHERS: Final = frozenset({Role.ADMIN, Role.OPERATOR})
PAGE: Final = 100
_ID: Final = re.compile(schemas.WEBHOOK_ID.removesuffix("$") + r"\Z")
_BASE: Final = "/v1/webhooks"
_ONE: Final = "/v1/webhooks/{webhook_id}"
M = TypeVar("M", bound=schemas.Model)


class WebhookRoutes:
    """Handlers of /v1/webhooks."""

    def __init__(self, service: PushService, settings: ApiSettings) -> None:
        self._service = service
        self._most = settings.max_body_bytes

    async def list(self, exchange: Exchange) -> Reply:
        """GET /v1/webhooks."""
        exchange.query()
        shown = [webhook_document(webhook) for webhook in self._service.webhooks()]
        return json_reply(200, {"webhooks": shown})

    async def add(self, exchange: Exchange) -> Reply:
        """POST /v1/webhooks."""
        wish = await self._read(exchange, schemas.WebhookIn)
        made, secret = await self._service.add(
            wish.url,
            tuple(dict.fromkeys(wish.types)),
            wish.description,
            wish.after,
            exchange.caller,
        )
        return json_reply(201, {**webhook_document(made), "secret": secret})

    async def show(self, exchange: Exchange) -> Reply:
        """GET /v1/webhooks/{webhook_id}."""
        exchange.query()
        return json_reply(200, webhook_document(self._service.webhook(_identity(exchange))))

    async def change(self, exchange: Exchange) -> Reply:
        """PATCH /v1/webhooks/{webhook_id}."""
        identity = _identity(exchange)
        wish = await self._read(exchange, schemas.WebhookChangeIn)
        change = Change(
            url=wish.url,
            types=None if wish.types is None else tuple(dict.fromkeys(wish.types)),
            description=wish.description,
            is_active=None if wish.state is None else wish.state == "active",
        )
        changed = await self._service.change(identity, change, exchange.caller)
        return json_reply(200, webhook_document(changed))

    async def remove(self, exchange: Exchange) -> Reply:
        """DELETE /v1/webhooks/{webhook_id}."""
        exchange.query()
        await self._service.remove(_identity(exchange), exchange.caller)
        return Reply(204)

    async def rotate(self, exchange: Exchange) -> Reply:
        """POST /v1/webhooks/{webhook_id}/secret."""
        identity = _identity(exchange)
        wish = await self._read(exchange, schemas.RotateIn, optional=True)
        made, secret = await self._service.rotate(identity, wish.overlap_s, exchange.caller)
        return json_reply(200, {**webhook_document(made), "secret": secret})

    async def test(self, exchange: Exchange) -> Reply:
        """POST /v1/webhooks/{webhook_id}/test."""
        exchange.query()
        return json_reply(200, attempt_document(await self._service.test(_identity(exchange))))

    async def replay(self, exchange: Exchange) -> Reply:
        """POST /v1/webhooks/{webhook_id}/replay."""
        identity = _identity(exchange)
        wish = await self._read(exchange, schemas.ReplayIn)
        queued = await self._service.replay(identity, _wanted(wish), exchange.caller)
        return json_reply(202, {"queued": queued})

    async def deliveries(self, exchange: Exchange) -> Reply:
        """GET /v1/webhooks/{webhook_id}/deliveries."""
        given = exchange.query("before")
        before = number(given, "before", 0) if "before" in given else None
        found = self._service.attempts(_identity(exchange), before, PAGE)
        shown = [attempt_document(attempt) for attempt in found]
        more = found[-1].number if len(found) == PAGE else None
        return json_reply(200, {"deliveries": shown, "next": more})

    async def dead(self, exchange: Exchange) -> Reply:
        """GET /v1/webhooks/{webhook_id}/dead."""
        after = number(exchange.query("after"), "after", 0)
        found = self._service.dead(_identity(exchange), after, PAGE)
        more = found[-1].event if len(found) == PAGE else None
        return json_reply(200, {"dead": [asdict(letter) for letter in found], "next": more})

    async def _read(self, exchange: Exchange, model: type[M], *, optional: bool = False) -> M:
        """The body as a model; Problem 400 or 422 otherwise, which repeats no value."""
        exchange.query()
        raw = await exchange.body(self._most)
        if optional and not raw:
            return model()
        exchange.content_type(JSON_TYPE)
        read_object(raw)
        try:
            return model.model_validate_json(raw, strict=True)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            raise invalid(*(_refused(problem) for problem in problems[:20])) from None


def webhook_routes(at: WebhookRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    limit = settings.request_timeout_ms
    before = documented("before", "What the page before gave as `next`")
    after = documented("after", "What the page before gave as `next`")
    shown, secret = {200: schemas.WebhookOut}, {200: schemas.WebhookSecretOut}

    def said(name: str, summary: str, answers: Mapping[int, Any], **more: Any) -> dict[str, Any]:
        return doc.operation(name, "webhooks", summary, answers, **more)

    def one(name: str, summary: str, answers: Mapping[int, Any], **more: Any) -> dict[str, Any]:
        problems = (404, *more.pop("problems", ()))
        return said(name, summary, answers, path=["webhook_id"], problems=problems, **more)

    return [
        Route("GET", _BASE, at.list, WATCHERS,
              said("listWebhooks", "List subscriptions", {200: schemas.WebhooksOut}), limit),
        Route("POST", _BASE, at.add, ADMINS,
              said("addWebhook", "Subscribe; the secret is shown this once",
                   {201: schemas.WebhookSecretOut}, body=doc.json_body(schemas.WebhookIn),
                   problems=(409,)), limit),
        Route("GET", _ONE, at.show, WATCHERS, one("showWebhook", "Show a subscription", shown),
              limit),
        Route("PATCH", _ONE, at.change, ADMINS,
              one("changeWebhook", "Change, pause or resume a subscription", shown,
                  body=doc.json_body(schemas.WebhookChangeIn), problems=(409,)), limit),
        Route("DELETE", _ONE, at.remove, ADMINS,
              one("removeWebhook", "Forget a subscription", {204: ""}, problems=(409,)), limit),
        Route("POST", _ONE + "/secret", at.rotate, ADMINS,
              one("rotateWebhookSecret", "A new secret; the old one signs too for a while", secret,
                  body=doc.json_body(schemas.RotateIn, required=False), problems=(409,)), limit),
        Route("POST", _ONE + "/test", at.test, ADMINS,
              one("testWebhook", "Post a test event now", {200: schemas.AttemptOut}),
              max(limit, 150_000)),
        Route("POST", _ONE + "/replay", at.replay, ADMINS,
              one("replayWebhook", "Put events up for delivery again", {202: schemas.ReplayOut},
                  body=doc.json_body(schemas.ReplayIn), problems=(409,)), limit),
        Route("GET", _ONE + "/deliveries", at.deliveries, WATCHERS,
              one("listDeliveries", "The latest tries, newest first", {200: schemas.AttemptsOut},
                  parameters=(before,)), limit),
        Route("GET", _ONE + "/dead", at.dead, WATCHERS,
              one("listDeadLetters", "Dead letters, oldest first", {200: schemas.DeadLettersOut},
                  parameters=(after,)), limit),
    ]  # fmt: skip


def webhook_document(webhook: Webhook) -> dict[str, object]:
    """A subscription."""
    shown: dict[str, object] = asdict(webhook)
    shown["configured"] = shown.pop("is_configured")
    return shown


def attempt_document(attempt: Attempt) -> dict[str, object]:
    """A try."""
    return asdict(attempt)


def _wanted(wish: schemas.ReplayIn) -> Wanted:
    is_range = wish.first is not None or wish.last is not None
    is_time = wish.from_ms is not None or wish.until_ms is not None
    if wish.dead + (wish.events is not None) + is_range + is_time != 1:
        allowed = "one of dead, events, first and last, from_ms and until_ms"
        raise invalid(FieldProblem("", allowed))
    return Wanted(
        dead=wish.dead,
        events=tuple(wish.events or ()),
        first=wish.first,
        last=wish.last,
        from_ms=wish.from_ms,
        until_ms=wish.until_ms,
    )


def _identity(exchange: Exchange) -> str:
    text = exchange.params["webhook_id"]
    if _ID.match(text) is None:
        raise NotFound("there is no such webhook")
    return text


def _refused(problem: Mapping[str, Any]) -> FieldProblem:
    return FieldProblem(".".join(str(part) for part in problem["loc"]), str(problem["msg"]))
