"""Keys and terms of a test net, in the simulator's cheap signature scheme.

The scheme goes through the seams `Terms.check` and `Keyring`, so the protocol's checks run as in
production. Nothing here forges: who may sign with whose key is the scenario runner's affair.
"""

from __future__ import annotations

from functools import lru_cache

from bulwark.ledger.ids import Height
from consensus.terms import GENESIS, Terms
from tests.simulation.alliance import Crowd, FastKeyring

CROWD = Crowd()
"""All keys of all nets; a copied net brings its own copy along."""


@lru_cache
def make_terms(n: int, window: int, epoch: int = 0, start: Height = GENESIS) -> Terms:
    """The terms of an epoch with the validators 0 to n - 1."""
    return CROWD.terms(epoch, (0,) * n, window, start)


def make_keyring(member: int, terms: Terms) -> FastKeyring:
    """The key of a validator in an epoch."""
    return CROWD.keyring(member, 0, terms.domain.epoch)
