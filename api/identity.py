"""Identity over REST: API keys at run time, who asks, and reload.

Rules: for administrators only, but for `whoami`. A clear key is in the answer that makes it and
nowhere else. Each change is in the access log under the id of who made it; the desk writes those
entries, so the routes are not entered a second time. What is wrong with a body is named field by
field.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from api import documentation as doc
from api import identity_schemas as schemas
from api.exchange import ALL_ROLES, JSON_TYPE, Exchange, Reply, Route, json_reply
from api.indicators import read_object
from api.problems import FieldProblem, Problem, invalid, refused
from api.settings import ApiSettings
from api.views import timestamp
from node.identity.apikey import (
    KEY_ID,
    ApiKeysInvalid,
    limit_document,
    parse_instant,
    parse_label,
    parse_limit,
    parse_networks,
)
from node.identity.port import ApiKeyService, KeyView, KeyWish, NewKey
from node.service import Role

ADMINS: Final = frozenset({Role.ADMIN})
MAX_BODY_BYTES: Final = 16 * 1024
DEFAULT_OVERLAP_S: Final = 86_400
MAX_OVERLAP_S: Final = 90 * 86_400
_LIST: Final = doc.operation(
    "listApiKeys", "identity", "List the API keys of this node", {200: schemas.ApiKeysOut}
)
_SHOW: Final = doc.operation(
    "showApiKey",
    "identity",
    "Show an API key",
    {200: schemas.ApiKeyOut},
    path=["key_id"],
    problems=(404,),
)
_CREATE: Final = doc.operation(
    "createApiKey",
    "identity",
    "Make an API key; its clear text is shown this once",
    {201: schemas.NewApiKeyOut},
    body=doc.json_body(schemas.ApiKeyIn),
    problems=(409,),
)
_ROTATE: Final = doc.operation(
    "rotateApiKey",
    "identity",
    "Give an API key a new secret; the old one holds for the overlap",
    {200: schemas.NewApiKeyOut},
    body=doc.json_body(schemas.RotationIn, required=False),
    path=["key_id"],
    problems=(404, 409),
)
_REVOKE: Final = doc.operation(
    "revokeApiKey",
    "identity",
    "End an API key at once and for good",
    {200: schemas.ApiKeyOut},
    path=["key_id"],
    problems=(404, 409),
)
_WHO: Final = doc.operation(
    "whoAmI", "identity", "Show who asks, and in which role", {200: schemas.WhoOut}
)
_RELOAD: Final = doc.operation(
    "reload",
    "node",
    "Read settings and files anew; a broken one changes nothing",
    {200: schemas.ReloadOut},
    problems=(422,),
)


class KeyReader:
    """Reads what an administrator wants of a key."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        """`now_ms` is the wall clock."""
        self._now_ms = now_ms

    def wish(self, given: dict[str, object]) -> KeyWish:
        """A key to be made, from fields by their names; Problem 422 otherwise."""
        role, name = given["role"], given.get("id")
        if not isinstance(role, str) or role not in {known.value for known in Role}:
            allowed = ", ".join(known.value for known in Role)
            raise invalid(FieldProblem("role", f"allowed: {allowed}"))
        if name is not None and (not isinstance(name, str) or KEY_ID.match(name) is None):
            raise invalid(FieldProblem("id", "allowed: 1 to 63 of a-z, 0-9, '.', '_', '-'"))
        expires_ms = self.moment(given.get("expires"))
        try:
            label = parse_label(given.get("label", ""), "body")
            networks = parse_networks(given.get("networks", []), "body")
            limit = None
            if given.get("limit") is not None:
                stated = given["limit"]
                if isinstance(stated, dict):
                    stated = {name: value for name, value in stated.items() if value is not None}
                limit = parse_limit(stated, "body")
        except ApiKeysInvalid as error:
            field = error.detail.partition(" ")[0].partition(".")[0]
            raise invalid(FieldProblem(field, error.detail)) from error
        return KeyWish(Role(role), name, label, expires_ms, networks, limit)

    def moment(self, given: object) -> int | None:
        """A time to come; Problem 422 otherwise."""
        if given is None:
            return None
        try:
            moment = parse_instant(given, "expires", "body")
        except ApiKeysInvalid as error:
            raise invalid(FieldProblem("expires", error.detail)) from error
        if moment <= self._now_ms():
            raise invalid(FieldProblem("expires", "expires wants a time to come"))
        return moment


class IdentityRoutes:
    """Handlers of /v1/api-keys, /v1/whoami and /v1/node/reload."""

    def __init__(
        self, service: ApiKeyService, now_ms: Callable[[], int] = lambda: time.time_ns() // 10**6
    ) -> None:
        """`now_ms` is the wall clock."""
        self._service = service
        self._now_ms = now_ms
        self._reader = KeyReader(now_ms)

    async def list(self, exchange: Exchange) -> Reply:
        """GET /v1/api-keys."""
        exchange.query()
        return json_reply(200, {"keys": [self._entry(view) for view in self._service.key_views()]})

    async def show(self, exchange: Exchange) -> Reply:
        """GET /v1/api-keys/{key_id}."""
        exchange.query()
        return json_reply(200, self._entry(self._service.key_view(_key_id(exchange))))

    async def create(self, exchange: Exchange) -> Reply:
        """POST /v1/api-keys."""
        exchange.query()
        given = await _object(exchange)
        _check_names(given, {"role"}, {"id", "label", "expires", "networks", "limit"})
        wish = self._reader.wish(given)
        made = await self._service.create(wish, exchange.caller)
        place = (b"location", f"/v1/api-keys/{made.view.key.id}".encode("ascii"))
        return json_reply(201, self._new(made), place)

    async def rotate(self, exchange: Exchange) -> Reply:
        """POST /v1/api-keys/{key_id}/rotate."""
        exchange.query()
        key_id = _key_id(exchange)
        given = await _object(exchange, may_be_empty=True)
        _check_names(given, set(), {"overlap_seconds", "expires"})
        overlap = given.get("overlap_seconds", DEFAULT_OVERLAP_S)
        is_count = isinstance(overlap, int) and not isinstance(overlap, bool)
        if not is_count or not isinstance(overlap, int) or not 0 <= overlap <= MAX_OVERLAP_S:
            raise invalid(FieldProblem("overlap_seconds", f"a number from 0 to {MAX_OVERLAP_S}"))
        expires_ms = self._reader.moment(given.get("expires"))
        made = await self._service.rotate(key_id, overlap * 1000, expires_ms, exchange.caller)
        return json_reply(200, self._new(made))

    async def revoke(self, exchange: Exchange) -> Reply:
        """DELETE /v1/api-keys/{key_id}."""
        exchange.query()
        ended = await self._service.revoke(_key_id(exchange), exchange.caller)
        return json_reply(200, self._entry(ended))

    async def who(self, exchange: Exchange) -> Reply:
        """GET /v1/whoami."""
        exchange.query()
        principal, entrance = exchange.principal, exchange.entrance
        if principal is None or entrance is None:
            raise Problem(401, "unauthenticated", "send Authorization: Bearer KEY")
        limit = entrance.identities.own_limit(principal)
        shown = {
            "id": principal.key_id,
            "role": principal.role.value,
            "via": principal.via.value,
            "expires": _text(principal.expires_ms),
            "limit": None if limit is None else limit_document(limit),
        }
        return json_reply(200, shown)

    async def reload(self, exchange: Exchange) -> Reply:
        """POST /v1/node/reload."""
        exchange.query()
        done = await self._service.reload(exchange.caller)
        return json_reply(200, {"taken": list(done.taken), "restart": list(done.restart)})

    def _new(self, made: NewKey) -> dict[str, object]:
        return {"key": made.clear, "entry": self._entry(made.view)}

    def _entry(self, view: KeyView) -> dict[str, object]:
        key, now_ms = view.key, self._now_ms()
        state = "active"
        if key.revoked_ms is not None:
            state = "revoked"
        elif key.expires_ms is not None and now_ms >= key.expires_ms:
            state = "expired"
        overlaps = key.previous is not None and now_ms < key.previous_until_ms
        return {
            "id": key.id,
            "role": key.role.value,
            "label": key.label,
            "created": _text(key.created_ms),
            "expires": _text(key.expires_ms),
            "revoked": _text(key.revoked_ms),
            "networks": [str(network) for network in key.networks],
            "limit": None if key.limit is None else limit_document(key.limit),
            "previous_until": _text(key.previous_until_ms) if overlaps else None,
            "last_used": _text(view.last_used_ms),
            "state": state,
        }


def identity_routes(at: IdentityRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    limit, base = settings.request_timeout_ms, "/v1/api-keys"
    one = f"{base}/{{key_id}}"
    return [
        Route("GET", base, at.list, ADMINS, _LIST, limit),
        Route("POST", base, at.create, ADMINS, _CREATE, limit, audit=False),
        Route("GET", one, at.show, ADMINS, _SHOW, limit),
        Route("DELETE", one, at.revoke, ADMINS, _REVOKE, limit, audit=False),
        Route("POST", f"{one}/rotate", at.rotate, ADMINS, _ROTATE, limit, audit=False),
        Route("GET", "/v1/whoami", at.who, ALL_ROLES, _WHO, limit),
        Route("POST", "/v1/node/reload", at.reload, ADMINS, _RELOAD, limit, audit=False),
    ]


async def _object(exchange: Exchange, *, may_be_empty: bool = False) -> dict[str, object]:
    is_chunked = b"transfer-encoding" in exchange.headers
    if may_be_empty and not is_chunked and exchange.headers.get(b"content-length", b"0") == b"0":
        return {}
    exchange.content_type(JSON_TYPE)
    return read_object(await exchange.body(MAX_BODY_BYTES))


def _check_names(given: dict[str, object], needed: set[str], optional: set[str]) -> None:
    wrong = [FieldProblem(name, "is needed") for name in sorted(needed - given.keys())]
    known = needed | optional
    if given.keys() - known:
        allowed = ", ".join(sorted(known))
        wrong.append(FieldProblem("body", f"has an unknown field; known: {allowed}"))
    if wrong:
        raise invalid(*wrong)


def _key_id(exchange: Exchange) -> str:
    given = exchange.params["key_id"]
    if KEY_ID.match(given) is None:
        raise refused("key_id", "1 to 63 of a-z, 0-9, '.', '_', '-'")
    return given


def _text(at_ms: int | None) -> str | None:
    return None if at_ms is None else timestamp(at_ms)
