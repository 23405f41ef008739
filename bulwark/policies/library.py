"""The policies that ship with the product, as JSON documents beside this file.

Rules: a shipped document is read once and checked like any other; its id follows from its bytes, so
an alliance that adopts one keeps it even where a later version of the product ships another text.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

from bulwark.policies.document import Policy, canonical, parse_policy

DEFAULT_TITLE: Final = "alliance-default"
TITLES: Final = (DEFAULT_TITLE, "eu-psr-83", "cn-anti-fraud", "telecom-signals")
"""Titles of the shipped policies; each is the name of its file too."""


@cache
def shipped(title: str) -> Policy:
    """A shipped policy. Raises KeyError for a title that none has."""
    if title not in TITLES:
        raise KeyError(title)
    folder = resources.files("bulwark.policies") / "shipped"
    return parse_policy(canonical((folder / f"{title}.json").read_bytes()))
