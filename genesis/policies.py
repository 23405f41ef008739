"""Policies of a new alliance: which documents are in force from its first block on.

Rules: `[policies]` of a description names shipped policies by title and files by a path that ends
in .json, relative to the description; `default` is what the zero id stands for, the shipped one
where it is left out; a file may be spelt as a person writes JSON, its canonical form is what
counts. No title and no document is there twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bulwark.ledger import jsonfields as jf
from bulwark.policies.document import Policy, PolicyInvalid, canonical, parse_policy
from bulwark.policies.library import DEFAULT_TITLE, TITLES, shipped
from contracts.policies import MAX_GENESIS_POLICIES

MAX_FILE_BYTES: Final = 32_768
MAX_NAME_CHARS: Final = 4_096


def shipped_policies(titles: Sequence[str] = (DEFAULT_TITLE,)) -> tuple[bytes, ...]:
    """Documents of shipped policies, the first is the default."""
    return tuple(shipped(title).document for title in titles)


def read_policies(value: object, folder: Path) -> tuple[bytes, ...]:
    """Documents that the table `[policies]` names, the default first. Raises FieldInvalid."""
    table = jf.mapping(value, "policies")
    for name in table.keys() - {"default", "adopted"}:
        raise jf.FieldInvalid(f"policies.{name[:64]}", "is unknown; known here: default, adopted")
    default = _policy(table.get("default", DEFAULT_TITLE), "policies.default", folder)
    others = jf.items(
        table.get("adopted", []),
        "policies.adopted",
        MAX_GENESIS_POLICIES - 1,
        lambda item, path: _policy(item, path, folder),
    )
    found = (default, *others)
    if len({policy.title for policy in found}) != len(found):
        raise jf.FieldInvalid("policies.adopted", "two policies have one title")
    return tuple(policy.document for policy in found)


def _policy(value: object, path: str, folder: Path) -> Policy:
    name = jf.text(value, path, MAX_NAME_CHARS)
    if name in TITLES:
        return shipped(name)
    if not name.endswith(".json"):
        raise jf.FieldInvalid(
            path, f"{name[:64]!r} is none of {', '.join(TITLES)}, and no path to a .json file"
        )
    try:
        with (folder / name).open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise jf.FieldInvalid(path, f"{name[:64]!r}: {error.strerror}") from error
    try:
        return parse_policy(canonical(data))
    except PolicyInvalid as error:
        raise jf.FieldInvalid(path, f"{name[:64]!r}: {error}") from error
