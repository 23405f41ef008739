"""STATUS, the message by which replicas tell each other where they are (R1), and signed fields.

It carries claims only: what a STATUS says steers what its own signer is sent, nothing else (S11).
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.ids import Height, ValidatorIndex, View
from bulwark.ledger.limits import MAX_VALIDATORS
from bulwark.ledger.signing import SIGNATURE_BYTES
from consensus.types import MAX_WINDOW


def write_signed(writer: Writer, signer: ValidatorIndex, signature: bytes) -> Writer:
    """Append signer (2 bytes) and signature."""
    return writer.uint(signer, 2).fixed(signature, SIGNATURE_BYTES)


def read_signed(reader: Reader) -> tuple[ValidatorIndex, bytes]:
    """Inverse of write_signed()."""
    signer = ValidatorIndex(reader.uint(2, "signer", MAX_VALIDATORS - 1))
    return signer, reader.fixed(SIGNATURE_BYTES, "signature")


class SlotStatus(Struct, frozen=True):
    """What a replica holds of one height; bit i of a bitmap stands for validator i's vote."""

    height: Height
    has_body: bool
    """It holds a proposal of the current view with its body."""
    prepares: int
    commits: int
    checkpoints: int

    def write(self, writer: Writer) -> None:
        """Append all fields."""
        writer.uint(self.height, 8).flag(self.has_body)
        for bitmap in (self.prepares, self.commits, self.checkpoints):
            writer.uint(bitmap, MAX_VALIDATORS // 8)

    @classmethod
    def read(cls, reader: Reader) -> SlotStatus:
        """Inverse of write()."""
        height, has_body = Height(reader.uint(8, "height")), reader.flag("has_body")
        width = MAX_VALIDATORS // 8
        prepares, commits = reader.uint(width, "prepares"), reader.uint(width, "commits")
        return cls(height, has_body, prepares, commits, reader.uint(width, "checkpoints"))


class StatusReport(Struct, frozen=True):
    """STATUS: where a replica is and what it holds, so that others send what it lacks."""

    KIND: ClassVar = 5
    TAG: ClassVar = b"status/1"
    view: View
    changing: bool
    """It waits for NEW-VIEW of `view`."""
    executed: Height
    stable: Height
    silent: bool
    """P6: it lost its records and does not vote yet."""
    slots: tuple[SlotStatus, ...]
    """Heights of its window that are not complete."""
    signer: ValidatorIndex
    signature: bytes

    def signed_body(self) -> bytes:
        """All but signer and signature."""
        writer = Writer()
        self._write_claims(writer)
        return writer.done()

    def _write_claims(self, writer: Writer) -> None:
        writer.uint(self.view, 8).flag(self.changing)
        writer.uint(self.executed, 8).uint(self.stable, 8).flag(self.silent)
        writer.sequence(self.slots, lambda w, s: s.write(w))

    def write(self, writer: Writer) -> None:
        """Append all fields."""
        self._write_claims(writer)
        write_signed(writer, self.signer, self.signature)

    @classmethod
    def read(cls, reader: Reader) -> StatusReport:
        """Inverse of write()."""
        view, changing = View(reader.uint(8, "view")), reader.flag("changing")
        executed, stable = Height(reader.uint(8, "executed")), Height(reader.uint(8, "stable"))
        silent = reader.flag("silent")
        slots = reader.sequence("slots", MAX_WINDOW, SlotStatus.read)
        return cls(view, changing, executed, stable, silent, slots, *read_signed(reader))
