"""Usage: what a member may do with an answer, and under which limits, as code says it.

Rules: the duties of every record that answers add up, and the strictest sharing mark holds for the
whole answer; an unstated mark is amber_strict. An adverse action (to refuse, block or end a
contract) is never permitted on the answer of one member alone, nor while a record forbids to be the
sole basis: it always needs the member's own assessment (EU AMLR art. 75(4), PSR art. 83, GDPR
art. 22). It checks nobody's conduct: it says what the records allow.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from bulwark.indicators.vocabulary import Band, Tlp, Usage

OWN_ASSESSMENT: Final = "own_assessment"
NO_ONWARD_SHARING: Final = "no_onward_sharing"
_FLAGS: Final = (
    (Usage.NO_SOLE_BASIS, "no_sole_basis", "no refusal, block or termination on this answer alone"),
    (Usage.NOTIFY_SUBJECT, "notify_subject", "whoever acts on it tells the person concerned"),
    (Usage.NO_ONWARD_SHARING, NO_ONWARD_SHARING, "not to be passed on outside the alliance"),
)
ACTIONS: Final = {
    "assess": "look at your own data and decide on it",
    "protect_holder": "shield the holder: a victim or a genuine party",
    "warn_customer": "warn the customer before the payment or the call",
    "ask_confirmation": "ask the customer to confirm, with a pause to think",
    "delay_for_review": "hold the payment for a person's review",
    "refuse": "refuse or block after your own assessment",
}
"""Every action that an answer can permit, with its meaning."""
_FROM_BAND: Final = (
    (Band.LOW, "warn_customer"),
    (Band.MEDIUM, "ask_confirmation"),
    (Band.HIGH, "delay_for_review"),
)
_TLP_TEXT: Final = {
    Tlp.CLEAR: "may be passed on freely",
    Tlp.GREEN: "stays inside the alliance and its community",
    Tlp.AMBER: "stays in your organisation and with its customers who need to know",
    Tlp.AMBER_STRICT: "stays in your organisation",
    Tlp.RED: "stays with its reporter",
}


class Limit(Struct, frozen=True):
    """One duty that comes with an answer: a stable code and what it asks."""

    code: str
    text: str


def marking(tlp: Tlp) -> Tlp:
    """The sharing mark that holds: an unstated one is amber_strict."""
    return Tlp.AMBER_STRICT if tlp is Tlp.UNKNOWN else tlp


def red_refusal(tlp: Tlp) -> tuple[str, str] | None:
    """Rule id and words with which a report marked red is refused, None for any other mark."""
    if tlp is not Tlp.RED:
        return None
    allowed = ", ".join(mark.label for mark in Tlp if mark not in (Tlp.RED, Tlp.UNKNOWN))
    return "usage.tlp-red", f"red names recipients, which a shared ledger has not: {allowed}"


def limits_of(duties: Iterable[tuple[int, Tlp]]) -> tuple[Limit, ...]:
    """Limits of an answer from (usage flags, mark) of the records that answer; none for none."""
    flags, strictest, is_any = 0, Tlp.CLEAR, False
    for usage, tlp in duties:
        is_any = True
        flags |= usage
        strictest = max(strictest, marking(tlp))
    if not is_any:
        return ()
    if strictest >= Tlp.AMBER_STRICT:
        flags |= Usage.NO_ONWARD_SHARING
    needed = Limit(OWN_ASSESSMENT, "an adverse action needs your own assessment, kept on file")
    told = [Limit(code, text) for flag, code, text in _FLAGS if flags & flag]
    return (needed, *told, Limit(f"tlp:{strictest.label}", _TLP_TEXT[strictest]))


def permitted_actions(
    band: Band, limits: tuple[Limit, ...], *, is_protected: bool, is_founded: bool
) -> tuple[str, ...]:
    """What an answer permits, mildest first; `is_founded`: two members, a ruling or an authority.

    Where a holder is to be protected nothing is done against it.
    """
    if not limits:
        return ()
    actions = ["assess"]
    if is_protected:
        return (*actions, "protect_holder", *(["warn_customer"] if band >= Band.LOW else []))
    actions += [action for least, action in _FROM_BAND if band >= least]
    codes = {limit.code for limit in limits}
    if band >= Band.VERY_HIGH and is_founded and "no_sole_basis" not in codes:
        actions.append("refuse")
    return tuple(actions)
