"""A disk that forgets at a crash whatever was not synced before it, and that may fail or rot.

Fault model: writes go to one log in order, each atomic by its checksum; what was synced survives;
of the unsynced tail a prefix survives a crash and the write behind it may be torn (its checksum
fails, so it is dropped); a write may fail; a bit of a record may flip, which its checksum shows.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeAlias

from bulwark.ledger.votes import Certificate
from consensus.amnesia import UNKNOWN
from consensus.errors import RecordsDamaged
from consensus.journal import KEY_SILENT
from tests.simulation.ledger import Block, Ledger

Records: TypeAlias = tuple[tuple[bytes, bytes | None], ...]
Write: TypeAlias = Records | Block | Certificate


class Disk:
    """Consensus records, blocks and finality certificates of one node."""

    def __init__(self, make_ledger: Callable[[], Ledger]) -> None:
        self._make_ledger = make_ledger
        self._reset()

    def _reset(self) -> None:
        self.records: dict[bytes, bytes] = {}
        self.ledger = self._make_ledger()
        self.stable: Certificate | None = None
        """Highest finality certificate that is durable."""
        self.boundaries: dict[int, Certificate] = {}
        """The certificate of the last block of each past epoch, by height."""
        self._unsynced: Certificate | None = None
        self.pending: list[Records | Block] = []
        """Written, not synced yet, oldest first."""
        self._synced = 0
        """Writes that are durable."""
        self.rotten: set[bytes] = set()
        self.opened = False
        """The mark that this disk belongs to a node that ran before."""

    @property
    def blocks(self) -> list[Block]:
        """The durable blocks."""
        return self.ledger.blocks

    def begin(self, write: Records | Block) -> int:
        """Hand a write to the operating system; returns its number, for `finish`."""
        self.pending.append(write)
        return self._synced + len(self.pending)

    def finish(self, number: int) -> None:
        """The fsync of a write: it is durable now, and so is what was written before it."""
        while self._synced < number:
            self._synced += 1
            self._apply(self.pending.pop(0))

    def _apply(self, write: Records | Block) -> None:
        if isinstance(write, Block):
            self.ledger.append(write)
        else:
            records = self.records
            for key, value in write:
                if value is None:
                    records.pop(key, None)
                else:
                    records[key] = value
        if self._unsynced is not None:
            self.stable, self._unsynced = self._unsynced, None

    def write_stable(self, certificate: Certificate) -> None:
        """Not synced: reaches the disk with the next write that is."""
        self._unsynced = certificate

    def best_stable(self) -> Certificate | None:
        """The highest certificate, also if it is not synced."""
        return self._unsynced or self.stable

    def end_epoch(self, certificate: Certificate, *, silent: bool) -> None:
        """One synced write: the boundary's certificate, and no records of the epoch any more.

        The silence of a wiped node (P6) goes into the same write, so no crash can end it early.
        """
        self.pending.clear()
        self.boundaries[certificate.subject.height] = certificate
        self.stable, self._unsynced = certificate, None
        self.records.clear()
        if silent:
            self.records[KEY_SILENT] = UNKNOWN.to_bytes(8, "big")

    def crash(self, rng: random.Random) -> str:
        """Power is lost: a random prefix of the unsynced writes survives; says what happened."""
        lost = len(self.pending)
        kept = rng.randint(0, lost)
        for write in self.pending[:kept]:
            self._apply(write)
        self.pending.clear()
        if self._unsynced is not None and rng.random() < 0.5:
            self._unsynced = None
        if kept == lost:
            return ""
        return "torn writes" if rng.random() < 0.5 else "lost unsynced writes"

    def flip_bit(self, rng: random.Random) -> bool:
        """A record rots; False if there is none."""
        if not self.records:
            return False
        key = rng.choice(sorted(self.records))
        value = bytearray(self.records[key] or b"\x00")
        value[rng.randrange(len(value))] ^= 1 << rng.randrange(8)
        self.records[key] = bytes(value)
        self.rotten.add(key)
        return True

    def read_records(self) -> list[tuple[bytes, bytes]]:
        """All records, as the start of a node reads them; raises RecordsDamaged."""
        for key in sorted(self.rotten):
            if key in self.records:
                raise RecordsDamaged(key, "its checksum differs")
        return list(self.records.items())

    def wipe(self) -> None:
        """Everything is gone."""
        self._reset()
