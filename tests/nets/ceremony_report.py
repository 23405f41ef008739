"""Plans and report of runs with dishonest members in ceremonies: who does what, what came of it.

Rules: a plan names for each step and dishonest member what it does about either key; together the
plans have every kind of dishonesty that members are protected from. The report has one row for each
session, failed ones included, with what the ledger says.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.nets.ceremonies import Plan, Step, Words

PHASE_SECONDS: Final = {4: 8, 7: 15, 10: 30}
_WORDS: Final[Mapping[int, Mapping[str, Sequence[tuple[str, str]]]]] = {
    4: {
        "generate": [("wrong pair for one", "wrong Feldman commitments")],
        "refresh": [("false complaint", "mute")],
        "join": [("unreadable for all", "silent after the commitment")],
        "leave": [("wrong pair for all", "silent in CONFIRM")],
    },
    7: {
        "generate": [
            ("mute", "wrong last Feldman commitment"),
            ("unreadable for one", "false accusation"),
        ],
        "refresh": [
            ("wrong pair for all", "another secret"),
            ("false complaint", "silent in CONFIRM"),
        ],
        "join": [
            ("silent after the commitment", "wrong pair and no defence"),
            ("meddles", "another result confirmed"),
        ],
        "leave": [
            ("unreadable for all", "false complaint"),
            ("wrong pair for one", "garbage in DEAL"),
        ],
    },
    10: {
        "generate": [
            ("mute", "wrong Feldman commitments"),
            ("wrong pair for all", "unreadable for one"),
            ("false complaint", "silent in CONFIRM"),
        ],
        "refresh": [
            ("silent after the commitment", "wrong pair for one"),
            ("false complaint", "meddles"),
            ("another secret", "silent in CONFIRM"),
        ],
        "join": [
            ("wrong pair and no defence", "false complaint"),
            ("unreadable for all", "wrong pair for one"),
            ("silent in DEAL", "degree hidden"),
        ],
        "leave": [
            ("mute", "wrong pair for all"),
            ("false complaint", "wrong commitment hash"),
            ("another result confirmed", "garbage in COMPLAIN"),
        ],
    },
}
SIZES: Final = tuple(_WORDS)
_FEW: Final = 3
"""Names that a line of the report has room for."""


def plan_for(validators: int, values: int) -> Plan:
    """The plan of an alliance of 4, 7 or 10 with `values` reported values."""
    words = {
        step: [{"tag": tag, "council": council} for tag, council in row]
        for step, row in _WORDS[validators].items()
    }
    return Plan(
        validators=validators,
        words=words,
        values=values,
        phase_seconds=PHASE_SECONDS[validators],
        patience_s=1_500.0,
    )


@dataclass(frozen=True, slots=True)
class Report:
    """What one run showed."""

    validators: int
    phase_seconds: int
    steps: Sequence[Step]
    seconds: float

    def lines(self) -> Iterator[str]:
        """Markdown: a table of sessions, then the words of dishonest members and who was named."""
        load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
        yield f"### {self.validators} validators, {(self.validators - 1) // 3} dishonest"
        yield ""
        yield (
            f"Phases of {self.phase_seconds} s; whole run {self.seconds:.0f} s; load average at "
            f"the end {load} on {os.cpu_count()} processors."
        )
        yield ""
        yield (
            "| step | key | holders | seconds | blocks | calls | calldata B | log B | end |"
            "\n|---|---|---:|---:|---:|---:|---:|---:|---|"
        )
        for step in self.steps:
            for s in step.sessions:
                yield (
                    f"| {step.name} | {s.purpose.name.lower()} | {s.holders} | {s.seconds} | "
                    f"{s.blocks} | {s.calls} | {s.calldata_bytes:,} | {s.log_bytes:,} | "
                    f"{_end(s.failed, len(s.confirmed))} |"
                )
        yield ""
        for step in self.steps:
            yield from _story(step)

    def document(self) -> dict[str, object]:
        """The same for machines."""
        return {
            "validators": self.validators,
            "phase_seconds": self.phase_seconds,
            "seconds": round(self.seconds, 1),
            "steps": [_step_document(step) for step in self.steps],
        }


def _end(failed: str, confirmed: int) -> str:
    return f"failed: {failed}" if failed else f"in force, {confirmed} confirmed"


def _story(step: Step) -> Iterator[str]:
    yield f"* **{step.name}** ({step.seconds:.0f} s)"
    for key in ("tag", "council"):
        did = "; ".join(_word(words, key) for words in step.words)
        sessions = [s for s in step.sessions if s.purpose.name.lower() == key]
        named = _grouped([fault for s in sessions for fault in s.faults])
        complaints = sorted({one for s in sessions for one in s.complaints})
        yield f"  * {key} key: dishonest: {did}. Named: {named or 'nobody'}."
        if complaints:
            yield f"    Complaints: {_counted(complaints)}."
    if step.killed:
        yield f"  * killed and started in the middle: {step.killed}"
    yield f"  * {step.found} answers of {step.askers} members, every one found its value"


def _word(words: Words, key: str) -> str:
    return words.get(key, "honest")


def _grouped(faults: Sequence[str]) -> str:
    """By who is named for what, with the phases."""
    of: dict[str, list[str]] = {}
    for fault in dict.fromkeys(faults):
        what, phase = fault.removesuffix(")").rsplit(" (", 1)
        of.setdefault(what.replace("no acceptable post where one was due", "silent"), []).append(
            phase
        )
    return "; ".join(f"{what} ({', '.join(phases)})" for what, phases in of.items())


def _counted(complaints: Sequence[str]) -> str:
    """Who complains of whom; long lists as numbers."""
    pairs = [one.split(" of ") for one in complaints]
    by_holder = Counter(holder for holder, _ in pairs)
    loud = {holder for holder, count in by_holder.items() if count > _FEW}
    parts = [f"{holder} of {by_holder[holder]} dealers" for holder in sorted(loud)]
    of: dict[str, list[str]] = {}
    for holder, dealer in pairs:
        if holder not in loud:
            of.setdefault(dealer, []).append(holder)
    for dealer, who in of.items():
        parts.append(f"{', '.join(who) if len(who) <= _FEW else f'{len(who)} others'} of {dealer}")
    return "; ".join(parts)


def _step_document(step: Step) -> dict[str, object]:
    return {
        "step": step.name,
        "seconds": round(step.seconds, 1),
        "killed": step.killed,
        "found": step.found,
        "askers": step.askers,
        "dishonest": [dict(words) for words in step.words],
        "sessions": [
            {
                "key": s.purpose.name.lower(),
                "kind": s.kind,
                "share_epoch": s.share_epoch,
                "holders": s.holders,
                "parties": len(s.parties),
                "threshold": s.threshold,
                "seconds": s.seconds,
                "blocks": s.blocks,
                "posts": s.posts,
                "confirmed": len(s.confirmed),
                "calls": s.calls,
                "calldata_bytes": s.calldata_bytes,
                "log_bytes": s.log_bytes,
                "failed": s.failed,
                "faults": s.faults,
                "complaints": s.complaints,
            }
            for s in step.sessions
        ],
    }


def as_json(reports: Sequence[Report]) -> str:
    """All runs as one JSON document."""
    return json.dumps([report.document() for report in reports], indent=1) + "\n"
