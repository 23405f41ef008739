"""The targets by name."""

from __future__ import annotations

from tests.fuzz.target import Target
from tests.fuzz.targets.ledger import Ledger
from tests.fuzz.targets.messages import Messages

TARGETS: dict[str, type[Target]] = {made.name: made for made in (Messages, Ledger)}
