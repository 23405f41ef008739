"""Members: the list, and one member with its keys, votes, proposals and the evidence against it."""

from __future__ import annotations

from typing import Final

from api.console.source import Source
from api.console.visit import View, Visit
from api.console.wording import case_rows, concerned, proposal_rows
from bulwark.ledger.ids import Height
from node.governance.port import GovernanceService, GovernedMember, ProposalView
from node.guarded.accessport import AnchoredAccess
from node.service import NotFound

MAX_EPOCHS: Final = 1_024
"""Epochs that are looked back for the beginning of a member's voting."""
ACCESS_ANCHORS: Final = 10
"""Newest anchors of a member's access log on its page."""


class MemberPages:
    """Handlers of /console/members."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def every(self, visit: Visit) -> View:
        """GET /console/members."""
        visit.exchange.query()
        service = self._source.service
        voting = await self._voting()
        accused: dict[str, int] = {}
        for entry in service.evidence():
            accused[entry.culprit] = accused.get(entry.culprit, 0) + 1
        rows = [
            {"member": member, "votes": member.id in voting, "cases": accused.get(member.id, 0)}
            for member in service.members()
        ]
        return View("members.html", "Members", {"rows": rows})

    async def show(self, visit: Visit) -> View:
        """GET /console/members/{member}."""
        visit.exchange.query()
        member_id = visit.name("member")
        member = self._source.member(member_id)
        voting = await self._voting()
        evidence = [e for e in self._source.service.evidence() if e.culprit == member_id]
        governance = self._source.governance_for(visit.role)
        made, about = _proposals(governance, member_id)
        if member is None and not (evidence or made or about or member_id in voting):
            raise NotFound("the ledger has no such member")
        values = {
            "id": member_id,
            "view": member,
            "governed": _governed(governance, member_id),
            "has_proposals": governance is not None,
            "votes": member_id in voting,
            "since": await self._since(member_id),
            "made": proposal_rows(made),
            "about": proposal_rows(about),
            "evidence": case_rows(evidence),
            "anchors": self._anchors(member_id),
        }
        title = member_id if member is None else member.name
        return View("member.html", title, values, (("Members", "/console/members"),))

    async def _voting(self) -> set[str]:
        """Ids of the members that vote on the next block."""
        tip = await self._source.tip()
        terms = self._source.service.epoch_at(Height(tip + 1))
        return {validator.member for validator in terms.validators.validators}

    async def _since(self, member_id: str) -> int | None:
        """First height of the unbroken time in which a member votes; None if it does not."""
        since = None
        height = await self._source.tip() + 1
        for _ in range(MAX_EPOCHS):
            terms = self._source.service.epoch_at(Height(height))
            if member_id not in {v.member for v in terms.validators.validators}:
                break
            since = terms.start + 1
            if terms.number == 0:
                break
            height = terms.start
        return since

    def _anchors(self, member_id: str) -> list[AnchoredAccess] | None:
        access = self._source.access
        if access is None:
            return None
        try:
            found = list(access.anchors(member_id, 0, 1_000))
        except NotFound:
            return None
        return found[-ACCESS_ANCHORS:][::-1]


def _governed(governance: GovernanceService | None, member_id: str) -> GovernedMember | None:
    if governance is None:
        return None
    return next((found for found in governance.members() if found.id == member_id), None)


def _proposals(
    governance: GovernanceService | None, member_id: str
) -> tuple[list[ProposalView], list[ProposalView]]:
    """Proposals that a member made, and those about it."""
    every = [] if governance is None else governance.proposals(open_only=False)
    made = [view for view in every if view.proposer == member_id]
    return made, [view for view in every if concerned(view) == member_id]
