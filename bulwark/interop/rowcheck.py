"""Rows checked with the rules of the ledger before they are statements.

Rules: a dry run says what a real import will, so both check here; an identifier that a document
states twice in the same role and for the same fraud is a duplicate from the second time on. A
refusal names the rule and never the value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bulwark.indicators.errors import NormalisationError, RowError
from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.normalise import normalise
from bulwark.indicators.vocabulary import Kind
from bulwark.interop.carried import Reason
from bulwark.interop.misp.warninglists import Warninglist, first_hit
from bulwark.interop.words import MISP_OUT


@dataclass(slots=True)
class RowCheck:
    """The check of one document's rows."""

    now_ms: int
    """Time of the import, ms since 1970 UTC: dates in the future are refused."""
    lists: Sequence[Warninglist] = ()
    _said: set[tuple[Kind, str, int, int]] = field(default_factory=set)
    """Kind, canonical value, fraud type and role of what was stated."""

    def judge(self, row: Mapping[str, object], misp_type: str = "") -> tuple[Reason, str] | bool:
        """Why a row can not be stated; else whether it is the first of its identifier.

        `misp_type` chooses the warninglists; left out, it is the one in which the kind goes out.
        """
        if not row.get("fraud_type"):
            return Reason.NO_FRAUD_TYPE, "nothing names a fraud type and no default is set"
        try:
            report = IndicatorReport.from_mapping(row, now_ms=self.now_ms)
        except RowError as error:
            problems = "; ".join(f"{one.field}: allowed is {one.allowed}" for one in error.problems)
            return Reason.FIELD_INVALID, problems
        try:
            canonical = normalise(report.kind, report.value, str(report.region) or None).value
        except NormalisationError as error:
            return Reason.VALUE_INVALID, f"{error.rule}: {error.message}"
        hit = first_hit(self.lists, misp_type or MISP_OUT[report.kind][0], canonical)
        if hit is not None:
            return Reason.WARNINGLIST, f"warninglist {hit}"
        said = (report.kind, canonical, int(report.fraud_type), int(report.object_role))
        is_first = said not in self._said
        self._said.add(said)
        return is_first
