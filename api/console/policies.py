"""Policies: what the alliance agreed may be shared, for what, on which basis and for how long."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from api.console.source import Source
from api.console.visit import View, Visit
from node.governance.policyport import PolicyService, PolicyView


class PolicyPages:
    """Handlers of /console/policies."""

    def __init__(self, source: Source, policies: PolicyService) -> None:
        self._source = source
        self._policies = policies

    async def every(self, visit: Visit) -> View:
        """GET /console/policies."""
        visit.exchange.query()
        rows = [(view, _title(view)) for view in self._policies.policies()]
        return View("policies.html", "Policies", {"rows": rows})

    async def show(self, visit: Visit) -> View:
        """GET /console/policies/{policy}."""
        visit.exchange.query()
        view = self._policies.policy(visit.digest("policy").hex())
        policy = view.policy
        fields: list[tuple[str, str]] = []
        grounds: list[tuple[str, str, str]] = []
        if policy is not None:
            document = orjson.loads(policy.document)
            fields = [(_words(name), text) for name, text in _leaves(document, skipped="grounds")]
            grounds = [
                (str(ground.basis), _labels(ground.purposes), _labels(ground.kinds))
                for ground in policy.grounds
            ]
        values = {"view": view, "policy": policy, "fields": fields, "grounds": grounds}
        return View("policy.html", _title(view), values, (("Policies", "/console/policies"),))


def _title(view: PolicyView) -> str:
    return "A document that can not be read" if view.policy is None else view.policy.title


def _labels(terms: Iterable[object]) -> str:
    return ", ".join(sorted(str(term) for term in terms)) or "–"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _leaves(document: Any, skipped: str, prefix: str = "") -> list[tuple[str, str]]:
    """(path in words, value) of a JSON object, lists in one line."""
    found: list[tuple[str, str]] = []
    for name, value in document.items():
        if name == skipped and not prefix:
            continue
        path = f"{prefix}{'all kinds' if name == '*' else name}"
        if isinstance(value, dict):
            found += _leaves(value, skipped, f"{path}: ")
        elif isinstance(value, list):
            found.append((path, ", ".join(str(each) for each in value) or "none"))
        else:
            shown = {True: "yes", False: "no"}.get(value) if isinstance(value, bool) else value
            found.append((path, str(shown)))
    return found
