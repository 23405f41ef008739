"""What a check of a store comes to: problems, the report, and the walk over one state.

Rules: it reads only; what is wrong is told to whoever called, and the walk goes on behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Height
from bulwark.ledger.trie import EMPTY_TRIE_ROOT
from node.execution.accounts import EMPTY_CODE_HASH
from node.execution.nodes import decode_node
from node.storage import schema
from node.storage.port import ReadView
from node.sync.walk import below

Note = Callable[[str, str], None]
"""Told (where, reason)."""
Progress = Callable[[Height, Height], None]
"""Told (height, last height) now and then."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it should be."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class FsckReport:
    """What was looked at and what was found."""

    height: Height
    """Last executed block."""
    finalized: Height
    """Highest stored finality certificate."""
    records: int
    """Records on the ledger, erased ones included."""
    erased: int
    executed_again: bool
    """True in full mode."""
    problems: tuple[Problem, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


def walk_state(view: ReadView, root: bytes, note: Note) -> None:
    """Every value below a state root is there with the content that its hash says."""
    wanted = [(root, True, False)]
    seen: set[bytes] = {EMPTY_TRIE_ROOT, EMPTY_CODE_HASH}
    while wanted:
        value_hash, is_account, is_code = wanted.pop()
        if value_hash in seen:
            continue
        seen.add(value_hash)
        key = schema.state(value_hash)
        value = view.get(key)
        if value is None or keccak256(value) != value_hash:
            note(f"key {key.hex()}", "a state node is missing or has changed")
        elif is_code and view.get(schema.code_mark(value_hash)) is None:
            note(f"key {key.hex()}", "a code is not marked as one")
        elif not is_code:
            wanted += below(decode_node(value), is_account)
