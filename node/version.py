"""The version of the installed product, and the highest protocol level that it knows.

Rules: `BULWARK_KNOWN_LEVEL` in the environment lowers the level, never raises it, so that an
operator can rehearse an upgrade with nodes that act as older builds; what is no number is refused.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from bulwark.ledger.features import HIGHEST_LEVEL

KNOWN_LEVEL_VARIABLE: Final = "BULWARK_KNOWN_LEVEL"


class KnownLevelInvalid(Exception):
    """The environment asks for a level that is none."""


@cache
def product_version() -> str:
    """Version of the installed package; "unknown" where the sources run uninstalled."""
    try:
        return version("bulwark")
    except PackageNotFoundError:
        return "unknown"


def known_level() -> int:
    """The highest protocol level that this node knows. Raises KnownLevelInvalid."""
    wanted = os.environ.get(KNOWN_LEVEL_VARIABLE, "")
    if not wanted:
        return HIGHEST_LEVEL
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) <= 5):
        raise KnownLevelInvalid(
            f"{KNOWN_LEVEL_VARIABLE} in the environment: a level of 0 to {HIGHEST_LEVEL} is needed"
        )
    return min(HIGHEST_LEVEL, int(wanted))
