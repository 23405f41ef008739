"""One Twins scenario: 4 validators, a second process with the key of one of them, 3 partitions.

The five processes are slots 0..3 (validators) and slot 4 (the twin). A two-way partition is named
by the set of slots that are cut off from slot 0: the 16 subsets of {1, 2, 3, 4}. The empty set is
the whole net; as the two sides have no names, these are all S(5,1) + S(5,2) = 16 ways to split five
processes. 16^3 partitions of three rounds and 4 choices of the twin are 16,384 scenarios.

A round, under its partition, is `ROUND_MS` long and long enough for a view change:
*  at its begin a request reaches everybody; a side with a quorum and the proposer orders it, any
   other side runs into its timers and asks for the next view, twice if the first leader is absent;
*  a second request comes late, at a moment that differs from round to round, so that the partition
   changes while PREPAREs, COMMITs or CHECKPOINTs of it are in flight: a side is then prepared and
   not committed, or one side committed and the other not.
The twin's batches carry another time, so its proposals differ from those of its original: two
proposals of one key. Everything lost is lost; STATUS repairs what it can across rounds.

Then the net is whole again and must execute every request at every honest validator in time.
"""

from __future__ import annotations

from dataclasses import dataclass

from bulwark.ledger.batch import NULL_BATCH
from consensus.config import Config
from consensus.evidence import Evidence
from tests.scenarios.checks import Violation
from tests.scenarios.net import Net

VALIDATORS = 4
PARTITIONS = 16
ROUNDS = 3
LATENCY_MS = 10
ROUND_MS = 260
LATE_MS = (22, 32, 22, 42)
"""How long before the end of round r its second request comes, in turn: 22 ms cuts between the
PREPAREs and the COMMITs' arrival, 32 ms leaves the CHECKPOINTs in flight, 42 ms completes it."""
SETTLE_MS = 20_000
CONFIG = Config(
    checkpoint_interval=2,
    rotation=2,
    pipeline=2,
    base_timeout_ms=100,
    max_timeout_ms=800,
    heartbeat_ms=1_000_000,
    request_timeout_ms=400,
    status_interval_ms=120,
    retransmit_after_ms=40,
    peer_down_ms=20,
    sync_patience_ms=300,
    sync_retry_ms=400,
)
"""K = 2, so that blocks are executed and not yet stable when a view ends."""


@dataclass(frozen=True)
class Outcome:
    """What one scenario was like, for the counts that show it was worth running."""

    view_changes: bool
    """Some honest validator entered a view above 0 before the net was whole."""
    carried: bool
    """A NEW-VIEW had a prepared certificate to carry over."""
    nulls: bool
    """A null batch was ordered."""
    evidence: bool
    forked_proposals: bool
    """Both processes of the twin proposed for one height and view."""
    highest_view: int
    settled_ms: int
    """Time until everything was executed once the net was whole."""


def far_side(partition: int) -> frozenset[int]:
    """The slots cut off from slot 0."""
    return frozenset(slot for slot in range(1, VALIDATORS + 1) if partition >> (slot - 1) & 1)


class Cut:
    """A partition as the net asks for it."""

    def __init__(self, partition: int) -> None:
        self.far = far_side(partition)

    def __call__(self, a: int, b: int) -> bool:
        return (a in self.far) != (b in self.far)


def begin(twin: int) -> Net:
    """The five processes, started."""
    net = Net(VALIDATORS, CONFIG, latency_ms=LATENCY_MS, faulty=frozenset({twin}), twin_of=twin)
    net.machines[VALIDATORS].early_ms = 1
    net.start()
    return net


def play_round(net: Net, number: int, partition: int) -> None:
    """One round under its partition."""
    net.cut = Cut(partition) if partition else None
    end = net.now + ROUND_MS
    net.submit(b"tx %d early" % number)
    net.run(end - LATE_MS[number % len(LATE_MS)])
    net.submit(b"tx %d late" % number)
    net.run(end)


def settle(net: Net) -> Outcome:
    """The net is whole: all honest validators execute all requests; raises Violation."""
    shots = [m.replica.snapshot() for m in net.honest if m.replica]
    before = max(shot.active_view for shot in shots)
    carried = net.watch.carried > 0
    began = net.now
    net.cut = None
    net.submit(b"tx last")
    wanted = {tx for m in net.machines for tx in (*m.done, *m.mempool)}

    def done() -> bool:
        return all(len(m.done) == len(wanted) for m in net.honest)

    if not net.run(net.now + SETTLE_MS, done):
        raise Violation(f"liveness: {describe(net)}")
    evidence: list[Evidence] = net.watch.evidence
    return Outcome(
        view_changes=before > 0,
        carried=carried,
        nulls=any(b.batch == NULL_BATCH for m in net.honest for b in m.disk.blocks),
        evidence=bool(evidence),
        forked_proposals=net.watch.forked,
        highest_view=max(m.replica.snapshot().view for m in net.honest if m.replica),
        settled_ms=net.now - began,
    )


def describe(net: Net) -> str:
    """Where every process stands."""
    lines = []
    for machine in net.machines:
        if machine.replica is None:
            lines.append(f"{machine.slot} stopped: {machine.stopped}")
            continue
        shot = machine.replica.snapshot()
        lines.append(
            f"{machine.slot} view {shot.view}/{shot.active_view} {shot.status} executed "
            f"{shot.executed} stable {shot.stable} pending {shot.pending_requests} timers "
            + " ".join(f"{name}:{at - net.now}" for name, at in shot.timers)
        )
    return "\n  ".join(["", *lines])


def play(twin: int, partitions: tuple[int, ...]) -> Outcome:
    """One whole scenario from the start."""
    net = begin(twin)
    for number, partition in enumerate(partitions):
        play_round(net, number, partition)
    return settle(net)
