"""What scenarios must show whatever is recorded: `expect` fails a rewrite too."""

from __future__ import annotations

from tests.scenarios.script import Args, ScenarioError, parse_numbers
from tests.scenarios.stage import Stage


def check_expectation(stage: Stage, args: Args) -> None:
    """expect 0,1 executed=3 view=1 2=b | expect evidence Kind of=3 | expect no-evidence."""
    first = args.words[0]
    if first == "evidence":
        wanted = (args.words[1], args.number("of", 0))
        found = {(type(e).__name__, int(e.culprit)) for e in stage.watch.evidence}
        if wanted not in found:
            raise ScenarioError(f"expected evidence {wanted}, found {sorted(found)}")
        return
    if first == "no-evidence":
        if stage.watch.evidence:
            raise ScenarioError(f"evidence against {stage.watch.evidence[0].culprit}")
        return
    everyone = [m for m in stage.machines if m.index not in stage.watch.faulty]
    if first != "all":
        everyone = [stage.machines[i] for i in parse_numbers(first)]
    for machine in everyone:
        for field, value in args.options.items():
            actual = _field(stage, machine.slot, field)
            if actual != value:
                raise ScenarioError(f"{machine.slot}: {field} is {actual}, expected {value}")


def _field(stage: Stage, slot: int, field: str) -> str:
    machine = stage.machines[slot]
    if field.isdigit():
        blocks = machine.disk.blocks
        height = int(field)
        return stage.names.batch(blocks[height - 1].batch) if height <= len(blocks) else "none"
    if field == "blocks":
        return str(len(machine.disk.blocks))
    if machine.replica is None:
        return "yes" if field == "down" else "down"
    shot = machine.replica.snapshot()
    if field == "silent":
        return "no" if shot.silent_until is None else "yes"
    if field == "down":
        return "no"
    if field == "status":
        return str(shot.status)
    if field in ("view", "active_view", "executed", "stable", "buffered", "epoch", "attempt"):
        return str(getattr(shot, field))
    raise ScenarioError(f"no field {field!r}")
