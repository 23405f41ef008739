"""Wording: actions of the government and kinds of evidence in plain sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from bulwark.indicators.vocabulary import DisputeGround, Operation, Ruling
from node.evidence import EvidenceEntry, summary
from node.governance.port import ProposalView

KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "double-vote": (
        "Two votes for one place",
        "One validator signed two different values for the same kind of vote, view and height. An "
        "honest validator signs one.",
    ),
    "wrong-new-view": (
        "A NEW-VIEW that does not follow",
        "The leader of a view signed a NEW-VIEW that does not follow from the VIEW-CHANGEs that it "
        "names.",
    ),
    "double-view-change": (
        "Two VIEW-CHANGEs for one view",
        "One validator signed two different VIEW-CHANGEs for the same view.",
    ),
    "double-new-view": (
        "Two NEW-VIEWs for one view",
        "The leader of a view signed two different NEW-VIEWs for it.",
    ),
    "forgotten-commit": (
        "A VIEW-CHANGE that hides a COMMIT",
        "A validator signed a VIEW-CHANGE that leaves out a batch for which it had signed COMMIT.",
    ),
    "wrong-evaluation": (
        "A wrong evaluation",
        "An evaluator signed an answer that does not belong to the public key of its share.",
    ),
}
"""Word of a kind of evidence -> its title, and what it shows."""


def title_of(kind: object) -> str:
    """The title of a kind of evidence; its word for one that is unknown here."""
    return KINDS.get(str(kind), (str(kind), ""))[0]


def case_rows(entries: Iterable[EvidenceEntry]) -> list[dict[str, object]]:
    """Cases as tables list them: their summaries with titles."""
    found = (summary(entry) for entry in entries)
    return [{**row, "title": title_of(row["kind"])} for row in found]


def proposal_rows(views: Iterable[ProposalView]) -> list[tuple[ProposalView, str]]:
    """Proposals as tables list them: with their actions as sentences."""
    return [(view, action_text(view.action)) for view in views]


def concerned(view: ProposalView) -> str | None:
    """The member that a proposal is about, None for one about the protocol."""
    found = view.action.get("id")
    return found if isinstance(found, str) else None


def action_text(action: Mapping[str, object]) -> str:
    """An action as one sentence."""
    about = action.get("id", "?")
    match action.get("kind"):
        case "add_member":
            return f"Take in {about}"
        case "remove_member":
            return f"Remove {about}"
        case "set_keys":
            return f"Change the keys of {about}"
        case "set_tls_pins":
            return f"Change the TLS pins of {about}"
        case "set_roles":
            return f"Give {about} the roles {value_text(action.get('roles'))}"
        case "set_parameter":
            return f"Set {action.get('name', '?')} to {value_text(action.get('value'))}"
        case "adopt_policy":
            return f"Adopt the policy {_short(action.get('policy'))}"
        case "withdraw_policy":
            return f"Withdraw the policy {_short(action.get('policy'))}"
        case "suspend_member":
            return f"Suspend {about} on the evidence {_short(action.get('evidence'))}"
        case "reinstate":
            return f"Reinstate {about}"
        case kind:
            named = f" for {about}" if "id" in action else ""
            return f"{str(kind).replace('_', ' ').capitalize()}{named}"


def _short(value: object) -> str:
    """The beginning of a hash inside a sentence; the whole of it stands in a field beside."""
    text = str(value).removeprefix("0x")
    return f"{text[:10]}…" if len(text) > 10 else text


def value_text(value: object) -> str:
    """A value of an action or a record for people."""
    if value is None or value == "":
        return "–"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value) or "none"
    return str(value)


def operation_text(code: int) -> str:
    """The word of a record's operation; its number where this version knows none."""
    found = Operation.find(code)
    return f"code {code}" if found is None else found.label


def reason_text(operation: int, reason: int) -> str:
    """Why a follow-up was made, in words; empty where it gives no reason."""
    found: DisputeGround | Ruling | None = None
    if operation == Operation.DISPUTE:
        found = DisputeGround.find(reason)
    elif operation == Operation.RULE:
        found = Ruling.find(reason)
    if found is not None:
        return found.label.replace("_", " ")
    return f"code {reason}" if reason else ""
