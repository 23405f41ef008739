"""Held payments: cooling-offs, listed, begun from an answer, and the customer's yes or no.

Rules: the payment's reference and the customer's pseudonym go to the desk and stand on no page; the
release token stands on the page of its cooling-off, for the payment system alone. What may not be
done yet is refused by the desk, and its rule is told.
"""

from __future__ import annotations

from typing import Final

from api.console.forms import Field, Form, Wrong, form_of, given, refused, settle, whole
from api.console.screening import Asked
from api.console.visit import View, Visit
from api.exchange import Reply
from api.interaction_bounds import PERSON_MAX
from api.interaction_reading import cursor_of, seconds_of, word_of
from api.problems import Problem
from api.query import word
from node.interaction.coolingport import CoolingOffs, CoolingState, CoolingView, NewCoolingOff

PATH: Final = "/console/cooling-offs"
STEPS: Final = ("confirm", "cancel", "extend")
_WORDS: Final = {
    "held": "held: the payment waits",
    "confirmed": "confirmed: released with its token",
    "refused": "refused: the second look was worse, do not pay",
    "cancelled": "cancelled: the customer said no",
    "expired": "expired: nobody said yes in time",
}


class HeldPages:
    """Handlers of /console/cooling-offs."""

    def __init__(self, desk: CoolingOffs) -> None:
        self._desk = desk

    async def every(self, visit: Visit) -> View:
        """GET /console/cooling-offs."""
        query = visit.exchange.query("state", "cursor")
        words = ["all", *(state.value for state in CoolingState)]
        state = word(query, "state", words)
        wanted = None if state == "all" else CoolingState(state)
        page = await self._desk.page(wanted, cursor_of(query.get("cursor")))
        values = {
            "rows": page.cooling_offs,
            "next": None if page.next is None else page.next.hex(),
            "state": state,
            "states": words,
        }
        return View("held_payments.html", "Held payments", values)

    async def begin(self, visit: Visit) -> View:
        """GET /console/answers/{kept}/hold."""
        visit.exchange.query()
        _asked(visit)
        return _view(_hold_form(visit))

    async def hold(self, visit: Visit) -> View | Reply:
        """POST /console/answers/{kept}/hold."""
        asked = _asked(visit)

        async def work() -> str:
            row = whole(given(visit, "customer", "payment", "seconds"), "seconds")
            wish = NewCoolingOff(
                asked.question,
                word_of(row, "customer", PERSON_MAX),
                word_of(row, "payment", PERSON_MAX),
                seconds_of(row, needed=False),
            )
            made = await self._desk.issue(wish, by=visit.exchange.caller)
            return f"{PATH}/{made.cooling_off_id}"

        async def again(wrong: Wrong) -> View:
            return _view(refused(_hold_form(visit), visit.form, wrong))

        return await settle(visit, work, again)

    async def show(self, visit: Visit) -> View:
        """GET /console/cooling-offs/{held}."""
        visit.exchange.query()
        return self._one(visit)

    def _one(self, visit: Visit, step: str = "", wrong: Wrong | None = None) -> View:
        view = self._desk.show(visit.identity("held", 32))
        forms = {form.id: form for form in _forms(visit, view)}
        if wrong is not None and step in forms:
            forms[step] = refused(forms[step], visit.form, wrong)
        values = {"view": view, "word": _WORDS[view.state.value], "forms": forms, "wrong": wrong}
        title = f"Held payment {view.cooling_off_id[:8]}"
        return View("held_payment.html", title, values, (("Held payments", PATH),))

    async def step(self, visit: Visit) -> View | Reply:
        """POST /console/cooling-offs/{held}/{step}."""
        held_id, step = visit.identity("held", 32), visit.params["step"]
        if step not in STEPS:
            raise Problem(404, "not-found", "the console has no page at this path")

        async def work() -> str:
            if step == "extend":
                row = whole(given(visit, "seconds"), "seconds")
                await self._desk.extend(held_id, seconds_of(row, needed=True) or 0)
                return f"{PATH}/{held_id}"
            given(visit)
            if step == "confirm":
                await self._desk.confirm(held_id, by=visit.exchange.caller)
            else:
                await self._desk.cancel(held_id)
            return f"{PATH}/{held_id}"

        async def again(wrong: Wrong) -> View:
            return self._one(visit, step, wrong)

        return await settle(visit, work, again)


def _asked(visit: Visit) -> Asked:
    found = visit.tray.show(visit.params["kept"])
    if not isinstance(found, Asked):
        raise Problem(404, "not-found", "this session has no such answer, or no more; ask again")
    return found


def _view(form: Form) -> View:
    intro = (
        "The payment waits and the customer gets time. After the pause ask them again: a yes makes "
        "this node look a second time, and it releases the payment only if nothing got worse."
    )
    values = {"form": form, "intro": intro, "note": ""}
    return View("form.html", "Hold a payment", values, (("Ask", "/console/screening"),))


def _hold_form(visit: Visit) -> Form:
    fields = (
        Field("customer", "Customer", required=True, most=PERSON_MAX,
              help="Your own pseudonym; the token has a commitment to it alone."),
        Field("payment", "Payment", required=True, most=PERSON_MAX,
              help="The payment system's reference; likewise."),
        Field("seconds", "Pause in seconds", "number", most=7, help="Left out: the usual one."),
    )  # fmt: skip
    return form_of(visit, f"/console/answers/{visit.params['kept']}/hold", "Hold it", fields)


def _forms(visit: Visit, view: CoolingView) -> list[Form]:
    if view.state is not CoolingState.HELD:
        return []
    base = f"{PATH}/{view.cooling_off_id}"
    seconds = Field("seconds", "Seconds more", "number", "3600", most=7, required=True)
    return [
        form_of(visit, f"{base}/confirm", "The customer says yes: look again", id="confirm"),
        form_of(visit, f"{base}/extend", "Hold it longer", [seconds], id="extend"),
        form_of(visit, f"{base}/cancel", "The customer says no", id="cancel", danger=True),
    ]
