"""What the outside may ask of a node about protective registrations: a Protocol and its views.

A person's own identifier is stated on the ledger in a role that protects: it never scores, and a
screening about it says so. States: active, lapsed (its time is over) and withdrawn.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Protocol

from msgspec import Struct

from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.vocabulary import ObjectRole
from node.service import Caller, Stage

ROLES: Final = frozenset(
    {ObjectRole.COMPROMISED_VICTIM, ObjectRole.IMPERSONATED, ObjectRole.TARGET}
)
"""Roles that protect and never score."""
MAX_DAYS: Final = 730
"""Longest time of a protection before it is renewed."""
DEFAULT_DAYS: Final = 365
RENEWAL_DUE_DAYS: Final = 30


class ProtectionState(StrEnum):
    """Where a protection stands."""

    ACTIVE = "active"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"


class NewProtection(Struct, frozen=True):
    """A person's wish to be protected."""

    person: str
    """The member's own pseudonym of the person; kept as a keyed hash alone."""
    report: IndicatorReport
    """What is stated: the identifier, a role of ROLES, the lawful basis and the time."""

    def __repr__(self) -> str:
        return f"NewProtection({self.report.kind.label})"


class ProtectionView(Struct, frozen=True):
    """A protection as it stands."""

    protection_id: str
    state: ProtectionState
    kind: str
    value: str | None
    """None in lists and once withdrawn."""
    role: str
    lawful_basis: str
    record_id: str
    valid_until_day: int
    """Days since 1970-01-01, the last day."""
    renewals: int
    is_renewal_due: bool
    registered_ms: int
    changed_ms: int

    def __repr__(self) -> str:
        return f"ProtectionView({self.protection_id}, {self.state})"


class ProtectionPage(Struct, frozen=True):
    """Some protections, newest first, and where the next page begins."""

    protections: tuple[ProtectionView, ...]
    next: bytes | None


class Protections(Protocol):
    """The desk of one node."""

    async def register(self, wish: NewProtection, *, by: Caller, wait: Stage) -> ProtectionView:
        """Put a protection on the ledger. Raises RowError, RuleRefused, Forbidden, Busy."""
        ...

    async def renew(
        self, protection_id: str, days: int, *, by: Caller, wait: Stage
    ) -> ProtectionView:
        """Make it last longer. Raises NotFound, RuleRefused."""
        ...

    async def withdraw(
        self, protection_id: str, *, erase: bool, by: Caller, wait: Stage
    ) -> ProtectionView:
        """Take it back, and with `erase` have its record destroyed. Raises NotFound."""
        ...

    def show(self, protection_id: str) -> ProtectionView:
        """One protection. Raises NotFound."""
        ...

    async def page(self, before: bytes | None) -> ProtectionPage:
        """A page, newest first."""
        ...
