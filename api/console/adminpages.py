"""Admin pages: the table of what administrators see and may change of this node.

Rules: those of `pages`; every change is in the access log, by the desk that makes it or by
the gate.
"""

from __future__ import annotations

from typing import Final

from api.auth import Entrance
from api.console.hooks import HookPages
from api.console.inforce import InForcePages
from api.console.keys import KeyPages, SecretPages
from api.console.source import ADMINS, Source
from api.console.visit import Page
from node.identity.port import ApiKeyService
from node.service import Role

BASE: Final = "/console"
WATCHERS: Final = frozenset({Role.ADMIN, Role.OPERATOR})
TEST_MS: Final = 150_000
"""A receiver may take its time."""


def admin_pages(source: Source, entrance: Entrance, others: list[Page]) -> list[Page]:
    """Pages of the desks that the node has; `others` are the console's other pages."""
    pages: list[Page] = []
    if source.identity is not None:
        pages += _key_pages(source, source.identity)
    if source.push is not None:
        pages += _hook_pages(HookPages(source.push))
    if pages:
        pages.append(Page("GET", f"{BASE}/shown-once/{{kept}}", SecretPages().show, ADMINS))
    if source.identity is not None:
        every = [*others, *pages]
        at = InForcePages(source, source.identity, entrance, every)
        own = [
            Page("GET", f"{BASE}/quotas", at.quotas, ADMINS, "Quotas"),
            Page("GET", f"{BASE}/roles", at.roles, ADMINS, "Roles"),
            Page("POST", f"{BASE}/roles/reload", at.reload, ADMINS, audited=False),
            Page("GET", f"{BASE}/roles/reloaded/{{kept}}", at.reloaded, ADMINS),
        ]
        every += own
        pages += own
    return pages


def _key_pages(source: Source, identity: ApiKeyService) -> list[Page]:
    at, one = KeyPages(source, identity), f"{BASE}/keys/{{key}}"
    return [
        Page("GET", f"{BASE}/keys", at.every, ADMINS, "API keys"),
        Page("POST", f"{BASE}/keys", at.create, ADMINS, large=True, audited=False),
        Page("GET", one, at.show, ADMINS),
        Page("POST", f"{one}/rotate", at.rotate, ADMINS, audited=False),
        Page("POST", f"{one}/revoke", at.revoke, ADMINS, audited=False),
    ]


def _hook_pages(at: HookPages) -> list[Page]:
    base, one = f"{BASE}/webhooks", f"{BASE}/webhooks/{{webhook}}"
    return [
        Page("GET", base, at.every, WATCHERS, "Webhooks"),
        Page("POST", base, at.add, ADMINS, large=True),
        Page("GET", one, at.show, WATCHERS),
        Page("POST", f"{one}/test", at.test, ADMINS, timeout_ms=TEST_MS),
        Page("POST", f"{one}/pause", at.pause, ADMINS),
        Page("POST", f"{one}/resume", at.resume, ADMINS),
        Page("POST", f"{one}/rotate", at.rotate, ADMINS),
        Page("POST", f"{one}/replay", at.replay, ADMINS),
        Page("POST", f"{one}/remove", at.remove, ADMINS),
    ]
