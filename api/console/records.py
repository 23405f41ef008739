"""Records: one record as an entitled reader may see it, without clear text, salt or tag."""

from __future__ import annotations

from api.console.casework import moves_of
from api.console.source import WRITERS, Source
from api.console.visit import View, Visit
from api.console.wording import operation_text, reason_text, value_text
from bulwark.ledger.ids import RecordId


class RecordPages:
    """Handler of /console/records."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def show(self, visit: Visit) -> View:
        """GET /console/records/{record}."""
        visit.exchange.query()
        record_id, disputes = RecordId(visit.digest("record")), self._source.disputes
        view = await self._source.service.record(record_id)
        if disputes is not None and view.standing is not None:
            view = await disputes.history(record_id)
        fields = [
            (name.replace("_", " "), value_text(value)) for name, value in view.fields.items()
        ]
        standing = view.standing
        history = () if standing is None else standing.history
        steps = [
            (step, operation_text(step.operation), reason_text(step.operation, step.reason))
            for step in history
        ]
        member = self._source.service.status().get("member")
        moves = moves_of(view, member) if visit.role in WRITERS and disputes is not None else ()
        values = {
            "record": view,
            "fields": fields,
            "standing": standing,
            "steps": steps,
            "moves": moves,
        }
        return View("record.html", "Record", values)
