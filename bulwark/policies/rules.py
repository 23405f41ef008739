"""Which rule of its policy a record breaks, if any: one answer from the record's facts alone.

Rules: rule ids are stable and written into answers, tests and the law matrix; they are tried in
the order of `RULES` and the first that is broken is named; a code that this version does not know
is permitted by no policy. Follow-ups (disputes, rulings, retractions and the like) share no
indicator and are not judged. The same function judges a row before it is sent and a stored record,
so a member is told exactly what every other member would find.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from msgspec import Struct

from bulwark.indicators.terms import Term
from bulwark.indicators.vocabulary import Kind, LawfulBasis, Operation, Tlp, Usage
from bulwark.policies.document import Policy

KIND: Final = "policy.kind-not-allowed"
BASIS: Final = "policy.basis-not-allowed"
PURPOSE: Final = "policy.purpose-not-allowed"
OPERATION: Final = "policy.operation-not-allowed"
JURISDICTION: Final = "policy.jurisdiction-not-covered"
CUSTOMERS: Final = "policy.customers-below-threshold"
EVIDENCE: Final = "policy.evidence-below-threshold"
TLP: Final = "policy.tlp-above-limit"
CONSENT: Final = "policy.consent-missing"
ASSESSMENT: Final = "policy.own-assessment-missing"
RETENTION: Final = "policy.retention-exceeded"
UNKNOWN: Final = "policy.unknown"
"""A row names a policy that is not in force now."""
NOT_IN_FORCE: Final = "policy.not-in-force"
"""An anchor names a policy that was not adopted before its block, or was withdrawn before it."""
UNREADABLE: Final = "policy.unreadable"
"""An anchor names a policy that was adopted and that is no policy document."""
RULES: Final = (
    UNKNOWN,
    NOT_IN_FORCE,
    UNREADABLE,
    KIND,
    BASIS,
    PURPOSE,
    OPERATION,
    JURISDICTION,
    CUSTOMERS,
    EVIDENCE,
    TLP,
    CONSENT,
    ASSESSMENT,
    RETENTION,
)
CLOCK_DAYS: Final = 1
"""Days that a stored record may exceed its retention: a row judged before midnight by the
reporter's clock may be in a block after it, and the other way round."""


class Facts(Protocol):
    """What is judged of a record; a ledger payload has all of it."""

    @property
    def operation(self) -> int:
        """Code of the operation."""
        ...

    @property
    def kind(self) -> int:
        """Code of the kind."""
        ...

    @property
    def evidence_level(self) -> int:
        """Code, 0 where not stated."""
        ...

    @property
    def tlp(self) -> int:
        """Code, 0 where not stated."""
        ...

    @property
    def country(self) -> bytes:
        """Two ASCII letters, or two zeros where not stated."""
        ...

    @property
    def valid_until_day(self) -> int:
        """Days since 1970-01-01, 0 where not stated."""
        ...

    @property
    def distinct_customers(self) -> int:
        """Customers of the reporting member that reported."""
        ...

    @property
    def lawful_basis(self) -> int:
        """Code of the basis."""
        ...

    @property
    def purpose(self) -> int:
        """Code of the purpose."""
        ...

    @property
    def usage(self) -> int:
        """Bits of the duties that travel with it."""
        ...

    @property
    def consent_anchor(self) -> bytes | None:
        """Anchor of a receipt, None where not stated."""
        ...


class Breach(Struct, frozen=True):
    """A rule that is broken, and what the policy allows instead."""

    rule: str
    allowed: str


def breach_of(policy: Policy, facts: Facts, day: int, *, tolerance: int = 0) -> Breach | None:
    """The first rule that a record breaks, None if none.

    `day` is the day of the anchor, in days since 1970-01-01; `tolerance` are days that the end of
    validity may lie over the retention.
    """
    operation = Operation.find(facts.operation)
    if operation is not None and operation > Operation.SIGHT:
        return None
    return (
        _ground_breach(policy, facts, operation)
        or _threshold_breach(policy, facts)
        or _duty_breach(policy, facts, day, tolerance)
    )


def _ground_breach(policy: Policy, facts: Facts, operation: Operation | None) -> Breach | None:
    """Narrowed one condition after the other, so that the first unmet one is named."""
    grounds = [ground for ground in policy.grounds if facts.kind in ground.kinds]
    if not grounds:
        return Breach(KIND, _labels("kinds", policy.kinds))
    matching = [ground for ground in grounds if ground.basis == facts.lawful_basis]
    if not matching:
        return Breach(BASIS, _labels("bases for this kind", {g.basis for g in grounds}))
    for_purpose = [ground for ground in matching if facts.purpose in ground.purposes]
    if not for_purpose:
        purposes = {purpose for ground in matching for purpose in ground.purposes}
        return Breach(PURPOSE, _labels("purposes on this basis", purposes))
    if not any(operation in ground.operations for ground in for_purpose):
        operations = {found for ground in for_purpose for found in ground.operations}
        return Breach(OPERATION, _labels("operations on this basis", operations))
    country = facts.country.decode("ascii", "replace")
    if policy.jurisdictions and any(facts.country) and country not in policy.jurisdictions:
        return Breach(JURISDICTION, f"countries: {', '.join(sorted(policy.jurisdictions))}")
    return None


def _threshold_breach(policy: Policy, facts: Facts) -> Breach | None:
    kind = Kind.from_code(facts.kind)
    least = policy.distinct_customers.get(kind, 0)
    if facts.distinct_customers < least:
        return Breach(
            CUSTOMERS, f"{kind.label} from {least} distinct customers of the reporting member on"
        )
    if facts.evidence_level < policy.evidence_level:
        return Breach(EVIDENCE, f"evidence level {policy.evidence_level.label} or better")
    # Unmarked counts as the vocabulary says: amber_strict.
    if (facts.tlp or Tlp.AMBER_STRICT) > policy.greatest_tlp:
        return Breach(TLP, f"markings up to {policy.greatest_tlp.label}")
    return None


def _duty_breach(policy: Policy, facts: Facts, day: int, tolerance: int) -> Breach | None:
    kind = Kind.from_code(facts.kind)
    if not facts.consent_anchor:
        if facts.lawful_basis == LawfulBasis.CONSENT:
            return Breach(CONSENT, "the anchor of a receipt where the basis is consent")
        if kind in policy.consent_receipt:
            return Breach(CONSENT, f"the anchor of a receipt for every {kind.label}")
    if policy.own_assessment and not facts.usage & Usage.NO_SOLE_BASIS:
        return Breach(ASSESSMENT, "records that say no_sole_basis")
    days = policy.retention_days[kind]
    if not facts.valid_until_day or facts.valid_until_day > day + days + tolerance:
        return Breach(RETENTION, f"valid_until at most {days} days after the report")
    return None


def _labels(what: str, terms: Iterable[Term]) -> str:
    return f"{what}: {', '.join(sorted(str(term) for term in terms))}"
