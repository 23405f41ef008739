"""Keys: API keys of this node for its administrators: listed, made, rotated, revoked.

Rules: a clear key is on one page, once, and in no address; the desk enters every change in the
access log. The session's own key can be rotated and revoked too: a revoked one ends the session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from api.console.forms import Field, Form, Wrong, form_of, given, refused, settle, whole
from api.console.source import Source
from api.console.visit import View, Visit
from api.exchange import Reply
from api.identity import DEFAULT_OVERLAP_S, MAX_OVERLAP_S, KeyReader
from api.problems import FieldProblem, Problem, invalid
from node.identity.apikey import KEY_ID, limit_document
from node.identity.port import ApiKeyService, KeyView
from node.service import NotFound, Role

PATH: Final = "/console/keys"
FIELDS: Final = ("id", "role", "label", "expires", "networks", "per_second", "rows_per_second")
RIGHTS: Final = {
    Role.REPORTER: "reports indicators, gives and withdraws consents, disputes and rules, screens",
    Role.ANALYST: "screens, reads records and disputes, takes customers' reports",
    Role.OPERATOR: "sees the node's state and metrics, sends transactions",
    Role.AUDITOR: "reads records, proofs, proposals, reports of the audit desk, the access log",
    Role.ADMIN: "proposes and votes for this member, makes keys and webhooks, reloads the node",
}


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that is shown once."""

    title: str
    what: str
    clear: str
    advice: str
    back: str

    def __repr__(self) -> str:
        return f"Secret({self.title!r})"


class SecretPages:
    """Handler of /console/shown-once."""

    async def show(self, visit: Visit) -> View:
        """GET /console/shown-once/{kept}."""
        visit.exchange.query()
        name = visit.params["kept"]
        found = visit.tray.show(name)
        if not isinstance(found, Secret):
            detail = "it was shown once and is kept nowhere; make another one"
            raise Problem(404, "not-found", detail)
        if visit.exchange.method == "GET":  # a HEAD shows nothing
            visit.tray.take(name)
        return View("secret.html", found.title, {"secret": found})


class KeyPages:
    """Handlers of /console/keys."""

    def __init__(self, source: Source, keys: ApiKeyService) -> None:
        self._source = source
        self._keys = keys
        self._reader = KeyReader(source.now_ms)

    async def every(self, visit: Visit) -> View:
        """GET /console/keys."""
        visit.exchange.query()
        return self._list(visit, key_form(visit))

    def _list(self, visit: Visit, form: Form) -> View:
        views = self._keys.key_views()
        values = {"rows": [(view, self._state(view)) for view in views], "form": form}
        return View("keys.html", "API keys", values)

    async def create(self, visit: Visit) -> View | Reply:
        """POST /console/keys."""

        async def work() -> str:
            wish = self._reader.wish(_stated(visit))
            made = await self._keys.create(wish, visit.exchange.caller)
            key = made.view.key
            what = f"API key {key.id}, role {key.role.value}"
            return self._once(visit, "The new key", what, made.clear, key.id)

        async def again(wrong: Wrong) -> View:
            return self._list(visit, refused(key_form(visit), visit.form, wrong))

        return await settle(visit, work, again)

    def _once(self, visit: Visit, title: str, what: str, clear: str, key_id: str) -> str:
        advice = "Put it where its user reads it from. The node keeps its hash only."
        secret = Secret(title, what, clear, advice, f"{PATH}/{key_id}")
        return f"/console/shown-once/{visit.tray.keep(secret)}"

    async def show(self, visit: Visit) -> View:
        """GET /console/keys/{key}."""
        visit.exchange.query()
        return self._one(visit, _rotation_form(visit, _key_id(visit)))

    def _one(self, visit: Visit, rotation: Form, revocation: Form | None = None) -> View:
        view = self._keys.key_view(_key_id(visit))
        key = view.key
        ended = revocation or form_of(
            visit, f"{PATH}/{key.id}/revoke", "Revoke for good", id="revoke", danger=True
        )
        values = {
            "view": view,
            "key": key,
            "state": self._state(view),
            "limit": {} if key.limit is None else limit_document(key.limit),
            "is_own": key.id == visit.principal.key_id,
            "overlaps": key.previous is not None and self._source.now_ms() < key.previous_until_ms,
            "rotation": rotation,
            "revocation": ended,
        }
        return View("key.html", f"API key {key.id}", values, (("API keys", PATH),))

    async def rotate(self, visit: Visit) -> View | Reply:
        """POST /console/keys/{key}/rotate."""
        key_id = _key_id(visit)

        async def work() -> str:
            row = whole(given(visit, "overlap_seconds", "expires"), "overlap_seconds")
            overlap = row.get("overlap_seconds", DEFAULT_OVERLAP_S)
            if not isinstance(overlap, int) or not 0 <= overlap <= MAX_OVERLAP_S:
                allowed = f"a number from 0 to {MAX_OVERLAP_S}"
                raise invalid(FieldProblem("overlap_seconds", allowed))
            until = self._reader.moment(row.get("expires"))
            caller = visit.exchange.caller
            made = await self._keys.rotate(key_id, overlap * 1000, until, caller)
            what = f"API key {key_id}, the new secret"
            return self._once(visit, "The rotated key", what, made.clear, key_id)

        async def again(wrong: Wrong) -> View:
            return self._one(visit, refused(_rotation_form(visit, key_id), visit.form, wrong))

        return await settle(visit, work, again)

    async def revoke(self, visit: Visit) -> View | Reply:
        """POST /console/keys/{key}/revoke."""
        key_id = _key_id(visit)

        async def work() -> str:
            given(visit)
            await self._keys.revoke(key_id, visit.exchange.caller)
            return f"{PATH}/{key_id}"

        async def again(wrong: Wrong) -> View:
            form = form_of(
                visit, f"{PATH}/{key_id}/revoke", "Revoke for good", id="revoke", danger=True
            )
            return self._one(visit, _rotation_form(visit, key_id), refused(form, {}, wrong))

        return await settle(visit, work, again)

    def _state(self, view: KeyView) -> str:
        key = view.key
        if key.revoked_ms is not None:
            return "revoked"
        is_over = key.expires_ms is not None and self._source.now_ms() >= key.expires_ms
        return "expired" if is_over else "active"


