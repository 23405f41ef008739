"""The erasure book: how far orders are carried out, which record went by which order, on disk.

Rules: a stop at any moment loses nothing: what a block asks is noted as done only after it is done,
and doing it again changes nothing. A duty is one batch of follow-ups that this member still has to
confirm, or did. Nothing in here says what an erased record was.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.ids import Digest, Height, RecordId
from node.storage.blocks import Getter
from node.storage.port import KeyValueStore
from node.storage.schema import BARE_SIDECARS, ERASURES, number8
from node.storage.seal import seal, unseal

FOLLOWED: Final = ERASURES + b"\x00"
"""-> height8 up to which every order is carried out, sealed."""
ERASED: Final = ERASURES + b"\x01"
"""record id32 -> order32 | root32 of the batch with the order | height8, sealed."""
DUTIES: Final = ERASURES + b"\x02"
"""root32 of a batch -> Duty, sealed."""
SCRUB: Final = ERASURES + b"\x03"
"""-> number8, one higher with every erasure since the disk was last clean, sealed."""

Puts = dict[bytes, bytes | None]


class Stage(IntEnum):
    """How far a duty is."""

    SCRUBBING = 1
    """The data is gone from the database, its files may still hold bytes of it."""
    READY = 2
    """All done, not confirmed yet."""
    SENT = 3
    """The confirmation is in the outbox or on the ledger."""


class Duty(Struct, frozen=True):
    """What this member does about one batch of follow-ups."""

    root: Digest
    height: Height
    bits: int
    """What the confirmation says: RECALLED, DESTROYED."""
    stage: Stage
    confirmation: bytes = bytes(32)
    """Record id of this member's CONFIRM, zero before it is sent."""
    transaction: bytes = bytes(32)
    """Hash of the transaction that anchors it."""

    def encode(self) -> bytes:
        """Value under DUTIES, unsealed."""
        writer = Writer().uint(self.height, 8).uint(self.bits, 1).uint(self.stage, 1)
        return writer.fixed(self.confirmation, 32).fixed(self.transaction, 32).done()

    @classmethod
    def decode(cls, root: Digest, data: bytes) -> Duty:
        """Inverse of encode(); raises LedgerError."""
        reader = Reader(data, "duty")
        duty = cls(
            root=root,
            height=Height(reader.uint(8, "height")),
            bits=reader.uint(1, "bits"),
            stage=Stage(reader.uint(1, "stage", max(Stage))),
            confirmation=reader.fixed(32, "confirmation"),
            transaction=reader.fixed(32, "transaction"),
        )
        reader.end()
        return duty


class Erased(Struct, frozen=True):
    """That a record went by an order."""

    order: RecordId
    root: Digest
    """Batch that holds the order."""
    height: Height


def read_erased(store: Getter, record_id: RecordId) -> Erased | None:
    """By which order a record went, as a store says. Raises StoreDamaged."""
    key = ERASED + record_id
    held = store.get(key)
    if held is None:
        return None
    data = unseal(key, held)
    return Erased(
        RecordId(data[:32]), Digest(data[32:64]), Height(int.from_bytes(data[64:], "big"))
    )


class ErasureBook:
    """What is known of erasures."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store

    @property
    def followed(self) -> Height:
        """Height up to which every order is carried out. Raises StoreDamaged."""
        held = self._store.get(FOLLOWED)
        return Height(0 if held is None else int.from_bytes(unseal(FOLLOWED, held), "big"))

    def followed_puts(self, height: Height) -> Puts:
        """The put that says that orders up to a height are carried out."""
        return {FOLLOWED: seal(FOLLOWED, number8(height))}

    def erased(self, record_id: RecordId) -> Erased | None:
        """By which order a record went. Raises StoreDamaged."""
        return read_erased(self._store, record_id)

    def erased_puts(self, record_id: RecordId, by: Erased) -> Puts:
        """The put that says that a record went."""
        key = ERASED + record_id
        return {key: seal(key, by.order + by.root + number8(by.height))}

    def all_erased(self) -> Iterator[RecordId]:
        """Every record that an order erased."""
        for key, _ in self._store.iterate(ERASED):
            yield RecordId(key[len(ERASED) :])

    # Duties

    def duty(self, root: Digest) -> Duty | None:
        """This member's duty for a batch. Raises StoreDamaged."""
        key = DUTIES + root
        held = self._store.get(key)
        return None if held is None else Duty.decode(root, unseal(key, held))

    def duties(self) -> Iterator[Duty]:
        """All duties. Raises StoreDamaged."""
        for key, value in self._store.iterate(DUTIES):
            yield Duty.decode(Digest(key[len(DUTIES) :]), unseal(key, value))

    def duty_puts(self, duty: Duty) -> Puts:
        """The put that keeps a duty."""
        key = DUTIES + duty.root
        return {key: seal(key, duty.encode())}

    def duty_done_puts(self, duty: Duty) -> Puts:
        """The put that forgets a duty: the ledger has the confirmation, or nobody may give it."""
        return {DUTIES + duty.root: None}

    # Scrubbing

    @property
    def scrub_due(self) -> int:
        """The number of the last erasure whose bytes may still be in files, 0 for none."""
        held = self._store.get(SCRUB)
        return 0 if held is None else int.from_bytes(unseal(SCRUB, held), "big")

    def scrub_puts(self) -> Puts:
        """The put that asks for another scrubbing; for the write that erases."""
        return {SCRUB: seal(SCRUB, number8(self.scrub_due + 1))}

    def scrubbed(self, number: int) -> int:
        """Files are clean up to an erasure: its duties are ready; how many. Not flushed."""
        if self.scrub_due != number:
            return 0  # more was erased meanwhile: another scrubbing follows
        ready = [duty for duty in self.duties() if duty.stage is Stage.SCRUBBING]
        puts: Puts = {SCRUB: None}
        for duty in ready:
            puts |= self.duty_puts(replace(duty, stage=Stage.READY))
        self._store.write(puts, sync=False)
        return len(ready)

    # Bare leaves

    def bare(self) -> list[Digest]:
        """Sidecars that came with bare leaves which no known order covers yet."""
        return [Digest(key[len(BARE_SIDECARS) :]) for key, _ in self._store.iterate(BARE_SIDECARS)]

    def bare_settled(self, roots: list[Digest]) -> None:
        """Every bare leaf of these is covered, or back. Not flushed."""
        if roots:
            self._store.write({BARE_SIDECARS + root: None for root in roots}, sync=False)
