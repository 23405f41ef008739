"""Evidence: the cases against validators that this node holds, in words and with their messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from api.console.source import LOG_READERS, Source
from api.console.visit import View, Visit
from api.console.wording import KINDS, case_rows, concerned, title_of
from bulwark.ledger.ids import Digest
from node.audit.port import ReportTitle
from node.evidence import document

CASES: Final = 100
"""Cases of one page of the list."""
MESSAGES: Final = 4
"""Signed messages of a case that its page shows; a wrong NEW-VIEW can have one a validator."""
MAX_ENCODED_CHARS: Final = 64 * 1024
MAX_CELL_CHARS: Final = 2_048


class EvidencePages:
    """Handlers of /console/evidence."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def every(self, visit: Visit) -> View:
        """GET /console/evidence."""
        first = visit.page_number("from") or 0
        every = self._source.service.evidence()
        values = {
            "rows": case_rows(every[first : first + CASES]),
            "count": len(every),
            "following": first + CASES if first + CASES < len(every) else None,
        }
        return View("evidence.html", "Evidence", values)

    async def show(self, visit: Visit) -> View:
        """GET /console/evidence/{case}."""
        visit.exchange.query()
        entry = self._source.service.evidence_of(Digest(visit.digest("case")))
        case = document(entry)
        kind, encoded = str(case["kind"]), str(case["encoded"])
        governance = self._source.governance_for(visit.role)
        about = [] if governance is None else governance.proposals(open_only=False)
        values = {
            "case": case,
            "title_of_kind": title_of(kind),
            "meaning": KINDS.get(kind, ("", "A kind that this version does not know."))[1],
            "messages": _messages(case["messages"]),
            "reports": self._reports(visit, entry.culprit),
            "has_proposals": governance is not None,
            "encoded": encoded if len(encoded) <= MAX_ENCODED_CHARS else None,
            "proposals": [view for view in about if concerned(view) == entry.culprit],
        }
        crumbs = (("Evidence", "/console/evidence"),)
        return View("case.html", f"{title_of(kind)}: {entry.culprit}", values, crumbs)

    def _reports(self, visit: Visit, culprit: str) -> Sequence[ReportTitle]:
        """Reports that this visitor may read about a member of now."""
        audit = self._source.audit
        if audit is None or visit.role not in LOG_READERS or self._source.member(culprit) is None:
            return ()
        return audit.reports()


def _messages(messages: object) -> dict[str, object]:
    """Signed messages side by side: their names, and (field, values, whether they differ)."""
    found = [m for m in messages if isinstance(m, Mapping)] if isinstance(messages, list) else []
    left_out = max(0, len(found) - MESSAGES)
    found = found[:MESSAGES]
    names = list(dict.fromkeys(name for message in found for name in message))
    rows = []
    for name in names:
        values = [message.get(name) for message in found]
        differs = len(found) > 1 and any(value != values[0] for value in values)
        rows.append((name.replace("_", " "), [_cut(_text(value)) for value in values], differs))
    return {"count": len(found), "rows": rows, "left_out": left_out}


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CELL_CHARS else f"{text[:MAX_CELL_CHARS]}… (cut off here)"


def _text(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return "; ".join(_text(each) for each in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(each)}" for name, each in value.items())
    return str(value)
