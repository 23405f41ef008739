"""What a member states when a person consents, or when it records another lawful processing.

Rules: a client's document is held to `schemas/terms.schema.json`, then to what a schema can not
say: known purpose and basis, a last day that is not over, and the PIPL's separate consent where
data leaves the controller under Chinese law (article 23). A lawful basis other than consent makes a
processing record; it then has no consent type and no separate consent, so that consent is never
feigned. Every fault names its path.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any, Final

from bulwark.consents.faults import DocumentRefused, Fault, found_of, path_of
from bulwark.consents.parsing import check_bounds
from bulwark.consents.schema import Schema, check
from bulwark.consents.vocabulary import CONSENT_TYPES
from bulwark.indicators.errors import FieldError
from bulwark.indicators.vocabulary import LawfulBasis, Purpose

DEFAULT_SCOPES: Final = ("indicator:share", "indicator:query")
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentTerms:
    """Checked terms; `stated` is the client's document, of which receipts are made."""

    subject: str
    """Pairwise identifier of the person; stays in the vault."""
    phone: str
    """E.164, by which the person can be found; never in the receipt; empty if not stated."""
    purpose: Purpose
    lawful_basis: LawfulBasis
    valid_until_day: int
    """Last day, days since 1970-01-01; 0 without end."""
    stated: Mapping[str, Any] = field(repr=False)

    def __repr__(self) -> str:
        return f"ConsentTerms({self.purpose.label}, {self.lawful_basis.label})"

    @property
    def rests_on_consent(self) -> bool:
        """Whether the lawful basis is consent."""
        return self.lawful_basis is LawfulBasis.CONSENT

    @classmethod
    def from_mapping(cls, document: Mapping[str, object], *, now_ms: int) -> ConsentTerms:
        """Check a client's document; raises DocumentRefused with every fault."""
        check_bounds(document)
        stated: dict[str, Any] = deepcopy(dict(document))
        check(stated, Schema.TERMS)
        faults: list[Fault] = []
        purpose = _term(Purpose, stated, "purpose", Purpose.FRAUD_PREVENTION, faults)
        basis = _term(LawfulBasis, stated, "lawful_basis", LawfulBasis.CONSENT, faults)
        day = last_day(stated.get("valid_until"), now_ms, faults)
        _check_basis(stated, basis, faults)
        if faults:
            raise DocumentRefused(faults)
        return cls(
            subject=stated["subject"].strip(),
            phone=stated.get("phone", ""),
            purpose=purpose,
            lawful_basis=basis,
            valid_until_day=day,
            stated=stated,
        )


def last_day(value: object, now_ms: int, faults: list[Fault]) -> int:
    """Days since 1970 of an ISO date from today on, 0 for none; adds a fault otherwise."""
    if value is None or value == "":
        return 0
    allowed = "an ISO date from today on, or absent for no end"
    fault = Fault(path_of(["valid_until"]), found_of(value), allowed)
    if not isinstance(value, str):
        faults.append(fault)
        return 0
    try:
        parsed = datetime.combine(datetime.fromisoformat(value).date(), time(), UTC)
    except ValueError:
        faults.append(fault)
        return 0
    day = int(parsed.timestamp()) // 86_400
    if day < now_ms // _DAY_MS:
        faults.append(Fault(fault.path, "a day that is over", allowed))
    return day


def jurisdictions(stated: Mapping[str, Any]) -> list[str]:
    """The stated jurisdictions as DPV places."""
    given = stated["jurisdiction"]
    return [place(each) for each in (given if isinstance(given, list) else [given])]


def place(code: str) -> str:
    """A country or EU as a DPV place."""
    return code if code.startswith("loc:") else f"loc:{code}"


def is_sensitive(stated: Mapping[str, Any]) -> bool:
    """Whether any stated category is sensitive or special (PIPL articles 28 and 29)."""
    return any(
        isinstance(each, dict) and each.get("class", "ordinary") != "ordinary"
        for each in stated["personal_data"]
    )


def _check_basis(stated: Mapping[str, Any], basis: LawfulBasis, faults: list[Fault]) -> None:
    """What goes with consent and with nothing else, and what the PIPL adds."""
    separate = stated.get("separate_consent")
    if basis is not LawfulBasis.CONSENT:
        for name in ("consent_type", "separate_consent"):
            if stated.get(name):
                allowed = "absent where the lawful basis is not consent"
                faults.append(Fault(path_of([name]), found_of(stated[name]), allowed))
        return
    consent_type = stated.get("consent_type", "explicit")
    if is_sensitive(stated) and CONSENT_TYPES[consent_type] != CONSENT_TYPES["explicit"]:
        allowed = "explicit where sensitive or special categories are processed"
        faults.append(Fault(path_of(["consent_type"]), found_of(consent_type), allowed))
    if "loc:CN" in jurisdictions(stated) and separate is not True:
        # Members of the alliance are other handlers, so there is always a recipient.
        allowed = "true in jurisdiction CN: data goes to other handlers (PIPL articles 23, 29)"
        found = "nothing" if separate is None else found_of(separate)
        faults.append(Fault(path_of(["separate_consent"]), found, allowed))


def _term(
    vocabulary: Any, stated: Mapping[str, Any], name: str, default: Any, faults: list[Fault]
) -> Any:
    given = stated.get(name)
    if given is None:
        return default
    try:
        term = vocabulary.parse(given, name)
    except FieldError as error:
        faults.append(Fault(path_of([name]), found_of(given), error.allowed))
        return default
    if not int(term):
        faults.append(Fault(path_of([name]), "a term that states nothing", "a stated term"))
    return term
