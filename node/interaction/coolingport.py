"""What the outside may ask of a node about cooling-offs: a Protocol and its views.

States: held -> confirmed (the customer said yes after the pause, and a second screening was no
worse), refused (it was worse), cancelled or expired.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from bulwark.indicators.model import ScreeningRequest
from node.service import Caller


class CoolingState(StrEnum):
    """Where a cooling-off stands."""

    HELD = "held"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class NewCoolingOff(Struct, frozen=True):
    """A payment that is to be held."""

    question: ScreeningRequest
    """About the other side of the payment."""
    customer: str
    """The member's own pseudonym of the customer; goes into the token as a commitment alone."""
    payment: str
    """The payment system's reference; as well."""
    seconds: int | None = None
    """The pause; None for the member's usual one."""


class CoolingView(Struct, frozen=True):
    """A cooling-off as it stands."""

    cooling_off_id: str
    state: CoolingState
    token: str | None
    """Of a held payment its hold token, of a confirmed one its release token; else None."""
    opening: str | None
    """32 bytes in hexadecimal that open the token's commitments; None once it ended without one."""
    band: str
    """Of the last screening."""
    level: str
    issued_ms: int
    not_before_ms: int
    """Earliest time of a yes."""
    expires_ms: int
    extensions: int
    ended_ms: int | None


class CoolingPage(Struct, frozen=True):
    """Some cooling-offs, newest first, and where the next page begins."""

    cooling_offs: tuple[CoolingView, ...]
    next: bytes | None


class CoolingOffs(Protocol):
    """The desk of one node."""

    async def issue(self, wish: NewCoolingOff, *, by: Caller) -> CoolingView:
        """Screen and hold a payment. Raises RuleRefused, Unavailable, Invalid."""
        ...

    async def confirm(self, cooling_off_id: str, *, by: Caller) -> CoolingView:
        """The customer says yes after the pause: screen again and release.

        Raises NotFound, RuleRefused (too early, ended, or the answer got worse), Unavailable.
        """
        ...

    async def cancel(self, cooling_off_id: str) -> CoolingView:
        """The customer says no. Raises NotFound, RuleRefused."""
        ...

    async def extend(self, cooling_off_id: str, seconds: int) -> CoolingView:
        """Hold it longer. Raises NotFound, RuleRefused."""
        ...

    def show(self, cooling_off_id: str) -> CoolingView:
        """One cooling-off. Raises NotFound."""
        ...

    async def page(self, state: CoolingState | None, before: bytes | None) -> CoolingPage:
        """A page, newest first."""
        ...

    def key(self) -> tuple[str, bytes]:
        """This member's id and the public key of its tokens, 32 bytes."""
        ...
