"""Casework: what a reporter may do to a record now: dispute, rule, retract, expire, erase.

Rules: a page offers what the lifecycle's table allows this member in the record's state; the desk
has the last word and its rule is told. Nothing of a person is in a form: a person's dispute gets a
code, shown on one page of this session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from api.console.forms import (
    Field,
    Form,
    Wrong,
    form_of,
    given,
    options,
    promise,
    refused,
    settle,
)
from api.console.source import Source
from api.console.visit import View, Visit
from api.exchange import Reply
from api.problems import FieldProblem, Problem, invalid
from bulwark.indicators.model import CASE_REF_MAX
from bulwark.indicators.vocabulary import DisputeGround, Ruling
from bulwark.ledger.ids import RecordId
from bulwark.ledger.lifecycle import OPEN_STATES, Operation, State
from node.disputes.port import DisputesService, FollowUpOutcome, Wish
from node.erasure.port import Ground
from node.service import RecordView, Stage

MOVES: Final = ("dispute", "rule", "retract", "expire", "erase")
_FIELDS: Final = {
    "dispute": ("ground", "for_person", "case_ref"),
    "rule": ("ruling", "case_ref"),
    "retract": ("case_ref",),
    "expire": ("case_ref",),
    "erase": ("ground", "case_ref"),
}
_TITLES: Final = {
    "dispute": "Dispute this record",
    "rule": "Rule on its disputes",
    "retract": "Take this record back",
    "expire": "End its time",
    "erase": "Have it destroyed",
}


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of a follow-up, as a session keeps it."""

    outcome: FollowUpOutcome
    is_for_person: bool


def moves_of(view: RecordView, member: object) -> tuple[str, ...]:
    """What this member may try now: the lifecycle's states, and whose record it is."""
    standing = view.standing
    if standing is None or view.erased:
        return ()
    is_own, is_open = view.reporter == member, standing.state in OPEN_STATES
    found = []
    if is_open and not is_own:
        found.append("dispute")
    if standing.open_disputes:
        found.append("rule")
    if is_own and is_open:
        found += ["retract", "expire"]
    if is_own or standing.state is not State.ACTIVE:
        found.append("erase")
    return tuple(found)


class CaseworkPages:
    """Handlers of what follows a record, under /console/records/{record}."""

    def __init__(self, source: Source, disputes: DisputesService) -> None:
        self._source = source
        self._disputes = disputes

    async def show(self, visit: Visit) -> View:
        """GET /console/records/{record}/{move}."""
        visit.exchange.query()
        move, record_id = _move(visit), RecordId(visit.digest("record"))
        view = await self._disputes.history(record_id)
        if move not in moves_of(view, self._source.service.status().get("member")):
            state = "erased" if view.standing is None else view.standing.state.label
            detail = f"the record is {state}, and this member may not {move} it now"
            raise Problem(409, "conflict", detail)
        return _page(visit, move, record_id, _form(visit, move, record_id))

    async def do(self, visit: Visit) -> View | Reply:
        """POST /console/records/{record}/{move}."""
        move, record_id = _move(visit), RecordId(visit.digest("record"))

        async def work() -> str:
            wish = _wish(visit, move, record_id)
            outcome = await self._disputes.follow(
                wish, by=visit.exchange.caller, wait=Stage.EXECUTED, idempotency=promise(visit)
            )
            return f"/console/followed/{visit.tray.keep(Followed(outcome, wish.is_for_person))}"

        async def again(wrong: Wrong) -> View:
            form = refused(_form(visit, move, record_id), visit.form, wrong)
            return _page(visit, move, record_id, form)

        return await settle(visit, work, again)

    async def done(self, visit: Visit) -> View:
        """GET /console/followed/{kept}."""
        visit.exchange.query()
        found = visit.tray.show(visit.params["kept"])
        if not isinstance(found, Followed):
            raise Problem(404, "not-found", "this session has no such follow-up, or no more")
        outcome = found.outcome
        values = {
            "outcome": outcome,
            "word": outcome.operation.name.lower(),
            "is_for_person": found.is_for_person,
            "is_executed": outcome.stage >= Stage.EXECUTED,
        }
        return View("followed.html", "Sent", values)


def _move(visit: Visit) -> str:
    move = visit.params["move"]
    if move not in MOVES:
        raise Problem(404, "not-found", "the console has no page at this path")
    return move


def _page(visit: Visit, move: str, record_id: RecordId, form: Form) -> View:
    name = record_id.hex()
    intro = f"Record {name}. It goes to the ledger under this member's name and stays there."
    crumbs = (("Record", f"/console/records/{name}"),)
    values = {"form": form, "intro": intro, "note": ""}
    return View("form.html", _TITLES[move], values, crumbs)


def _form(visit: Visit, move: str, record_id: RecordId) -> Form:
    case = Field("case_ref", "Case reference", most=CASE_REF_MAX,
                 help="Yours; for this member's access log alone.")  # fmt: skip
    fields: list[Field] = []
    if move == "dispute":
        grounds = (("", "choose one"), *options(DisputeGround, DisputeGround.UNKNOWN))
        fields = [
            Field("ground", "Ground", "select", options=grounds, required=True),
            Field("for_person", "For the person concerned, who gets a code to ask with",
                  "checkbox"),
        ]  # fmt: skip
    elif move == "rule":
        rulings = (("", "choose one"), *options(Ruling, Ruling.UNKNOWN))
        fields = [Field("ruling", "Ruling", "select", options=rulings, required=True)]
    elif move == "erase":
        grounds = tuple((each.label, each.label.replace("_", " ")) for each in Ground)
        fields = [Field("ground", "Ground", "select", Ground.REQUEST.label, options=grounds)]
    action = f"/console/records/{record_id.hex()}/{move}"
    is_end = move not in ("dispute", "rule")
    return form_of(visit, action, _TITLES[move], [*fields, case], danger=is_end)


def _wish(visit: Visit, move: str, record_id: RecordId) -> Wish:
    row = given(visit, *_FIELDS[move])
    case_ref = str(row.get("case_ref", ""))
    if len(case_ref) > CASE_REF_MAX:
        raise invalid(FieldProblem("case_ref", f"text of at most {CASE_REF_MAX} characters"))
    reason, operation = 0, Operation[move.upper()]
    if move == "dispute":
        reason = _chosen(DisputeGround.parse(row.get("ground", "unknown"), "ground"), "ground")
    elif move == "rule":
        reason = _chosen(Ruling.parse(row.get("ruling", "unknown"), "ruling"), "ruling")
    elif move == "erase":
        names = {ground.label: int(ground) for ground in Ground}
        if row.get("ground") not in names:
            raise invalid(FieldProblem("ground", f"one of {', '.join(names)}"))
        reason = names[str(row["ground"])]
    return Wish(record_id, operation, reason, bool(row.get("for_person")), case_ref)


def _chosen(term: DisputeGround | Ruling, field: str) -> int:
    if term == 0:
        raise invalid(FieldProblem(field, "choose one"))
    return int(term)
