"""Rekeying: brings what is stored to the vault and index key of the keystore, before a node runs.

Rules: the database says itself which keys its rows are under, so it makes no difference when the
keystore was changed, or which backup either comes from. Every row is moved twice: under the keys to
come into a place aside, then, when none is left, back to where rows stand; each move is a write
that puts the new row and deletes the old one. So a row is never under both keys in one place, a cut
at any moment loses nothing, and the same call goes on where it was. What is open for a node is
never half rekeyed, since the node waits for the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from node.rotation.keyline import MARK_BYTES, generations, mark_of
from node.rotation.rekeynote import Progress
from node.rotation.rekeytables import TABLES, Move, Table
from node.storage.errors import StorageError
from node.storage.port import KeyValueStore, after_prefix
from node.storage.schema import META_REKEYED, META_REKEYING, META_STAGED
from node.storage.seal import seal, unseal

ROWS: Final = 256
"""Rows of one write."""
_ASIDE, _BACK = 1, 2


class KeyOfRowsMissing(StorageError):
    """The database is under a key that the keystore does not have."""

    def __init__(self, kind: str, mark: bytes) -> None:
        super().__init__(
            f"the database is under the {kind} key {mark.hex()}, which the keystore does not have; "
            "put back a keystore of the same node that has it (bulwark key status)"
        )


Tell = Callable[[Progress], None]


def rekey(
    store: KeyValueStore,
    vault: bytes,
    index: bytes,
    tell: Tell = lambda progress: None,
    tables: tuple[Table, ...] = TABLES,
) -> Progress:
    """Bring every row to the keys of now; at once done when they are.

    `vault` and `index`: the lines of the keystore. Raises KeyOfRowsMissing, StoreDamaged,
    StoreWriteFailed.
    """
    lines = generations(vault), generations(index)
    marks = [[mark_of(key) for key in line] for line in lines]
    held = store.get(META_REKEYED)
    now = _Marks.read(unseal(META_REKEYED, held)) if held else _Marks(marks[0][0], marks[1][0])
    last = _Marks(marks[0][-1], marks[1][-1])
    unreadable = moves = 0
    while now != last or store.get(META_REKEYING) is not None or held is None:
        begun = store.get(META_REKEYING)
        state = b"" if begun is None else unseal(META_REKEYING, begun)
        target = last if begun is None else _Marks.read(state)
        phase = _ASIDE if begun is None else state[-1]
        move = Move.of_lines(lines, now.positions(marks), target.positions(marks))
        work = _Work(store, move, target, tell, tables)
        if now != target:
            work.count(phase)
        if phase == _ASIDE and now != target:
            work.aside()
        work.back()
        now, held, unreadable = target, b"done", unreadable + move.unreadable
        moves += work.moved
    marks_now = last.vault.hex(), last.index.hex()
    return Progress(*marks_now, moves, moves, unreadable, is_done=True)


class _Marks(Struct, frozen=True):
    """Marks of the vault key and of the index key."""

    vault: bytes
    index: bytes

    @classmethod
    def read(cls, value: bytes) -> _Marks:
        return cls(value[:MARK_BYTES], value[MARK_BYTES : 2 * MARK_BYTES])

    @property
    def value(self) -> bytes:
        return self.vault + self.index

    def positions(self, marks: list[list[bytes]]) -> tuple[int, int]:
        """Where they are in the two lines. Raises KeyOfRowsMissing."""
        for kind, mark, known in zip(
            ("vault", "index"), (self.vault, self.index), marks, strict=True
        ):
            if mark not in known:
                raise KeyOfRowsMissing(kind, mark)
        return marks[0].index(self.vault), marks[1].index(self.index)


class _Work:
    """One pass over the rows, from one pair of keys to another."""

    def __init__(
        self,
        store: KeyValueStore,
        move: Move,
        target: _Marks,
        tell: Tell,
        tables: tuple[Table, ...],
    ) -> None:
        self._store, self._move, self._target = store, move, target
        self._tell, self._tables = tell, tables
        self._rows = self.moved = 0
        self._puts: dict[bytes, bytes | None] = {}
        self._waiting = 0

    def count(self, phase: int) -> None:
        """Count the moves there are, and those that were made before a cut."""
        here = sum(1 for table in self._tables for _ in self._store.iterate(table.prefix))
        staged = sum(1 for _ in self._store.iterate(META_STAGED))
        self._rows = 2 * (here + staged)
        self.moved = staged + (2 * here if phase == _BACK else 0)

    def aside(self) -> None:
        """Every row, under the keys to come, into the place aside."""
        self._say(_ASIDE)
        for table in self._tables:
            for key, value in self._store.iterate(table.prefix):
                new, changed = table.moved(self._move, key, value)
                self._put({key: None, META_STAGED + new: changed})
        self._flush()
        self._say(_BACK)

    def back(self) -> None:
        """Every row from aside to where rows stand; then the database is under the new keys."""
        for staged, value in self._store.iterate(META_STAGED):
            self._put({staged: None, staged[len(META_STAGED) :]: value})
        self._flush()
        done = seal(META_REKEYED, self._target.value)
        self._store.write({META_REKEYED: done, META_REKEYING: None}, sync=True)
        if self.moved:
            for first in sorted({table.prefix[:1] for table in self._tables} | {META_STAGED}):
                self._store.compact(first, after_prefix(first) or b"\xff" * 8)

    def _say(self, phase: int) -> None:
        """Begin a phase: durable, and all that was moved before it."""
        value = self._target.value + bytes([phase])
        self._store.write({META_REKEYING: seal(META_REKEYING, value)}, sync=True)

    def _put(self, puts: dict[bytes, bytes | None]) -> None:
        self._puts |= puts
        self.moved += 1
        self._waiting += 1
        if self._waiting == ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._puts:
            self._store.write(self._puts, sync=False)
        self._puts, self._waiting = {}, 0
        marks = self._target.vault.hex(), self._target.index.hex()
        self._tell(Progress(*marks, self.moved, self._rows, self._move.unreadable))
