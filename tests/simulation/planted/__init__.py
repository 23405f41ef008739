"""Planted bugs: `python -m tests.simulation.planted [--bug ID]` runs them and prints the table."""

from __future__ import annotations

from tests.simulation.planted.bug import Catch, PlantedBug
from tests.simulation.planted.liveness import LIVENESS
from tests.simulation.planted.safety import SAFETY

BUGS: tuple[PlantedBug, ...] = (*SAFETY, *LIVENESS)

__all__ = ["BUGS", "Catch", "PlantedBug"]
