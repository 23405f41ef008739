"""Records: one record as an entitled reader may see it, without clear text, salt or tag."""

from __future__ import annotations

from api.console.source import Source
from api.console.visit import View, Visit
from api.console.wording import value_text
from bulwark.ledger.ids import RecordId


class RecordPages:
    """Handler of /console/records."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def show(self, visit: Visit) -> View:
        """GET /console/records/{record}."""
        visit.exchange.query()
        view = await self._source.service.record(RecordId(visit.digest("record")))
        fields = [
            (name.replace("_", " "), value_text(value)) for name, value in view.fields.items()
        ]
        values = {"record": view, "fields": fields}
        return View("record.html", "Record", values)
