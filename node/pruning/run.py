"""One run of pruning: what would go, what went, and how many bytes the disk got back.

Rules: a run is a sequence of short steps, so that it can be done between the votes of a running
node or in one go on a stopped one; what is promised is measured before (`measure`), and what was
given back is the difference of the database's files before and after their compaction. A promise is
the logical bytes that go, times how much of the disk a logical byte of that kind of key takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from node.pruning.bodies import BodyPruning
from node.pruning.duties import Floor, body_floor, state_floor
from node.pruning.settings import PruningConfig
from node.pruning.states import StateSweep
from node.storage import blocks, schema
from node.storage.port import KeyValueStore, after_prefix

LOW: Final = schema.META + b"\x00sweep"
HIGH: Final = b"\xfe" + b"\xff" * 7
"""Keys below and above every other: see `node.erasure.scrubber`."""
ROUNDS: Final = 2
STEP: Final = 64
"""Blocks that a floor has to rise before a running node prunes again."""
SLICES: Final = 16
"""Parts of a large kind of keys that are compacted one after another."""
LARGE: Final = frozenset((schema.STATE, schema.TRANSACTIONS, schema.SIDECARS))
BODIES: Final = (
    schema.BATCHES, schema.RECEIPTS, schema.COMMIT_CERTIFICATES, schema.TRANSACTIONS,
    schema.SIDECARS,
)  # fmt: skip


@dataclass(slots=True)
class Figures:
    """What a run found or did."""

    body_floor: Floor
    state_floor: Floor
    blocks: int = 0
    blocks_kept: int = 0
    sidecars: int = 0
    states: int = 0
    """Trie nodes."""
    bytes: dict[bytes, int] = field(default_factory=dict)
    """Logical bytes by the first byte of the key."""
    promised: int = 0
    """Bytes that the disk should get back."""

    @property
    def is_nothing(self) -> bool:
        """Whether nothing is to go."""
        return not any(self.bytes.values())


class PruningRun:
    """A run over one store."""

    def __init__(
        self, store: KeyValueStore, config: PruningConfig, now_ms: int, *, is_dry: bool
    ) -> None:
        """Raises StoreDamaged."""
        self._store = store
        self._is_dry = is_dry
        self.figures = Figures(body_floor(store, config, now_ms), state_floor(store, config))

    def steps(self) -> Iterator[None]:
        """Do it, giving way after each short step. Raises StoreDamaged, StoreWriteFailed."""
        figures = self.figures
        if figures.body_floor.height or blocks.read_pruned_from(self._store):
            floor = max(figures.body_floor.height, blocks.read_pruned_from(self._store))
            bodies = BodyPruning(self._store, floor, is_dry=self._is_dry)
            while not bodies.step():
                yield
            figures.blocks, figures.blocks_kept = bodies.blocks, bodies.kept
            figures.sidecars = bodies.sidecars
            figures.bytes |= bodies.bytes
        if is_sweep_due(self._store, figures.state_floor):
            sweep = StateSweep(self._store, figures.state_floor.height)
            while not (sweep.measure() if self._is_dry else sweep.step()):
                yield
            figures.states = sweep.deleted
            figures.bytes[schema.STATE] = sweep.bytes
        figures.promised = sum(
            round(size * self._disk_share(prefix)) for prefix, size in figures.bytes.items()
        )

    def _disk_share(self, prefix: bytes) -> float:
        """Bytes of disk a logical byte of this kind takes; 1 where too little is in tables."""
        if not self._is_dry:
            return 1.0  # a promise is made before; nobody scans all keys of a running node
        logical = sum(len(key) + len(value) for key, value in self._store.iterate(prefix))
        on_disk = self._store.size_of(prefix, after_prefix(prefix) or HIGH)
        return min(1.0, on_disk / logical) if logical and on_disk > logical // 4 else 1.0


def is_sweep_due(store: KeyValueStore, floor: Floor) -> bool:
    """Whether states are to be swept: the floor rose, or a sweep was stopped in the middle."""
    is_stopped = store.get(schema.META_STATE_SWEEP) is not None
    return is_stopped or floor.height > blocks.read_swept_from(store)


def is_worth_it(store: KeyValueStore, bodies: Floor, states: Floor) -> bool:
    """Whether a floor rose so far that a sweep and a compaction pay, or one was stopped."""
    rose = max(
        bodies.height - blocks.read_pruned_from(store),
        states.height - blocks.read_swept_from(store),
    )
    return rose >= STEP or store.get(schema.META_STATE_SWEEP) is not None


def ranges_of(prefixes: frozenset[bytes]) -> list[tuple[bytes, bytes]]:
    """Bounds of the parts that are compacted one after another, with the marks around them."""
    found: list[tuple[bytes, bytes]] = []
    for prefix in sorted(prefixes):
        count = SLICES if prefix in LARGE else 1
        edges = [prefix, *(prefix + bytes([256 * at // count]) for at in range(1, count))]
        found += zip(edges, [*edges[1:], after_prefix(prefix) or HIGH], strict=True)
    return found


def mark_ends(store: KeyValueStore) -> None:
    """Write below and above every key: what is in memory then goes over the old tables."""
    store.write({LOW: b"", HIGH: None}, sync=False)


def size_on_disk(folder: Path) -> int:
    """Bytes of a database's files."""
    size = 0
    for path in folder.iterdir():
        try:
            size += path.stat().st_size
        except FileNotFoundError:  # a compaction dropped it meanwhile
            continue
    return size
