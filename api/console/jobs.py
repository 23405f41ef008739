"""Jobs: a file of questions in, its progress, its rows that failed, and the result out.

Rules: the file is read as it arrives and never held as a whole; what to do with it is in the form,
so no reference is in an address. A page shows how far a job is; reloading it shows how much
further: it needs no script. Only who screens sends files and reads results; operators and
administrators see jobs and may stop them, as over REST.
"""

from __future__ import annotations

from typing import Final

import orjson

from api.console.forms import Field, Form, Wrong, form_of, given, options, refused, settle
from api.console.screening import stated
from api.console.source import STAFF
from api.console.visit import View, Visit
from api.exchange import Pieces, Reply
from api.job_views import wish_of
from api.jobs import TYPES
from api.problems import FieldProblem, Problem, invalid
from bulwark.indicators.model import CASE_REF_MAX
from bulwark.indicators.vocabulary import Kind, LawfulBasis, Purpose
from node.jobs.port import FORMATS, JobsService, JobView, State

PATH: Final = "/console/jobs"
FIELDS: Final = (
    "name", "format", "kind", "purpose", "lawful_basis", "case_ref", "region", "value_column",
    "references", "values",
)  # fmt: skip
MOST_ERRORS: Final = 50
"""Rows that failed, of one page."""
MOST_ROWS: Final = 20_000
"""Rows of a result that are looked through for them."""
STEPS: Final = ("pause", "resume", "cancel", "delete")


class JobPages:
    """Handlers of /console/jobs."""

    def __init__(self, jobs: JobsService) -> None:
        self._jobs = jobs

    async def every(self, visit: Visit) -> View:
        """GET /console/jobs."""
        visit.exchange.query()
        return self._list(visit, _job_form(visit))

    def _list(self, visit: Visit, form: Form) -> View:
        views = self._jobs.jobs(by=visit.exchange.caller)
        values = {
            "jobs": [(view, share_of(view)) for view in views],
            "form": form if visit.role in STAFF else None,
        }
        return View("jobs.html", "Batches", values)

    async def send(self, visit: Visit) -> View | Reply:
        """POST /console/jobs."""

        async def work() -> str:
            row = {name: str(text) for name, text in given(visit, *FIELDS).items()}
            form, case_ref = row.pop("format", "csv"), row.pop("case_ref", "")
            if form not in FORMATS:
                raise invalid(FieldProblem("format", f"one of {', '.join(FORMATS)}"))
            if "values" in row:
                row["values"] = "true"
            wish = wish_of(form, row, case_ref.encode())
            if visit.upload is None:
                raise invalid(FieldProblem("file", "choose a file"))
            view, _ = await self._jobs.submit(
                wish,
                visit.upload,
                by=visit.exchange.caller,
                promise=f"console-{visit.form['ticket']}",
            )
            return f"{PATH}/{view.id}"

        async def again(wrong: Wrong) -> View:
            return self._list(visit, refused(_job_form(visit), visit.form, wrong))

        return await settle(visit, work, again)

    async def show(self, visit: Visit) -> View:
        """GET /console/jobs/{job}."""
        visit.exchange.query()
        return await self._one(visit)

    async def _one(self, visit: Visit, wrong: Wrong | None = None) -> View:
        job_id, caller = visit.identity("job", 32), visit.exchange.caller
        view = self._jobs.job(job_id, by=caller)
        forms = [
            form_of(visit, f"{PATH}/{job_id}/{step}", step.capitalize(), id=step,
                    danger=step in ("cancel", "delete"))
            for step in _steps(view)
        ]  # fmt: skip
        can_read = visit.role in STAFF
        has_errors = can_read and bool(view.outcomes.get("error"))
        values = {
            "job": view,
            "share": share_of(view),
            "forms": forms,
            "wrong": wrong,
            "formats": FORMATS,
            "can_read": can_read,
            "failed": await self._failed(visit, job_id) if has_errors else [],
            "most_errors": MOST_ERRORS,
        }
        return View("job.html", view.name or f"Batch {job_id[:8]}", values, (("Batches", PATH),))

    async def step(self, visit: Visit) -> View | Reply:
        """POST /console/jobs/{job}/{step}."""
        job_id, step = visit.identity("job", 32), visit.params["step"]
        if step not in STEPS:
            raise Problem(404, "not-found", "the console has no page at this path")

        async def work() -> str:
            given(visit)
            caller = visit.exchange.caller
            if step == "delete":
                await self._jobs.delete(job_id, by=caller)
                return PATH
            steer = {
                "pause": self._jobs.pause,
                "resume": self._jobs.resume,
                "cancel": self._jobs.cancel,
            }
            await steer[step](job_id, by=caller)
            return f"{PATH}/{job_id}"

        async def again(wrong: Wrong) -> View:
            return await self._one(visit, wrong)

        return await settle(visit, work, again)

    async def result(self, visit: Visit) -> Reply:
        """GET /console/jobs/{job}/result/{format}."""
        visit.exchange.query()
        form = visit.params["format"]
        if form not in FORMATS:
            raise Problem(404, "not-found", f"a result is one of {', '.join(FORMATS)}")
        made = await self._jobs.result(
            visit.identity("job", 32), by=visit.exchange.caller, form=form, first=1, most=None
        )
        media = next(media for media, name in TYPES.items() if name == made.format)
        name = f'attachment; filename="result.{made.format}"'.encode("ascii")
        headers = ((b"content-disposition", name),)
        return Reply(200, b"", media, headers, Pieces(made.pieces))

    async def manifest(self, visit: Visit) -> Reply:
        """GET /console/jobs/{job}/manifest."""
        visit.exchange.query()
        made = self._jobs.manifest(visit.identity("job", 32), by=visit.exchange.caller)
        headers = ((b"content-disposition", b'attachment; filename="manifest.json"'),)
        return Reply(200, made, b"application/json", headers)

    async def _failed(self, visit: Visit, job_id: str) -> list[tuple[int, str, str]]:
        """(row, field, why) of the first rows that could not be asked."""
        made = await self._jobs.result(
            job_id, by=visit.exchange.caller, form="ndjson", first=1, most=MOST_ROWS
        )
        found: list[tuple[int, str, str]] = []
        rest = b""
        pieces = Pieces(made.pieces)
        try:
            async for piece in pieces:
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    if b'"outcome":"error"' not in line:
                        continue
                    row = orjson.loads(line)
                    found += [
                        (row["row"], error["field"], f"{error['detail']} ({error['code']})")
                        for error in row["errors"]
                    ]
                if len(found) >= MOST_ERRORS:
                    break
        finally:
            await pieces.aclose()
        return found[:MOST_ERRORS]


