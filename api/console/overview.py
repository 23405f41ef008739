"""Overview: the first page, with the chain's heights, this node's part and how it is."""

from __future__ import annotations

from typing import Final

from api.console.source import Source
from api.console.visit import View, Visit
from node.service import Role

CHECKS: Final = {
    "storage": ("The database works.", "The node stopped itself: its database or a result failed."),
    "quorum_connected": (
        "A quorum of validators is in reach.",
        "Fewer validators are in reach than a block needs; no block can be finished from here.",
    ),
    "in_step": (
        "The node is in step with the alliance.",
        "The node is behind the alliance or cut off from it; what it shows may be old.",
    ),
    "shared_keys": (
        "The keys that the members share are there.",
        "The members have not finished making their shared keys; nothing can be reported yet.",
    ),
}
"""Check of readiness -> what it says when it holds, and when it does not."""


class OverviewPage:
    """Handler of /console."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def show(self, visit: Visit) -> View:
        """GET /console."""
        visit.exchange.query()
        service = self._source.service
        status = service.status()
        latest = await service.block("latest")
        final = await service.block("finalized")
        readiness = service.readiness()
        members = service.members()
        terms = service.epoch_at(latest.header.height)
        values: dict[str, object] = {
            "latest": latest,
            "final": final,
            "age_ms": max(0, self._source.now_ms() - latest.header.timestamp_ms),
            "chain_id": status.get("chain_id"),
            "genesis": status.get("genesis_hash"),
            "role": status.get("role"),
            "version": status.get("version"),
            "members": len(members),
            "connected": sum(member.connected is True for member in members),
            "validators": len(terms.validators),
            "quorum": terms.validators.quorum,
            "epoch": terms.number,
            "ready": readiness.ready,
            "checks": [_check(name, holds) for name, holds in readiness.checks.items()],
            "headline": service.diagnosis().headline if visit.role is Role.OPERATOR else None,
            "evidence": len(service.evidence()),
            "open_proposals": self._open_proposals(visit.role),
            "open_cases": self._open_cases(visit.role),
        }
        return View("overview.html", "Overview", values)

    def _open_proposals(self, role: Role) -> int | None:
        governance = self._source.governance_for(role)
        return None if governance is None else len(governance.proposals(open_only=True))

    def _open_cases(self, role: Role) -> int | None:
        openings = self._source.openings_for(role)
        return None if openings is None else len(openings.cases(open_only=True))


def _check(name: str, holds: bool) -> tuple[bool, str]:
    good, bad = CHECKS.get(name, (f"{name}: yes", f"{name}: no"))
    return holds, good if holds else bad
