"""In force: roles and their rights, users, rates and quotas of this node, and reload.

Rules: what is shown is what holds now, asked of the desks that apply it. Questions left are the
member's own count in this quota period, as its metrics tell it; nothing names another member.
"""

from __future__ import annotations

from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from api.auth import Entrance
from api.console.forms import Form, Wrong, form_of, given, refused, settle
from api.console.keys import RIGHTS
from api.console.source import Source
from api.console.visit import Page, View, Visit
from api.exchange import Reply
from api.problems import Problem
from node.identity.apikey import limit_document
from node.identity.port import ApiKeyService, Reloaded
from node.service import Role

ROLES: Final = "/console/roles"
QUOTAS: Final = "/console/quotas"
CALLERS: Final = 50
"""Callers whose use of their rates is shown."""
_FAMILIES: Final = ("bulwark_quota", "bulwark_quota_used")
PREFIXES: Final = ("quota", "oprf", "epoch")
"""Beginnings of the parameters' names that bound questions."""


class InForcePages:
    """Handlers of /console/roles and /console/quotas."""

    def __init__(
        self, source: Source, identity: ApiKeyService, entrance: Entrance, pages: list[Page]
    ) -> None:
        """`pages`: the console's own, of which the rights table is made."""
        self._source = source
        self._identity = identity
        self._entrance = entrance
        self._pages = pages

    async def roles(self, visit: Visit) -> View:
        """GET /console/roles."""
        visit.exchange.query()
        return self._roles(visit, _reload_form(visit))

    def _roles(self, visit: Visit, form: Form) -> View:
        labelled = [page for page in self._pages if page.label and page.roles is not None]
        table = [
            (str(page.label), [role in (page.roles or ()) for role in Role]) for page in labelled
        ]
        values = {
            "rights": [(role.value, text) for role, text in RIGHTS.items()],
            "roles": [role.value for role in Role],
            "table": table,
            "provider": self._identity.provider_view(),
            "form": form,
        }
        return View("roles.html", "Roles and users", values)

    async def reload(self, visit: Visit) -> View | Reply:
        """POST /console/roles/reload."""

        async def work() -> str:
            given(visit)
            done = await self._identity.reload(visit.exchange.caller)
            return f"{ROLES}/reloaded/{visit.tray.keep(done)}"

        async def again(wrong: Wrong) -> View:
            return self._roles(visit, refused(_reload_form(visit), {}, wrong))

        return await settle(visit, work, again)

    async def reloaded(self, visit: Visit) -> View:
        """GET /console/roles/reloaded/{kept}."""
        visit.exchange.query()
        found = visit.tray.show(visit.params["kept"])
        if not isinstance(found, Reloaded):
            raise Problem(404, "not-found", "this session has no such reload, or no more")
        crumbs = (("Roles and users", ROLES),)
        return View("reloaded.html", "Read anew", {"done": found}, crumbs)

    async def quotas(self, visit: Visit) -> View:
        """GET /console/quotas."""
        visit.exchange.query()
        limiter = self._entrance.identities.limiter
        governance = self._source.governance
        bounds = [
            (role.value, limit_document(limit)) for role, limit in sorted(limiter.bounds.items())
        ]
        parameters = [] if governance is None else governance.parameters()
        values = {
            "scopes": self._questions(),
            "bounds": bounds,
            "levels": limiter.levels(CALLERS),
            "refused": sorted(limiter.refused.items()),
            "parameters": [view for view in parameters if view.name.startswith(PREFIXES)],
        }
        return View("quotas.html", "Quotas and rates", values)

    def _questions(self) -> list[tuple[str, int, int, int]]:
        """(scope, allowed, used, left) of this quota period."""
        found: dict[str, dict[str, int]] = {}
        text = self._source.service.metrics().decode("utf-8")
        for family in text_string_to_metric_families(text):
            if family.name in _FAMILIES:
                for sample in family.samples:
                    scope = sample.labels.get("scope", "")
                    found.setdefault(scope, {})[family.name] = int(sample.value)
        rows = []
        for scope, counts in sorted(found.items()):
            allowed, used = (counts.get(name, 0) for name in _FAMILIES)
            rows.append((scope.replace("_", " "), allowed, used, max(0, allowed - used)))
        return rows


def _reload_form(visit: Visit) -> Form:
    return form_of(visit, f"{ROLES}/reload", "Read settings and files anew", id="reload")
