"""Search: from a height, hash, record id or member id to its page.

Rules: what is searched comes in a form and never stands in an address, a log or an answer, since
somebody may type an identifier of a person by mistake; nothing but the five forms is looked up.
"""

from __future__ import annotations

import re
from typing import Final

from api.console.source import READERS, Source
from api.console.visit import View, Visit, redirect
from api.exchange import Reply
from bulwark.ledger.ids import Digest, RecordId
from node.service import NotFound

_HEIGHT: Final = re.compile(r"[0-9]{1,12}\Z")
_DIGEST: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{64})\Z")
_MEMBER: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,30}\Z")


class SearchPage:
    """Handler of /console/search."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def show(self, visit: Visit) -> View | Reply:
        """POST /console/search."""
        visit.exchange.query()
        text = visit.form.get("q", "").strip().replace(",", "")
        path = await self._find(visit, text)
        if path is not None:
            return redirect(path)
        is_known_form = any(form.match(text) for form in (_HEIGHT, _DIGEST, _MEMBER))
        return View("search.html", "Nothing found", {"is_known_form": is_known_form}, status=404)

    async def _find(self, visit: Visit, text: str) -> str | None:
        """Path of the page, None where there is none that this visitor may see."""
        if self._source.member(text) is not None:
            return f"/console/members/{text}"
        if _HEIGHT.match(text) is not None:
            height = int(text)
            return f"/console/blocks/{height}" if height <= await self._source.tip() else None
        found = _DIGEST.match(text)
        if found is None:
            return None
        digest = bytes.fromhex(found[1])
        ethereum = self._source.ethereum
        at = ethereum.height_of_hash(Digest(digest))
        if at is not None:
            return f"/console/blocks/{at}"
        if ethereum.transaction(Digest(digest)) is not None:
            return f"/console/transactions/0x{digest.hex()}"
        if visit.role in READERS and await self._has_record(digest):
            return f"/console/records/{digest.hex()}"
        return self._case(digest, visit)

    async def _has_record(self, digest: bytes) -> bool:
        try:
            await self._source.service.record(RecordId(digest))
        except NotFound:
            return False
        return True

    def _case(self, digest: bytes, visit: Visit) -> str | None:
        """Path of a piece of evidence or of an opening with this id."""
        if any(entry.case.id == digest for entry in self._source.service.evidence()):
            return f"/console/evidence/{digest.hex()}"
        openings = self._source.openings_for(visit.role)
        if openings is None:
            return None
        known = any(case.case_id == digest for case in openings.cases(open_only=False))
        return f"/console/openings/{digest.hex()}" if known else None
