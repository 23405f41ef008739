"""Rules about the height that is being made: which phase it is in and whose message is missing.

Rules owned: height.no-proposal, height.own-proposal, height.refused, height.untimely,
height.no-body, height.prepare-missing, height.commit-missing, height.executing,
height.checkpoint-missing, height.checkpoint-differs, height.heartbeat-overdue. A phase is named
only when work waits longer than a block may take.
"""

from __future__ import annotations

from collections.abc import Iterator

from node.diagnosis.facts import ConsensusFacts, Facts, SlotFacts
from node.diagnosis.finding import Finding, Severity
from node.diagnosis.words import duration, some


def patience_ms(facts: Facts) -> int:
    """How long a block may take before somebody is named for it."""
    return facts.settings.base_timeout_ms


def phase(facts: Facts) -> Iterator[Finding]:
    """The phase of the first height that is not executed, while it takes too long."""
    own = facts.consensus
    waited_ms = facts.waiting_ms
    if own is None or not facts.running or own.changing or own.syncing:
        return
    if waited_ms is None or waited_ms < patience_ms(facts):
        return
    first = facts.executed + 1
    slot = next((slot for slot in own.slots if slot.height == first), None)
    if own.executing is not None:
        yield _executing(facts, own.executing, waited_ms)
    elif slot is None or slot.phase == "empty":
        yield _no_proposal(facts, own, waited_ms)
    else:
        yield from _voting(facts, slot, waited_ms)


def _no_proposal(facts: Facts, own: ConsensusFacts, waited_ms: int) -> Finding:
    height, name = facts.executed + 1, facts.name(own.proposer)
    values = (("height", height), ("view", own.view), ("waiting_ms", waited_ms))
    if own.proposer == own.me:
        return Finding(
            "height.own-proposal",
            Severity.WARNING,
            facts.own,
            f"block {height}, view {own.view}: this node proposes and has not for "
            f"{duration(waited_ms)}",
            "look at this node's log for proposals that failed and at its CPU and disk",
            values,
        )
    peer = facts.member(name)
    reach = "" if peer is None or facts.hears(peer) else " (it is not heard)"
    return Finding(
        "height.no-proposal",
        Severity.WARNING,
        name,
        f"block {height}, view {own.view}: no proposal from {name}{reach} for "
        f"{duration(waited_ms)}; {own.pending} transactions wait",
        f"the view changes after {duration(own.timeout_ms)}; if it does not, look at {name}",
        values,
    )


def _voting(facts: Facts, slot: SlotFacts, waited_ms: int) -> Iterator[Finding]:
    where = f"block {slot.height}, view {facts.consensus.view if facts.consensus else 0}"
    proposer = facts.name(facts.consensus.proposer) if facts.consensus else ""
    if slot.phase == "refused":
        yield Finding(
            "height.refused",
            Severity.WARNING,
            proposer,
            f"{where}: this node refused the proposal: {slot.refusal or 'no reason kept'}",
            "the view changes to another proposer; if this comes again, its node is faulty",
            (("height", slot.height), ("reason", slot.refusal)),
        )
        return
    if not slot.timely:
        yield Finding(
            "height.untimely",
            Severity.WARNING,
            proposer,
            f"{where}: the proposal's time is too far from this node's clock",
            "compare both clocks (findings clock.own and clock.peer) and run NTP",
            (("height", slot.height),),
        )
    if not slot.has_body:
        yield Finding(
            "height.no-body",
            Severity.WARNING,
            facts.own,
            f"{where}: the batch behind the votes is not here for {duration(waited_ms)}",
            "it is asked for again at every peer; check the connections of this node",
            (("height", slot.height), ("waiting_ms", waited_ms)),
        )
    yield from _votes_missing(facts, slot, where, waited_ms)


def _votes_missing(facts: Facts, slot: SlotFacts, where: str, waited_ms: int) -> Iterator[Finding]:
    if slot.phase not in ("proposed", "prepared"):
        return
    prepared = slot.phase == "prepared"
    have, word = (slot.commits, "COMMIT") if prepared else (slot.prepares, "PREPARE")
    absent = [name for i, name in enumerate(facts.validators) if i not in have]
    yield Finding(
        "height.commit-missing" if prepared else "height.prepare-missing",
        Severity.WARNING,
        "",
        f"{where}: {len(have)} of {facts.quorum} needed {word} votes for {duration(waited_ms)}; "
        f"none from {some(absent)}",
        f"look at {some(absent)}: down, cut off, behind, in another view, or without the batch",
        (
            ("height", slot.height),
            ("votes", len(have)),
            ("needed", facts.quorum),
            ("missing", " ".join(absent)),
            ("waiting_ms", waited_ms),
        ),
    )


def _executing(facts: Facts, height: int, waited_ms: int) -> Finding:
    return Finding(
        "height.executing",
        Severity.WARNING,
        facts.own,
        f"block {height} is ordered and not executed here for {duration(waited_ms)}",
        'either its sidecars are missing (log: "sidecar missing") or this machine is too slow: '
        "look at CPU, disk and the log",
        (("height", height), ("waiting_ms", waited_ms)),
    )


def checkpoints(facts: Facts) -> Iterator[Finding]:
    """Votes over the last executed block: missing ones delay finality, differing ones are grave."""
    own = facts.consensus
    if own is None or not facts.running:
        return
    for slot in own.slots:
        if slot.dissent:
            names = [facts.name(i) for i in slot.dissent]
            yield Finding(
                "height.checkpoint-differs",
                Severity.CRITICAL,
                some(names),
                f"block {slot.height}: {some(names)} executed it to another result than this node",
                "compare software versions; run `bulwark fsck --full` on both nodes",
                (("height", slot.height), ("members", " ".join(names))),
            )
        if not _waits_for_checkpoint(facts, slot):
            continue
        absent = [name for i, name in enumerate(facts.validators) if i not in slot.checkpoints]
        yield Finding(
            "height.checkpoint-missing",
            Severity.WARNING,
            "",
            f"block {slot.height} is executed and not final: {len(slot.checkpoints)} of "
            f"{facts.quorum} needed CHECKPOINT votes; none from {some(absent)}",
            f"look at {some(absent)}: they have not executed the block or are not heard",
            (
                ("height", slot.height),
                ("votes", len(slot.checkpoints)),
                ("needed", facts.quorum),
                ("missing", " ".join(absent)),
            ),
        )


def _waits_for_checkpoint(facts: Facts, slot: SlotFacts) -> bool:
    if slot.phase != "executed" or slot.height != facts.executed:
        return False
    late = facts.idle_ms >= max(patience_ms(facts), 2 * facts.settings.status_interval_ms)
    return slot.height > facts.finalized and bool(slot.checkpoints) and late


def heartbeat(facts: Facts) -> Iterator[Finding]:
    """height.heartbeat-overdue: even an idle alliance makes a block now and then."""
    due_ms = facts.settings.heartbeat_ms + 2 * facts.settings.base_timeout_ms + 1_000
    if not facts.running or facts.waiting_ms is not None or facts.idle_ms <= due_ms:
        return
    own = facts.consensus
    name = "" if own is None else facts.name(own.proposer)
    yield Finding(
        "height.heartbeat-overdue",
        Severity.WARNING,
        name,
        f"no block for {duration(facts.idle_ms)}; an idle alliance makes one every "
        f"{duration(facts.settings.heartbeat_ms)}"
        + (f", {name} is next to propose" if name else ""),
        "see the findings about members and the quorum"
        + (f"; else look at {name}" if name else ""),
        (("idle_ms", facts.idle_ms), ("heartbeat_ms", facts.settings.heartbeat_ms)),
    )
