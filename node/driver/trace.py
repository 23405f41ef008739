"""The recorder of a node's consensus trace: off by default, one file, bounded, for its owner only.

Rules: the file is made anew at every start, mode 0600, and begins with a magic line; each record is
its length (4 bytes), a check of the length (4), its bytes, and a check (8) chained over everything
before it: a replay does not look at signatures again, so a bent byte would else go unseen. It ends
for good before it would exceed its bound, since a replay needs every step from the opening on. A
write error ends the recording, never the node. It holds all messages of the alliance but no key.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bulwark.ledger.errors import DecodeError
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest
from consensus.effects import Effect
from consensus.events import Event
from consensus.keyring import Keyring
from consensus.replay import Recorded, Replayed, replay
from consensus.trace import (
    MAX_RECORD_BYTES,
    Opening,
    Record,
    Step,
    decode_record,
    effects_digest,
    encode_record,
)
from node.logs import Log
from node.sections import ConsensusConfig

MAGIC: Final = b"bulwark consensus trace 2\n"
_LENGTH_CHECK: Final = 4
_RECORD_CHECK: Final = 8
DEFAULT_MAX_BYTES: Final = 256 * 1024 * 1024

log = Log("trace")


class TraceRecorder:
    """Writes what the core is given and what it answers."""

    def __init__(self, path: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        """Raises OSError if the file can not be made."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        # unbuffered: what was recorded before a kill is what one wants to look at
        self._file: io.FileIO | None = io.FileIO(os.open(path, flags, 0o600), "w")
        os.fchmod(self._file.fileno(), 0o600)
        self._left = max_bytes - len(MAGIC)
        self._keyring: Recorded | None = None
        self._chain = Digest(sha256(MAGIC))
        self._file.write(MAGIC)

    @property
    def recording(self) -> bool:
        """Whether it still writes."""
        return self._file is not None

    def begin(self, opening: Opening, keyring: Keyring) -> Keyring:
        """A replica is about to be built from `opening`; give it the keyring returned."""
        self._keyring = Recorded(keyring)
        self._write(opening)
        return self._keyring

    def record(self, now_ms: int, event: Event, effects: list[Effect]) -> None:
        """One step was made."""
        if self._keyring is None:
            return
        made = self._keyring.take()
        if self._file is not None:
            self._write(Step(now_ms, event, made, effects_digest(effects)))

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()

    def _write(self, record: Record) -> None:
        if self._file is None:
            return
        framed, self._chain = _frame(self._chain, encode_record(record))
        self._left -= len(framed)
        try:
            if self._left >= 0:
                self._file.write(framed)
                return
            log.warning("trace is full, recording ends")
            self.close()
        except OSError as error:
            log.warning("trace can not be written, recording ends", reason=str(error))
            self._file = None


def _frame(chain: Digest, data: bytes) -> tuple[bytes, Digest]:
    """A record as it stands in the file, and the chain after it."""
    length = len(data).to_bytes(4, "big")
    head = length + sha256(chain + length)[:_LENGTH_CHECK]
    chain = Digest(sha256(chain + length + data))
    return head + data + chain[:_RECORD_CHECK], chain


def read_trace(path: Path) -> Iterator[Record]:
    """The records of a file; an incomplete last one is left out.

    Raises DecodeError for anything but a trace, a bent byte included, and OSError.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise DecodeError(str(path), "no consensus trace of format 2")
        chain = Digest(sha256(MAGIC))
        number = 0
        while len(head := file.read(4 + _LENGTH_CHECK)) == 4 + _LENGTH_CHECK:
            number += 1
            length = int.from_bytes(head[:4], "big")
            if head[4:] != sha256(chain + head[:4])[:_LENGTH_CHECK]:
                raise DecodeError(f"{path} record {number}", "its length was changed")
            if length > MAX_RECORD_BYTES:
                raise DecodeError(f"{path} record {number}", f"a record of {length} bytes")
            data = file.read(length)
            check = file.read(_RECORD_CHECK)
            if len(check) < _RECORD_CHECK:
                return
            chain = Digest(sha256(chain + head[:4] + data))
            if check != chain[:_RECORD_CHECK]:
                raise DecodeError(f"{path} record {number}", "it was changed")
            yield decode_record(data)


def replay_file(path: Path, genesis: Genesis) -> Replayed:
    """Repeat a trace of a node of this alliance; raises TraceDiffers, DecodeError, OSError."""
    return replay(_of_alliance(read_trace(path), genesis))


def _of_alliance(records: Iterator[Record], genesis: Genesis) -> Iterator[Record]:
    for record in records:
        if isinstance(record, Opening):
            domain, validators = record.terms.domain, record.terms.validators
            if (domain.chain_id, domain.genesis_hash) != (genesis.chain_id, genesis.hash):
                raise DecodeError("trace", "it is of another alliance than the genesis document")
            if validators.epoch == 0 and validators != genesis.validator_set:
                raise DecodeError("trace", "the first epoch has other validators than genesis")
        yield record


def recorder_of(home: Path, settings: ConsensusConfig) -> TraceRecorder | None:
    """The recorder that the settings of a home ask for."""
    file, most = settings.trace_file, settings.trace_max_bytes
    return None if file is None else TraceRecorder(home / file, most)
