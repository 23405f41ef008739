"""What the outside may ask of a node about policies: a Protocol and its views.

The desk (`node.governance.policydesk`) implements it, the API translates it to HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from bulwark.ledger.ids import Digest, Height
from bulwark.policies.document import Policy
from node.service import Idempotency, Stage


class PolicyView(Struct, frozen=True):
    """A policy as the ledger has it in the last block."""

    id: bytes
    state: str
    """`published`, `adopted` or `withdrawn`."""
    since: int
    """Block whose vote adopted it, 0 for one of genesis or one that was never adopted."""
    until: int | None
    """Block whose vote withdrew it."""
    publisher: str
    """Member id, empty for one of genesis."""
    is_default: bool
    """Whether it holds where an anchor names none."""
    policy: Policy | None
    """What it says; None where `fault` says why it can not be read."""
    fault: str


class Publication(Struct, frozen=True):
    """What became of a document that this member published."""

    id: bytes
    transaction: Digest
    stage: Stage
    height: Height | None


class PolicyService(Protocol):
    """Policies of the alliance as this node sees them."""

    def policies(self) -> Sequence[PolicyView]:
        """The newest 256, and the default; newest first."""
        ...

    def policy(self, name: str) -> PolicyView:
        """One by id or title, of one title the newest. Raises NotFound."""
        ...

    async def publish(
        self, document: bytes, *, wait: Stage, idempotency: Idempotency | None
    ) -> Publication:
        """Put a document on the ledger. Raises PolicyInvalid, Conflict, Forbidden, Busy."""
        ...