def key_form(visit: Visit) -> Form:
    """The form of a new key."""
    roles = tuple((role.value, f"{role.value}: {RIGHTS[role]}") for role in Role)
    fields = (
        Field("role", "Role", "select", "analyst", options=roles),
        Field("id", "Id", most=63, help="1 to 63 of a-z, 0-9, '.', '_', '-'; logs name it. "
              "Left out: the node makes one."),
        Field("label", "Label", most=100, help="What or who uses it."),
        Field("expires", "Expires", most=32, help="As 2027-01-31T00:00:00Z; left out: never."),
        Field("networks", "Networks", most=1_000,
              help="Where it may be used from, with blanks between, as 10.1.0.0/16."),
        Field("per_second", "Requests a second", "number", most=10,
              help="Its own bound; left out: that of the role."),
        Field("rows_per_second", "Rows of uploads a second", "number", most=10),
    )  # fmt: skip
    return form_of(visit, PATH, "Make the key", fields)


def _rotation_form(visit: Visit, key_id: str) -> Form:
    fields = (
        Field("overlap_seconds", "The old secret holds for so many seconds", "number",
              str(DEFAULT_OVERLAP_S), f"0 to {MAX_OVERLAP_S}", most=10, required=True),
        Field("expires", "Expires", most=32, help="As 2027-01-31T00:00:00Z; left out: as it is."),
    )  # fmt: skip
    return form_of(visit, f"{PATH}/{key_id}/rotate", "Rotate", fields, id="rotate")


def _stated(visit: Visit) -> dict[str, object]:
    row = whole(given(visit, *FIELDS), "per_second", "rows_per_second")
    networks = row.pop("networks", None)
    if networks is not None:
        row["networks"] = str(networks).replace(",", " ").split()
    limit = {name: row.pop(name) for name in ("per_second", "rows_per_second") if name in row}
    wrong = [name for name, value in limit.items() if not isinstance(value, int) or value < 1]
    if wrong:
        allowed = "a whole number, 1 or more"
        raise invalid(*(FieldProblem(name, allowed) for name in wrong))
    if limit:
        row["limit"] = limit
    if "role" not in row:
        raise invalid(FieldProblem("role", "choose one"))
    return row


def _key_id(visit: Visit) -> str:
    text = visit.params["key"]
    if KEY_ID.match(text) is None:
        raise NotFound("there is no such key")
    return text
