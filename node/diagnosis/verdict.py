"""The verdict: all rules over one set of facts, and the one word and sentence that come first.

Rules: findings are sorted by severity, then code, then subject; a verdict needs no finding and a
finding changes no verdict, so each can be read alone. Pure: the same facts give the same answer.
"""

from __future__ import annotations

from typing import Final

from node.diagnosis import (
    clocks,
    levels,
    peers,
    phases,
    quorum,
    standing,
    surroundings,
    upkeep,
    views,
)
from node.diagnosis.facts import UNKNOWN_HEIGHT, Facts
from node.diagnosis.finding import Diagnosis, Finding, Rule, Severity, Verdict
from node.diagnosis.words import blocks, duration, some

RULES: Final[tuple[Rule, ...]] = (
    standing.halted,
    standing.silence,
    standing.sync,
    quorum.lost,
    quorum.thin,
    phases.phase,
    phases.checkpoints,
    phases.heartbeat,
    views.changing,
    views.asked,
    views.many,
    peers.no_peers,
    peers.missing,
    peers.no_status,
    peers.silent,
    peers.behind,
    peers.other_view,
    clocks.skew,
    clocks.moved,
    standing.role,
    standing.epoch,
    surroundings.disk,
    surroundings.waiting,
    surroundings.certificates,
    surroundings.misconduct,
    surroundings.versions,
    levels.own_build,
    levels.members,
    upkeep.pruning,
    upkeep.restore,
)
IDLE_MS: Final = 5_000
"""A last block so old, with no work waiting, is an idle alliance."""


def diagnose(facts: Facts) -> Diagnosis:
    """Everything that the rules find, and the verdict; never raises."""
    found = [finding for rule in RULES for finding in rule(facts)]
    found.sort(key=lambda f: (-f.severity, f.code, f.subject, f.seen))
    verdict = verdict_of(facts)
    own = facts.consensus
    return Diagnosis(
        verdict=verdict,
        headline=headline(facts, verdict, found),
        height=facts.executed,
        epoch=facts.epoch,
        view=None if own is None else own.view,
        at_ms=facts.now_ms,
        findings=tuple(found),
    )


def verdict_of(facts: Facts) -> Verdict:
    """The first word that applies, worst first."""
    if facts.halted or not facts.running:
        return Verdict.HALTED
    own = facts.consensus
    if facts.sync is not None or (own is not None and own.syncing):
        return Verdict.CATCHING_UP
    if len(facts.voters) < facts.quorum and not (own is not None and own.silent_until is not None):
        return Verdict.STARTING if quorum.is_forming(facts) else Verdict.STUCK
    waited_ms = facts.waiting_ms
    base_ms = facts.settings.base_timeout_ms
    if waited_ms is not None and waited_ms >= 10 * base_ms:
        return Verdict.STUCK
    if own is not None and own.silent_until is not None:
        return Verdict.SILENT
    if facts.idle_ms > 2 * facts.settings.heartbeat_ms + 10 * base_ms:
        return Verdict.STUCK
    if waited_ms is not None and waited_ms >= 2 * base_ms:
        return Verdict.SLOW
    if waited_ms is None and facts.idle_ms >= IDLE_MS:
        return Verdict.IDLE
    return Verdict.HEALTHY


def headline(facts: Facts, verdict: Verdict, found: list[Finding]) -> str:
    """The verdict as one sentence."""
    block = f"block {facts.executed}"
    votes = f"{len(facts.voters)} of {len(facts.validators)} validators vote"
    match verdict:
        case Verdict.HALTED:
            return f"halted at {block}: {facts.halted or 'the process is gone'}"
        case Verdict.CATCHING_UP:
            target = facts.sync.target if facts.sync is not None else facts.certified
            left = blocks(max(0, target - facts.executed))
            return f"catching up: {block} of {target}, {left} to go"
        case Verdict.STUCK:
            worst = [f.seen for f in found if f.severity is Severity.CRITICAL]
            worst += [f.seen for f in found if f.severity is Severity.WARNING]
            why = worst[0] if worst else "no rule names a cause"
            return f"stuck: no block after {facts.executed} for {duration(facts.idle_ms)}; {why}"
        case Verdict.STARTING:
            return f"starting: {block}; {votes} so far, {facts.quorum} are needed"
        case Verdict.SILENT:
            until = facts.consensus.silent_until if facts.consensus is not None else None
            known = until is not None and until < UNKNOWN_HEIGHT
            return f"silent after a wipe until {f'block {until}' if known else 'a later block'}"
        case Verdict.SLOW:
            waited = duration(facts.waiting_ms or 0)
            return f"slow: work waits {waited} for the block after {facts.executed}; {votes}"
        case Verdict.IDLE:
            return f"idle: {block} {duration(facts.idle_ms)} ago, no work waits; {votes}"
        case Verdict.HEALTHY:
            rest = "" if not facts.absent else f", missing {some(facts.absent)}"
            return f"healthy: {block}, final {facts.finalized}; {votes}{rest}"
