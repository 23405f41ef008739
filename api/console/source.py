"""Source: what the console's pages read, the same Protocols that the REST API reads.

Rules: a page shows nothing that the visitor's key could not read over REST; reads go through the
services, so what the access log counts there it counts here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from api.advice import Adviser
from bulwark.ledger.ids import Height
from node.audit.port import AuditService
from node.consents.port import ConsentService
from node.disputes.port import DisputesService
from node.ethereum import EthereumView
from node.governance.policyport import PolicyService
from node.governance.port import GovernanceService
from node.guarded.accessport import AccessService
from node.identity.port import ApiKeyService
from node.interaction.port import InteractionService
from node.jobs.port import JobsService
from node.openings.port import OpeningsService
from node.push.port import PushService
from node.recall.port import RecallService
from node.service import MemberView, NodeService, Role

EVERYBODY: Final = frozenset(Role)
"""Any valid key: blocks, members, evidence and policies, as over REST."""
OVERSEERS: Final = frozenset({Role.AUDITOR, Role.OPERATOR, Role.ADMIN})
STAFF: Final = frozenset({Role.REPORTER, Role.ANALYST})
"""Who screens."""
WRITERS: Final = frozenset({Role.REPORTER})
"""Who reports and rules."""
READERS: Final = STAFF | {Role.AUDITOR}
"""Who reads records."""
ADMINS: Final = frozenset({Role.ADMIN})
AUDITORS: Final = frozenset({Role.AUDITOR})
OPERATORS: Final = frozenset({Role.OPERATOR})
LOG_READERS: Final = frozenset({Role.AUDITOR, Role.ADMIN})


@dataclass(frozen=True, slots=True)
class Source:
    """The services of one node; None for one that it does not have."""

    service: NodeService
    ethereum: EthereumView
    now_ms: Callable[[], int]
    governance: GovernanceService | None = None
    openings: OpeningsService | None = None
    access: AccessService | None = None
    audit: AuditService | None = None
    disputes: DisputesService | None = None
    policies: PolicyService | None = None
    interaction: InteractionService | None = None
    jobs: JobsService | None = None
    recalls: RecallService | None = None
    push: PushService | None = None
    identity: ApiKeyService | None = None
    adviser: Adviser | None = None
    consents: ConsentService | None = None

    def frame(self) -> dict[str, object]:
        """What stands on every page of somebody who is logged in."""
        status = self.service.status()
        heights = status.get("height")
        known = heights if isinstance(heights, Mapping) else {}
        return {
            "alliance": status.get("alliance", ""),
            "member": status.get("member", ""),
            "executed": known.get("executed"),
            "finalized": known.get("finalized"),
            "now_ms": self.now_ms(),
        }

    def governance_for(self, role: Role) -> GovernanceService | None:
        """Proposals for a role that may read them."""
        return self.governance if role in OVERSEERS else None

    def openings_for(self, role: Role) -> OpeningsService | None:
        """Openings for a role that may read them."""
        return self.openings if role in OVERSEERS else None

    def names_by_account(self) -> dict[str, MemberView]:
        """Members by their accounts, 0x and lower-case hexadecimal."""
        return {member.account.lower(): member for member in self.service.members()}

    def member(self, member_id: str) -> MemberView | None:
        """A member of now by its id."""
        return next((m for m in self.service.members() if m.id == member_id), None)

    async def tip(self) -> Height:
        """The last executed block."""
        return (await self.service.block("latest")).header.height
