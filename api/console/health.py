"""Health: the diagnosis as a page, with what to do, the peers and the phases of the next block.

Rules: it asks this process alone, so it is shown with any number of members away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.console.source import Source
from api.console.visit import View, Visit
from node.diagnosis.finding import Finding, Severity

VERDICTS: Final[Mapping[str, str]] = {
    "healthy": "Blocks come, or came a moment ago.",
    "idle": "Nothing waits for a block; one comes every heartbeat.",
    "slow": "Work waits for longer than two base timeouts.",
    "stuck": "Work waits for longer than ten base timeouts, a quorum is missing, or heartbeats "
    "stopped.",
    "starting": "The node has just begun and is being connected to the others.",
    "catching up": "This node fetches blocks that the others have.",
    "silent after a wipe": "This validator lost its records and does not vote until a known block.",
    "halted": "The node stopped itself.",
}
"""Verdict -> what it means."""
_MARKS: Final = {Severity.CRITICAL: "✖", Severity.WARNING: "▲", Severity.INFO: "●"}


class HealthPage:
    """Handler of /console/node."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def show(self, visit: Visit) -> View:
        """GET /console/node."""
        visit.exchange.query()
        service = self._source.service
        diagnosis, status = service.diagnosis(), service.status()
        consensus = status.get("consensus")
        known = consensus if isinstance(consensus, Mapping) else {}
        phases = [f for f in diagnosis.findings if f.code.startswith(("height.", "view."))]
        values = {
            "diagnosis": diagnosis,
            "meaning": VERDICTS.get(str(diagnosis.verdict), ""),
            "findings": [
                (_MARKS[f.severity], f, _since(f, diagnosis.at_ms)) for f in diagnosis.findings
            ],
            "phases": phases,
            "peers": self._peers(status, known),
            "consensus": known,
            "status": status,
            "readiness": service.readiness(),
        }
        return View("node.html", "Node health", values)

    def _peers(
        self, status: Mapping[str, object], consensus: Mapping[str, object]
    ) -> list[dict[str, object]]:
        """Every other member: its connection, and its last STATUS if it is a validator."""
        links, heard = _by_member(status.get("peers")), _by_member(consensus.get("validators"))
        rows: list[dict[str, object]] = []
        for member in self._source.service.members():
            if member.connected is None:
                continue
            said = heard.get(member.id, {})
            rows.append(
                {
                    "member": member,
                    "silent_ms": links.get(member.id, {}).get("silent_ms"),
                    "executed": said.get("executed"),
                    "view": said.get("view"),
                    "changing": said.get("changing"),
                    "said_ms": said.get("age_ms"),
                }
            )
        return rows


def _by_member(found: object) -> dict[str, Mapping[str, object]]:
    rows = found if isinstance(found, list) else []
    return {str(row["member"]): row for row in rows if isinstance(row, Mapping) and "member" in row}


def _since(finding: Finding, now_ms: int) -> int | None:
    """How long ago a finding began; None where that is not known or was just now."""
    if finding.since_ms is None or now_ms - finding.since_ms < 1_000:
        return None
    return now_ms - finding.since_ms
