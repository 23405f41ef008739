"""Protocol features: the closed list of rules that a vote turns on at a height, for all nodes.

Rules owned: U1 the level in force on a height is the governed parameter `protocol_level` of its
epoch, 0 where no vote set one; U2 a feature is on in every epoch whose level is at least its own,
and a level is never lowered; U3 a build that does not know a level neither votes nor executes under
it. The level is covered by the parameters hash in the header that ends an epoch, so who holds the
parameters can prove it. Nothing here has state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

PROTOCOL_LEVEL: Final = "protocol_level"
"""Name of the governed parameter."""
MAX_LEVEL: Final = 65_535
MAX_TRANSACTION_GAS: Final = 1 << 24
"""Most gas of one transaction from TRANSACTION_GAS_CAP on, as EIP-7825 has it."""


class Feature(Struct, frozen=True):
    """One change of the protocol's rules."""

    level: int
    """Least protocol level under which it is on; its id."""
    name: str
    since: str
    """First version of the product that knows it."""
    changes: str
    """What it changes, in one sentence."""

    def is_on(self, level: int) -> bool:
        """U2: whether it is on under a protocol level. Off by default: level 0 has no feature."""
        return level >= self.level


TRANSACTION_GAS_CAP: Final = Feature(
    level=1,
    name="transaction-gas-cap",
    since="0.1.0",
    changes=(
        "a transaction may ask for at most 16,777,216 gas (EIP-7825), however much a block has, so "
        "that none keeps a block, and the votes on it, waiting for all of its gas"
    ),
)
FEATURES: Final = (TRANSACTION_GAS_CAP,)
"""All features, by level, one a level from 1 without a gap."""
HIGHEST_LEVEL: Final = FEATURES[-1].level
"""The highest level that this code knows."""


def level_of(parameters: Mapping[str, int]) -> int:
    """U1: the level of an epoch from its governed parameters."""
    return parameters.get(PROTOCOL_LEVEL, 0)


def features_at(level: int) -> tuple[Feature, ...]:
    """Features that are on under a level, as far as this build knows it."""
    return tuple(feature for feature in FEATURES if feature.is_on(level))


def transaction_gas(level: int, block_gas: int) -> int:
    """Most gas that one transaction may ask for in a block with this gas limit."""
    return min(block_gas, MAX_TRANSACTION_GAS) if TRANSACTION_GAS_CAP.is_on(level) else block_gas
