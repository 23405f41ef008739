"""Replicas in one line each, from `snapshot()` alone."""

from __future__ import annotations

from tests.scenarios.machine import Machine
from tests.scenarios.words import Names, numbers


def show_status(machine: Machine) -> str:
    """View, status, executed, stable, window, whose turn it is."""
    if machine.replica is None:
        return f"{machine.slot:<10}  {machine.stopped or 'not started'}"
    shot = machine.replica.snapshot()
    view = f"view {shot.view}"
    if shot.view != shot.active_view:
        view += f" (in {shot.active_view})"
    words = [
        view,
        str(shot.status),
        f"executed {shot.executed}",
        f"stable {shot.stable}",
        f"window {shot.low + 1}-{shot.high}",
        f"next {shot.next_height} by {shot.proposer}",
    ]
    if shot.silent_until is not None:
        until = "?" if shot.silent_until >= 1 << 62 else str(shot.silent_until)
        words.append(f"SILENT until {until}")
    if shot.syncing:
        words.append("syncing")
    if shot.buffered:
        words.append(f"buffered {shot.buffered}")
    return f"{machine.slot:<10}  " + "  ".join(words)


def show_slots(machine: Machine, names: Names) -> list[str]:
    """Phase, digest and voters of each height above the executed one."""
    if machine.replica is None:
        return []
    shot = machine.replica.snapshot()
    lines = []
    for slot in shot.slots:
        if slot.height <= shot.executed:
            continue
        name = "-" if slot.digest is None else names.digest(slot.digest)
        notes = "" if slot.has_body or slot.digest is None else "  no body"
        notes += "" if slot.timely else "  untimely"
        notes += f"  refused: {slot.refusal}" if slot.refusal else ""
        lines.append(
            f"{machine.slot:<10}  h{slot.height} {slot.phase:9} {name:6} "
            f"P {numbers(slot.prepares):8} C {numbers(slot.commits):8}{notes}".rstrip()
        )
    return lines
