"""Byzantine validators for simulated worlds: seventeen kinds, each holding its own key only.

`make_adversary` makes one of a kind, or of a random one. The kinds `twin` and `amnesiac-twin` need
two nodes of one index: see `twins`.
"""

from __future__ import annotations

import random

from consensus.keyring import Keyring
from tests.simulation.adversaries.base import Adversary
from tests.simulation.adversaries.delivery import BodyWithholder, PartialSender, Silent, Slow
from tests.simulation.adversaries.mutator import Mutator
from tests.simulation.adversaries.proposals import BadBatch, ClockLiar, Equivocator, SeqJumper
from tests.simulation.adversaries.syncing import SyncLiar
from tests.simulation.adversaries.twins import AmnesiacTwin, Twin
from tests.simulation.adversaries.views import ForgedPrepared, ViewSpammer, WrongO
from tests.simulation.adversaries.votes import CheckpointLiar, DoubleVoter

_CLASSES: tuple[type[Adversary], ...] = (
    Silent, Slow, Equivocator, PartialSender, DoubleVoter, ForgedPrepared, WrongO, SeqJumper,
    BodyWithholder, ClockLiar, CheckpointLiar, SyncLiar, ViewSpammer, Mutator, Twin, AmnesiacTwin,
    BadBatch,
)  # fmt: skip
_BY_KIND = {cls.KIND: cls for cls in _CLASSES}

KINDS: tuple[str, ...] = tuple(_BY_KIND)
"""The sixteen of the plan, and `bad-batch`."""
TWINS: tuple[str, ...] = (Twin.KIND, AmnesiacTwin.KIND)
"""Kinds that need two nodes of one index."""


def make_adversary(
    rng: random.Random, n: int, index: int, keyring: Keyring, kind: str | None = None
) -> Adversary:
    """An adversary of a kind, of a random one if None; raises KeyError for an unknown kind."""
    chosen = rng.choice(KINDS) if kind is None else kind
    return _BY_KIND[chosen](rng, n, index, keyring)


__all__ = ["KINDS", "TWINS", "Adversary", "make_adversary"]
