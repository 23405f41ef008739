"""A planted bug: a rule taken out of the core, and how the simulator is to notice.

Tests only: a bug is planted by exchanging functions and methods of `consensus` or `bulwark.ledger`
inside a `with` block; product code has no switch. A bug must be caught by a rule, in a fixed world
that passes without it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.simulation.options import Options
from tests.simulation.planted.seeds import SEEDS
from tests.simulation.world import World

CORE = ("consensus", "bulwark.ledger", "tests.simulation.world", "tests.simulation.following")


@dataclass(frozen=True)
class Swap:
    """One exchanged attribute of a class or module."""

    owner: Any
    name: str
    make: Callable[[Any], Any]
    """From the true attribute to the false one."""


@dataclass(frozen=True)
class Catch:
    """The world in which it shows: a seed of the swarm, or a plain one, with changes."""

    seed: int
    n: int = 4
    blocks: int = 20
    swarm: bool = True
    changes: dict[str, Any] = field(default_factory=dict)

    def options(self) -> Options:
        """The options of the world."""
        if self.swarm:
            options = Options.from_seed(self.seed, self.n, self.blocks)
        else:
            options = Options(n=self.n, blocks=self.blocks, seed=self.seed)
        return replace(options, **self.changes)

    def describe(self) -> str:
        """For the table."""
        base = "seed" if self.swarm else "plain seed"
        shown = {k: v for k, v in self.changes.items() if k not in ("config", *HONEST) or v}
        shown.pop("config", None)
        changes = ", ".join(f"{k}={v!r}" for k, v in shown.items())
        config = self.changes.get("config")
        return f"{base} {self.seed}, n {self.n}, {self.blocks} blocks" + (
            (f", {changes}" if changes else "") + (", own config" if config else "")
        )


HONEST: dict[str, Any] = {"byzantine": 0, "wipe": False, "rot_every_ms": 0, "down_at_end": 0}
UNSETTLED = Catch(0, blocks=12)
"""A world of the swarm as it comes."""


def liar(kind: str) -> Catch:
    """A world of the swarm with one adversary of a kind."""
    return Catch(0, blocks=12, changes={**HONEST, "byzantine": 1, "kinds": (kind,)})


def honest(blocks: int = 12, **changes: Any) -> Catch:
    """A world of the swarm without Byzantine nodes, with changes."""
    return Catch(0, blocks=blocks, changes={**HONEST, **changes})


@dataclass(frozen=True)
class PlantedBug:
    """One defect."""

    id: str
    pitfall: str
    """Row of the table in the consensus note, or the rule of docs/protocol.md."""
    breaks: str
    """One sentence: what is wrong."""
    swaps: tuple[Swap, ...]
    catch: Catch | Callable[[], None]
    """A world, its seed replaced by the one in `SEEDS`, or a function that raises."""

    @property
    def world(self) -> Catch | None:
        """The world with its fixed seed, None for a function."""
        if not isinstance(self.catch, Catch):
            return None
        return replace(self.catch, seed=SEEDS.get(self.id, self.catch.seed))

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The core has the bug inside this block."""
        with ExitStack() as stack:
            for swap in self.swaps:
                stack.enter_context(exchanged(swap))
            yield

    def run(self) -> None:
        """Do what should notice; raises whatever noticed."""
        world = self.world
        if world is not None:
            World(world.options()).run()
        elif not isinstance(self.catch, Catch):
            self.catch()

    def where(self) -> str:
        """What catches it, for the table."""
        world = self.world
        return getattr(self.catch, "__name__", "") if world is None else world.describe()


@contextmanager
def exchanged(swap: Swap) -> Iterator[None]:
    """Exchange an attribute where it is defined and wherever the core imported it by name."""
    true = swap.owner.__dict__[swap.name]
    false = swap.make(true)
    places = [swap.owner]
    if not isinstance(swap.owner, type):
        places += [
            module
            for name, module in sorted(sys.modules.items())
            if name.startswith(CORE) and module.__dict__.get(swap.name) is true
        ]
    for place in places:
        setattr(place, swap.name, false)
    try:
        yield
    finally:
        for place in places:
            setattr(place, swap.name, true)


def swap(owner: Any, name: str, make: Callable[[Any], Any]) -> tuple[Swap, ...]:
    """One exchange, as the tuple that a bug wants."""
    return (Swap(owner, name, make),)


def instead(owner: Any, name: str, new: Any) -> tuple[Swap, ...]:
    """One exchange that has no use for the true attribute."""
    return (Swap(owner, name, lambda _: new),)


def nothing(*_: object, **__: object) -> None:
    """Does nothing."""
