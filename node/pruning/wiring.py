"""Puts pruning of a running node together."""

from __future__ import annotations

from collections.abc import Callable

from node.ground import Ground
from node.pruning.keeper import Keeper


def make_keeper(ground: Ground, is_home: Callable[[], bool]) -> Keeper:
    """The keeper of a running node; `is_home`: it is not on its way back from a backup."""
    config = ground.home.config
    return Keeper(
        ground.store,
        ground.durability,
        ground.home.path / config.storage.path,
        config.pruning,
        lambda: is_home() and ground.sync.target is None and ground.halted() is None,
        ground.clock.wall_ms,
    )
