"""Proposals: what the members vote on, with what a dry run says of it and who approved."""

from __future__ import annotations

from collections.abc import Sequence

from api.console.source import Source
from api.console.visit import View, Visit
from api.console.wording import action_text, case_rows, concerned, proposal_rows, value_text
from api.query import word
from node.governance.documents import ActionInvalid, action_of
from node.governance.port import DryRun, GovernanceService, ProposalView


class ProposalPages:
    """Handlers of /console/proposals."""

    def __init__(self, source: Source, governance: GovernanceService) -> None:
        self._source = source
        self._governance = governance

    async def every(self, visit: Visit) -> View:
        """GET /console/proposals."""
        state = word(visit.exchange.query("state"), "state", ("all", "open"))
        found = self._governance.proposals(open_only=state == "open")
        values = {"rows": proposal_rows(found), "only_open": state == "open"}
        return View("proposals.html", "Proposals", values)

    async def show(self, visit: Visit) -> View:
        """GET /console/proposals/{number}."""
        visit.exchange.query()
        view = self._governance.proposal(visit.number("number"))
        member = concerned(view)
        evidence = [e for e in self._source.service.evidence() if e.culprit == member]
        run = self._dry_run(view)
        values = {
            "proposal": view,
            "text": action_text(view.action),
            "fields": [(name, value_text(value)) for name, value in view.action.items()],
            "approvals": view.approvals,
            "waiting": self._waiting(view),
            "run": run,
            "refused": None if run is None else run.verdict(force=True),
            "unsafe": None if run is None else run.verdict(),
            "concerned": member,
            "policy": view.action.get("policy") if self._source.policies else None,
            "evidence": case_rows(evidence),
        }
        crumbs = (("Proposals", "/console/proposals"),)
        return View("proposal.html", f"Proposal {view.id}", values, crumbs)

    def _dry_run(self, view: ProposalView) -> DryRun | None:
        """What an open proposal would do now; None for one that is over."""
        if view.state != "open":
            return None
        try:
            return self._governance.dry_run(action_of(dict(view.action)))
        except ActionInvalid:
            return None

    def _waiting(self, view: ProposalView) -> Sequence[str]:
        """Members that may still approve."""
        if view.state != "open":
            return ()
        voters = [member.id for member in self._governance.members() if member.votes]
        return [member for member in voters if member not in view.approvals]
