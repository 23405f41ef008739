"""Times of recovery, measured on real processes: median and worst of many.

Rules: the net has the product's default consensus parameters, as an operator would run it; each
round waits until all nodes are in step again.
"""

from __future__ import annotations

import compileall
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bulwark.ledger.genesis import ConsensusParameters
from tests.nets import checks
from tests.nets.load import Load
from tests.nets.manifest import LoadProfile, Manifest
from tests.nets.net import Net

Tell = Callable[[str], None]
RECOVER_S = 40.0
ROOT = Path(__file__).parents[2]
PACKAGES = ("api", "bulwark", "consensus", "contracts", "genesis", "node")


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of all rounds."""

    what: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Of all rounds."""
        return statistics.median(self.seconds)

    @property
    def worst(self) -> float:
        """Of all rounds."""
        return max(self.seconds)

    def line(self) -> str:
        """One line for people."""
        return (
            f"{self.what}: median {self.median:.2f} s, worst {self.worst:.2f} s, "
            f"best {min(self.seconds):.2f} s of {len(self.seconds)}"
        )


def with_bytecode() -> None:
    """Compile what changed: an installed node starts from bytecode, and one that compiles is late.

    An environment with PYTHONDONTWRITEBYTECODE leaves a checkout's bytecode stale for ever.
    """
    for package in PACKAGES:
        compileall.compile_dir(ROOT / package, quiet=2)


def default_manifest(name: str) -> Manifest:
    """Four validators with the parameters that `genesis new` gives, all of them reporting.

    Only `rotation` is out of reach: then the proposer is the leader of the view, which REST shows.
    """
    given = ConsensusParameters(rotation=1 << 20)
    return Manifest(
        name=name,
        consensus={field: getattr(given, field) for field in given.__struct_fields__},
        load=LoadProfile(members=("bank-a", "telco-b", "bank-c", "telco-d"), pause_ms=20),
    )


def until_loaded(load: Load, answers: int = 8) -> None:
    """Until clients got that many acknowledgements."""
    checks.until(lambda: len(load.acknowledged) >= answers, "load runs", RECOVER_S)


def proposer_kill(folder: Path, times: int, tell: Tell) -> Times:
    """SIGKILL of the proposer under load, until the others have their next block."""
    found = []
    with_bytecode()
    with Net(default_manifest("proposer kill"), folder) as net:
        net.start(net.names)
        net.until_ready(net.names)
        for number in range(times):
            with Load(net.access, net.manifest.load) as load:
                until_loaded(load)
                found.append(_kill_proposer(net))
                load.ask_to_stop()
            tell(f"round {number + 1} of {times}: {found[-1]:.2f} s")
            _whole_again(net)
    return Times("proposer kill -> next block", tuple(found))


def _kill_proposer(net: Net) -> float:
    """Seconds from the kill to the first block of a later view at another node."""
    voters = net.manifest.voters
    seen = checks.look(net.access, voters)
    view = max(one.view for one in seen.values() if one is not None and one.view is not None)
    victim = voters[view % len(voters)]
    witness = net.access[voters[(view + 1) % len(voters)]]
    net.kill([victim])
    began = time.monotonic()
    # What was ordered before the kill is still executed; the outage ends behind it.
    last_old: int | None = None
    while time.monotonic() - began < RECOVER_S:
        one = witness.seen()
        if one.view is not None and one.view > view:
            if last_old is None:
                last_old = one.executed
            elif one.executed > last_old:
                return time.monotonic() - began
        time.sleep(0.005)
    raise checks.CheckFailed(f"no block within {RECOVER_S:.0f} s after {victim} was killed")


def _whole_again(net: Net) -> None:
    """All nodes run and have a new block."""
    net.start(net.names)
    net.until_ready(net.names)
    with Load(net.access, net.manifest.load):
        checks.until_above(net.access, net.names, checks.tip(net.access, net.names), RECOVER_S)
        checks.views_settle(net.access, net.manifest.voters, RECOVER_S)


def all_kill(folder: Path, times: int, tell: Tell) -> Times:
    """SIGKILL of all under load, then all started: from the last start to the next block."""
    found = []
    with_bytecode()
    with Net(default_manifest("all killed"), folder) as net:
        net.start(net.names)
        net.until_ready(net.names)
        for number in range(times):
            with Load(net.access, net.manifest.load) as load:
                until_loaded(load)
                height = checks.tip(net.access, net.names)
                net.kill(net.names)
                load.ask_to_stop()
                net.start(net.names, wait=False)
                began = time.monotonic()
            with Load(net.access, net.manifest.load):
                checks.first_above(net.access, net.names, height, RECOVER_S)
                found.append(time.monotonic() - began)
            tell(f"round {number + 1} of {times}: {found[-1]:.2f} s")
            _whole_again(net)
    return Times("kill -9 of all under load: last start -> next block", tuple(found))
