"""Rules about this node's own standing: halted, silent after a wipe, its role, the epoch, its sync.

Rules owned: node.halted, node.not-validator, node.observer, wipe.silent, epoch.ending,
sync.running, sync.stalled, sync.behind, sync.liar.
"""

from __future__ import annotations

from collections.abc import Iterator

from node.diagnosis.facts import UNKNOWN_HEIGHT, Facts, SyncFacts
from node.diagnosis.finding import Finding, Severity
from node.diagnosis.peers import BEHIND_BLOCKS
from node.diagnosis.words import blocks, duration

STALLED_MS = 30_000
"""A sync that gets no further for so long is stalled: twice the longest wait for an answer."""
LIAR_SHOWN_MS = 3_600_000
"""For how long diagnosis names who lied in sync."""


def halted(facts: Facts) -> Iterator[Finding]:
    """node.halted: the node ended, and why."""
    if facts.halted:
        yield Finding(
            "node.halted",
            Severity.CRITICAL,
            facts.own,
            f"the node does not run: {facts.halted}",
            _mend(facts.halted),
            (("height", facts.executed),),
        )


def _mend(reason: str) -> str:
    cures = (
        ("No space left", "free disk space, then start the node again"),
        ("storage", "check disk and database (`bulwark fsck`), then start the node again"),
        ("identity", "stop the other node with this identity, then start this one again"),
        ("protocol level", "install the version that it names and start the node; nothing is lost"),
        ("can not start", "mend what the reason names, then start the node again"),
        ("consensus:", "do not restart; keep the home, run `bulwark fsck --full`, ask for help"),
        ("stopped", "start it: bulwark node run --home HOME"),
        ("killed", "read its log; start it again: it comes back by itself"),
        ("answer", "the process is there and does not answer: read its log, then restart it"),
    )
    found = [cure for mark, cure in cures if mark in reason]
    return found[0] if found else "read its log, run `bulwark fsck`, then start it again"


def role(facts: Facts) -> Iterator[Finding]:
    """node.not-validator and node.observer: a node that does not vote."""
    if facts.consensus is not None or not facts.running:
        return
    if facts.role_wanted == "validator":
        yield Finding(
            "node.not-validator",
            Severity.WARNING,
            facts.own,
            f"{facts.own} has the role validator and its vote key is not in the validator set of "
            f"epoch {facts.epoch}",
            "the set of the next epoch may hold it; else compare its node address with the ledger",
            (("epoch", facts.epoch),),
        )
    else:
        yield Finding(
            "node.observer",
            Severity.INFO,
            facts.own,
            "this node follows and does not vote; it sees validators only by their connections",
            "ask a validator's node for more",
        )


def silence(facts: Facts) -> Iterator[Finding]:
    """wipe.silent: a node that lost its records does not vote for a while."""
    own = facts.consensus
    if own is None or own.silent_until is None:
        return
    if own.silent_until >= UNKNOWN_HEIGHT:
        seen = (
            f"this node lost its records and does not vote; how long is known once "
            f"{facts.quorum} validators sent their STATUS"
        )
        values: tuple[tuple[str, int | str], ...] = (("needed", facts.quorum),)
    else:
        left = max(0, own.silent_until - facts.finalized)
        pace_ms = left * facts.settings.heartbeat_ms
        seen = (
            f"this node lost its records and does not vote until block {own.silent_until} is "
            f"final: {blocks(left)} more, at most {duration(pace_ms)} when the alliance is idle"
        )
        values = (("until", own.silent_until), ("left", left), ("at_most_ms", pace_ms))
    yield Finding(
        "wipe.silent",
        Severity.WARNING,
        facts.own,
        seen,
        "nothing; do not wipe another node meanwhile, this one counts as failed",
        values,
    )


def epoch(facts: Facts) -> Iterator[Finding]:
    """epoch.ending: the validators or parameters change after a known block."""
    end = facts.epoch_end
    if not end or end < facts.finalized:
        return
    waits = facts.executed >= end
    what = (
        f"block {end}, its last, is executed and waits for its CHECKPOINT votes"
        if waits
        else f"it ends with block {end}, {blocks(end - facts.executed)} from now"
    )
    yield Finding(
        "epoch.ending",
        Severity.INFO,
        "",
        f"epoch {facts.epoch} is ending: {what}; nothing above is proposed before",
        "see height.checkpoint-missing if this lasts" if waits else "",
        (("epoch", facts.epoch), ("end", end)),
    )


def sync(facts: Facts) -> Iterator[Finding]:
    """Block sync: how far, how fast, from whom, and who lied."""
    if not facts.running:
        return
    if facts.sync is None:
        yield from _needs_sync(facts)
    else:
        yield _under_way(facts, facts.sync)
    for liar in facts.liars:
        if facts.now_ms - liar.at_ms < LIAR_SHOWN_MS:
            yield Finding(
                "sync.liar",
                Severity.WARNING,
                liar.member,
                f"{liar.member} served this node what certificates or hashes contradict and was "
                f"dropped: {liar.reason}",
                "ask its operator to run `bulwark fsck --full`",
                (("member", liar.member), ("reason", liar.reason), ("at_ms", liar.at_ms)),
                liar.at_ms,
            )


def _under_way(facts: Facts, found: SyncFacts) -> Finding:
    left = max(0, found.target - found.applied)
    pace = found.blocks_per_minute
    eta = f", about {duration(left * 60_000 // pace)} left" if pace and left else ""
    state = (
        f"; {found.state_values} state values, {found.per_second}/s"
        if found.phase == "state"
        else ""
    )
    source = f" from {found.peer}" if found.peer else ""
    idle_ms = 0 if found.moved_ms is None else facts.now_ms - found.moved_ms
    stalled = idle_ms > STALLED_MS
    return Finding(
        "sync.stalled" if stalled else "sync.running",
        Severity.CRITICAL if stalled else Severity.WARNING,
        facts.own,
        f"this node catches up ({found.phase}){source}: block {found.applied} of {found.target}, "
        f"{blocks(left)} behind{state or eta}"
        + (f"; no progress for {duration(idle_ms)}" if stalled else ""),
        "check the connections to other members and their versions" if stalled else "wait",
        (
            ("phase", found.phase),
            ("applied", found.applied),
            ("target", found.target),
            ("behind_blocks", left),
            ("blocks_per_minute", -1 if pace is None else pace),
            ("state_values", found.state_values),
            ("per_second", found.per_second),
            ("peer", found.peer),
        ),
        found.since_ms,
    )


def _needs_sync(facts: Facts) -> Iterator[Finding]:
    lag = facts.certified - facts.executed
    if lag >= BEHIND_BLOCKS:
        yield Finding(
            "sync.behind",
            Severity.WARNING,
            facts.own,
            f"this node executed block {facts.executed}, others are final at {facts.certified}: "
            f"{blocks(lag)} behind, and no sync runs yet",
            "it starts within seconds; if not, check connections",
            (("behind_blocks", lag),),
        )
