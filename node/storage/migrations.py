"""Migrations: brings the database of an older version to the layout of this one, step by step.

Rules: the number of the layout is the schema version. A newer one is refused and one older than the
table begins is too; nothing is written then. A step may be repeated from its start after a crash:
it writes in portions that each leave what the step can read, and the last portion holds the new
number, so a number on disk says that its step is done whole. A step that rewrites keys deletes
the old in the write that puts the new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from node.logs import Log
from node.storage import schema
from node.storage.errors import StorageError
from node.storage.port import KeyValueStore

PREFIX: Final = b"bulwark-store/"
_TELL_EVERY: Final = 64
"""Portions between two lines of the log."""

Puts = Mapping[bytes, bytes | None]
Work = Callable[[KeyValueStore], Iterator[tuple[Puts, float]]]
"""Portions of a step with the share of it that is done then, 0 to 1."""
Progress = Callable[[int, int, float], None]
"""Told (from, to, share done)."""

log = Log("migrations")


class LayoutUnknown(StorageError):
    """The database has a layout that this version neither reads nor migrates."""

    def __init__(self, found: str, oldest: int, own: int) -> None:
        self.found = found
        super().__init__(
            f"the database has layout {found}, this version reads {own} and migrates "
            f"{oldest} to {own - 1}; run the version that wrote it, or resync from the peers"
        )


class Migration(Struct, frozen=True):
    """One step, from one layout to the next."""

    source: int
    what: str
    """What changes, for the log."""
    work: Work


def _nothing(_store: KeyValueStore) -> Iterator[tuple[Puts, float]]:
    """Old keys keep their form."""
    return iter(())


MIGRATIONS: Final = (
    Migration(
        2, "bodies of old blocks may be missing from here on, and new kinds of keys", _nothing
    ),
)
"""In order, without a gap, up to the layout of this version."""


def version_of(value: bytes | None) -> int | None:
    """Number of a layout, None for what is none."""
    text = b"" if value is None or not value.startswith(PREFIX) else value[len(PREFIX) :]
    return int(text) if text.isdigit() and len(text) < 6 else None


OWN: Final = version_of(schema.FORMAT_VERSION) or 0
"""Layout that this version writes."""


def migrate(
    store: KeyValueStore,
    progress: Progress = lambda source, target, done: None,
    table: Sequence[Migration] = MIGRATIONS,
) -> int:
    """Bring a store with a layout number to the last one of the table; the number it had.

    Raises LayoutUnknown, StoreWriteFailed, and what a step's reads raise.
    """
    value = store.get(schema.META_FORMAT)
    found, own = version_of(value), table[-1].source + 1
    if found is None or not table[0].source <= found <= own:
        raise LayoutUnknown(repr(value) if found is None else str(found), table[0].source, own)
    for step in table[found - table[0].source :]:
        _carry_out(store, step, progress)
    return found


def _carry_out(store: KeyValueStore, step: Migration, progress: Progress) -> None:
    target = step.source + 1
    log.info("migration begins", source=step.source, target=target, what=step.what)
    progress(step.source, target, 0.0)
    for number, (puts, done) in enumerate(step.work(store)):
        store.write(puts, sync=False)
        progress(step.source, target, done)
        if number % _TELL_EVERY == 0:
            log.info("migration goes on", target=target, percent=round(100 * done))
    store.write({schema.META_FORMAT: PREFIX + str(target).encode("ascii")}, sync=True)
    progress(step.source, target, 1.0)
    log.info("migration done", source=step.source, target=target)
