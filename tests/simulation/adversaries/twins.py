"""Twins: two replicas with one key behave together as one Byzantine validator (DiemBFT's Twins).

No code is written for the attack: equivocation, double votes and forgetting come from unmodified
replicas that do not know of each other. What the world does with it:

* For an index whose adversary has `is_twin`, the world builds two nodes, halves 0 and 1, with the
  same index and key, each with a disk, replica and mempool of its own. Both are Byzantine.
* A message from validator p to the index reaches half `h` if `adversary.hears(h, p, now_ms)`;
  what half `h` sends reaches p if the same holds. Over time every p talks to either or both.
  The halves never hear each other.
* `outgoing` passes everything on; it is called for both halves, and both may be replayed.
* A kind that `forgets` (`amnesiac-twin`) is asked `forget_after_ms()` for each half at every start:
  after that time the world crashes the half, deletes its consensus records (its blocks stay), and
  starts it again without `wiped`: as an operator does who restores a backup that is too old and
  does not say so. None means that this half keeps its memory.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, ClassVar

from consensus.keyring import Keyring
from tests.simulation.adversaries.base import Adversary

if TYPE_CHECKING:
    from tests.simulation.node import SimNode
    from tests.simulation.world import World

HALVES = (0, 1)


class Twin(Adversary):
    """Two replicas with one key."""

    KIND: ClassVar[str] = "twin"
    is_twin: ClassVar[bool] = True

    def __init__(self, rng: random.Random, n: int, index: int, keyring: Keyring) -> None:
        super().__init__(rng, n, index, keyring)
        self._turn_ms = rng.choice([700, 2_500, 10_000])
        self._salt = rng.randrange(1 << 30)
        self.lies = 1

    def hears(self, half: int, peer: int, now_ms: int) -> bool:
        """Whether a half and another validator are connected now."""
        turn = now_ms // self._turn_ms
        mixed = (turn * 7919 + peer * 104_729 + self._salt) * 2_654_435_761
        drawn = mixed >> 16 & 7
        return drawn == 0 or drawn % 2 == half

    def forget_after_ms(self, half: int) -> int | None:
        """How long this half remembers its votes; None: for ever."""
        return None


class AmnesiacTwin(Twin):
    """Two replicas with one key, of which one loses its records again and again."""

    KIND: ClassVar[str] = "amnesiac-twin"

    def forget_after_ms(self, half: int) -> int | None:
        """Half 1 forgets after a while."""
        return self.rng.randint(500, 4_000) if half else None


def reached(world: World, node: SimNode, receiver: int) -> list[SimNode]:
    """Which replicas a message of `node` reaches in a world with twins."""
    twin = world.byzantine.get(node.index)
    if isinstance(twin, Twin) and not twin.hears(node.half, receiver, world.now):
        return []
    twin = world.byzantine.get(receiver)
    if not isinstance(twin, Twin):
        return [world.nodes[receiver]]
    both = (world.nodes[receiver], world.halves[receiver])
    return [half for half in both if twin.hears(half.half, node.index, world.now)]
