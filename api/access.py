"""Access logs over REST: this member's entries, anybody's anchors, and the check of the two.

Rules: entries name people's keys, so only an auditor's and an admin's key reads them; anchors are
on the ledger and for every key. An auditor who does not trust this node takes the entries here and
the anchors at a node of its own (`bulwark access-log verify`).
"""

from __future__ import annotations

import re
from typing import Final

from api import access_schemas as schemas
from api import documentation as doc
from api.exchange import ALL_ROLES, Exchange, Reply, Route, json_reply
from api.problems import refused
from api.query import documented, number
from api.settings import ApiSettings
from api.views import timestamp
from bulwark.ledger.accesslog import AccessEntry, Gap, Head
from node.guarded.accessport import MAX_PAGE, AccessCheck, AccessPage, AccessService, AnchoredAccess
from node.service import Role

READERS: Final = frozenset({Role.AUDITOR, Role.ADMIN})
_CURSOR: Final = re.compile(r"[0-9a-f]{26}\Z")
_MEMBER: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,30}\Z")
_AFTER: Final = documented("after", "Number after which the page begins", 0)
_MOST: Final = documented("most", "Length of the page", MAX_PAGE, 1, MAX_PAGE)
_LIST: Final = doc.operation(
    "readAccessLog",
    "audit",
    "Read who asked what kind of thing and why at this member",
    {200: schemas.AccessLogOut},
    parameters=(_AFTER, _MOST),
)
_CHECK: Final = doc.operation(
    "checkAccessLog",
    "audit",
    "Compare this member's whole access log with its anchors on the ledger",
    {200: schemas.AccessCheckOut},
)
_CLAIMS: Final = doc.operation(
    "readSlotClaims",
    "audit",
    "Read which slots of its quota this member spent, and for which entries",
    {200: schemas.SlotClaimsOut},
    parameters=(
        {
            "name": "cursor",
            "in": "query",
            "description": "`next` of the page before",
            "schema": {"type": "string", "pattern": "^[0-9a-f]{26}$"},
        },
    ),
)
_ANCHORS: Final = doc.operation(
    "listAccessAnchors",
    "audit",
    "List the anchors of a member's access log on the ledger",
    {200: schemas.AccessAnchorsOut},
    parameters=(_AFTER, _MOST),
    path=["member"],
    problems=(404,),
)


class AccessRoutes:
    """Handlers of /v1/access-log and /v1/access-anchors."""

    def __init__(self, service: AccessService) -> None:
        self._service = service

    async def list(self, exchange: Exchange) -> Reply:
        """GET /v1/access-log."""
        after, most = _window(exchange)
        return json_reply(200, page_document(self._service.page(after, most)))

    async def check(self, exchange: Exchange) -> Reply:
        """GET /v1/access-log/check."""
        exchange.query()
        return json_reply(200, check_document(await self._service.check()))

    async def claims(self, exchange: Exchange) -> Reply:
        """GET /v1/access-log/claims."""
        cursor = exchange.query("cursor").get("cursor")
        if cursor is not None and _CURSOR.match(cursor) is None:
            raise refused("cursor", "26 hexadecimal digits")
        after = None if cursor is None else bytes.fromhex(cursor)
        page = self._service.claims(after, MAX_PAGE)
        shown = [claim.encode().hex() for claim in page.claims]
        following = None if page.next is None else page.next.hex()
        member = self._service.page(0, 1).member
        return json_reply(200, {"member": member, "claims": shown, "next": following})

    async def anchors(self, exchange: Exchange) -> Reply:
        """GET /v1/access-anchors/{member}."""
        after, most = _window(exchange)
        member = exchange.params["member"]
        if _MEMBER.match(member) is None:
            raise refused("member", "not of its form")
        found = self._service.anchors(member, after, most)
        more = found[-1].sequence if len(found) == most else None
        shown = [_anchor(anchor) for anchor in found]
        return json_reply(200, {"member": member, "anchors": shown, "next": more})


def access_routes(at: AccessRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    single, whole = settings.request_timeout_ms, settings.batch_timeout_ms
    return [
        Route("GET", "/v1/access-log", at.list, READERS, _LIST, single),
        Route("GET", "/v1/access-log/check", at.check, READERS, _CHECK, whole),
        Route("GET", "/v1/access-log/claims", at.claims, READERS, _CLAIMS, single),
        Route("GET", "/v1/access-anchors/{member}", at.anchors, ALL_ROLES, _ANCHORS, single),
    ]


def page_document(page: AccessPage) -> dict[str, object]:
    """A page of entries."""
    last = page.entries[-1].number if page.entries else None
    is_end = last is None or last >= page.head.count or page.damaged is not None
    return {
        "member": page.member,
        "start": _head(page.start),
        "head": _head(page.head),
        "entries": [_entry(entry) for entry in page.entries],
        "next": None if is_end else last,
        "damaged": _gap(page.damaged),
    }


def check_document(check: AccessCheck) -> dict[str, object]:
    """What the check came to."""
    return {
        "complete": check.gap is None,
        "entries": check.entries,
        "dropped": check.start.count,
        "anchored": check.anchored,
        "anchors": check.anchors,
        "gap": _gap(check.gap),
    }


def _entry(entry: AccessEntry) -> dict[str, object]:
    return {
        "number": entry.number,
        "time": timestamp(entry.time_ms),
        "who": entry.who,
        "role": entry.role,
        "purpose": entry.purpose,
        "lawful_basis": entry.lawful_basis,
        "case_ref": entry.case_ref,
        "kind": entry.kind.name.lower().replace("_", "-"),
        "count": entry.count,
        "action": entry.action,
        "subject": entry.subject,
        "encoded": entry.encode().hex(),
    }


def _anchor(anchor: AnchoredAccess) -> dict[str, object]:
    return {
        "sequence": anchor.sequence,
        **_head(anchor.head),
        "height": anchor.height,
        "time": timestamp(anchor.time_ms),
    }


def _head(head: Head) -> dict[str, object]:
    return {"count": head.count, "digest": head.digest.hex()}


def _gap(gap: Gap | None) -> dict[str, object] | None:
    return None if gap is None else {"number": gap.number, "reason": gap.reason}


def _window(exchange: Exchange) -> tuple[int, int]:
    """`after` and `most` of the query; Problem 400 for anything but a number in its bounds."""
    query = exchange.query("after", "most")
    return number(query, "after", 0), number(query, "most", MAX_PAGE, 1, MAX_PAGE)
