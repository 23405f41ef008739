"""Compliance: a row is held against the policy it names before anything is done with it.

Rules: a row that breaks its policy is refused with the rule's id and what is allowed, before it is
tagged, so that it costs no question; the judgement is the one every other member makes of the
stored record. A row without a policy is under the alliance's default. Text of a row is never
repeated but for the name of the policy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.records import payload_of
from bulwark.policies.document import Policy
from bulwark.policies.rules import UNKNOWN, breach_of
from node.service import Refusal

DAY_MS: Final = 86_400_000


class Policies(Protocol):
    """The policies of the alliance."""

    def find(self, name: str) -> Policy | None:
        """The policy in force now of an id or title, '' for the default."""
        ...

    def titles(self) -> list[str]:
        """Titles of the policies in force now."""
        ...

    def word_of(self, policy: Policy) -> bytes:
        """What an anchor names for records under a policy."""
        ...


class PolicyGate:
    """Judges rows of this member."""

    def __init__(self, policies: Policies, now_ms: Callable[[], int]) -> None:
        self._policies = policies
        self._now_ms = now_ms

    def judge(self, report: IndicatorReport) -> bytes | Refusal:
        """The policy word for the anchor of a row, or why the row is refused."""
        policy = self._policies.find(report.policy)
        if policy is None:
            allowed = ", ".join(self._policies.titles())
            detail = f"none of that id or title is in force; {allowed} are"
            return Refusal(UNKNOWN, detail, "policy")
        day = self._now_ms() // DAY_MS
        found = breach_of(policy, payload_of(report, oprf_key_id=0), day)
        if found is not None:
            return Refusal(found.rule, f"policy {policy.title} allows: {found.allowed}")
        return self._policies.word_of(policy)