def share_of(view: JobView) -> int:
    """Percent of the input that is worked."""
    if view.state is State.DONE:
        return 100
    return min(99, view.read_bytes * 100 // max(1, view.input_bytes))


def _steps(view: JobView) -> tuple[str, ...]:
    if view.state.is_over:
        return ("delete",)
    return ("resume", "cancel") if view.state is State.PAUSED else ("pause", "cancel")


def _job_form(visit: Visit) -> Form:
    fields = (
        Field("name", "Name", most=128, help="Yours; shown in lists. Not a person's."),
        Field("format", "Format", "select", "csv", options=tuple((f, f) for f in FORMATS)),
        Field("kind", "Kind of identifier", "select", "",
              options=(("", "as each row says"), *options(Kind)),
              help="For rows that name none."),
        Field("value_column", "Column of the identifiers", most=128, help="If it is not “value”."),
        Field("references", "Columns that the result repeats", most=1_000,
              help="Names with commas between, so that you find your rows again."),
        Field("purpose", "Purpose", "select", "fraud_prevention", options=stated(Purpose)),
        Field("lawful_basis", "Lawful basis", "select", "legitimate_interests",
              options=stated(LawfulBasis)),
        Field("case_ref", "Case reference", most=CASE_REF_MAX),
        Field("region", "Country", most=2, help="Two letters, for numbers without a prefix."),
        Field("values", "Repeat the identifiers in the result", "checkbox"),
        Field("file", "File", "file", required=True,
              help="With a first line of column names. It is sealed on this node's disk."),
    )  # fmt: skip
    return form_of(visit, PATH, "Send the file", fields, upload=True)
