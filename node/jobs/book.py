"""The book of jobs: what each was asked, where it stands and how far it is, in the database.

Rules: a job's own record is encrypted under a key from the vault key and holds the key of its
files; each part that is durable has one small entry with all counts up to it, so that the last
entry is where a job goes on; the mark says which entries of the access log a part under way has.
What a part changes is one atomic write. No value of a row is in here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from node.guarded.accessdesk import Noted
from node.guarded.atrest import AtRest
from node.jobs.port import State
from node.storage.port import KeyValueStore
from node.storage.schema import SCREENING_JOBS, number8
from node.storage.seal import seal, unseal

JOBS = SCREENING_JOBS + b"\x00"
"""job id16 -> record, encrypted."""
PARTS = SCREENING_JOBS + b"\x01"
"""job id16 | number8 -> part, sealed."""
MARKS = SCREENING_JOBS + b"\x02"
"""job id16 -> what is noted of the part under way, sealed."""
Puts = dict[bytes, bytes | None]


class JobRecord(msgspec.Struct, kw_only=True):
    """A job's own record; see Wish and JobView."""

    id: str
    key: bytes
    """Key of its files."""
    by: str
    role: str
    format: str
    result: str
    columns: dict[str, str]
    references: list[str]
    defaults: dict[str, str]
    """kind, region, purpose, lawful_basis, case_ref as they were given."""
    values: bool
    name: str
    promise: str
    wish_digest: str
    """SHA-256 over wish and file, for the promise."""
    input_bytes: int
    input_sha256: str
    ignored: list[str]
    expected_rows: int | None
    created_ms: int
    at_height: int | None
    is_past: bool = False
    """Whether the block was asked for: such questions are not remembered for later news."""
    block_hash: bytes = b""
    block_ms: int = 0
    """Time of the block as after which rows are answered."""
    behind: str | None = None
    state: State = State.QUEUED
    reason: str | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    busy_ms: int = 0
    """Time that it was worked, over all starts."""
    manifest: bytes = b""
    told: bool = False
    """Whether who listens was told that it is over."""

    @property
    def raw_id(self) -> bytes:
        """The id's 16 bytes."""
        return bytes.fromhex(self.id)


class Part(msgspec.Struct, kw_only=True):
    """A part that is durable, with all counts up to its end."""

    rows: int
    """Rows of this part."""
    digest: bytes
    """SHA-256 of their canonical lines."""
    next: tuple[int, int, int]
    """Where the input goes on: byte and line, or row group and row in it; see the readers."""
    read_bytes: int
    all_rows: int = 0
    result_end: int = 0
    """Bytes of the result file up to the end of this part."""
    outcomes: dict[str, int] = {}
    bands: dict[str, int] = {}
    errors: dict[str, int] = {}
    busy_ms: int = 0


class _Mark(msgspec.Struct):
    part: int
    groups: int
    first: int
    last: int


class JobBook:
    """Jobs of one member."""

    def __init__(self, store: KeyValueStore, at_rest: AtRest) -> None:
        self._store = store
        self._at_rest = at_rest

    def all(self) -> Iterator[JobRecord]:
        """Every job. Raises StoreDamaged."""
        for key, held in self._store.iterate(JOBS):
            yield msgspec.msgpack.decode(self._at_rest.decrypt(key, held), type=JobRecord)

    def put(self, job: JobRecord) -> None:
        """Write a job's record; durable after the caller's next barrier."""
        self._store.write(self._puts(job), sync=False)

    def _puts(self, job: JobRecord) -> Puts:
        key = JOBS + job.raw_id
        return {key: self._at_rest.encrypt(key, msgspec.msgpack.encode(job))}

    def last_part(self, job: JobRecord) -> tuple[int, Part | None]:
        """How many parts are durable, and the last of them. Raises StoreDamaged."""
        prefix = PARTS + job.raw_id
        newest = next(iter(self._store.iterate(prefix, reverse=True)), None)
        if newest is None:
            return 0, None
        return int.from_bytes(newest[0][len(prefix) :], "big") + 1, _part(*newest)

    def parts(self, job: JobRecord, first: int = 0) -> Iterator[tuple[int, Part]]:
        """Durable parts from a number on. Raises StoreDamaged."""
        prefix = PARTS + job.raw_id
        for key, held in self._store.iterate(prefix, start=prefix + number8(first)):
            yield int.from_bytes(key[len(prefix) :], "big"), _part(key, held)

    def part(self, job: JobRecord, number: int) -> Part | None:
        """One durable part. Raises StoreDamaged."""
        key = PARTS + job.raw_id + number8(number)
        held = self._store.get(key)
        return None if held is None else _part(key, held)

    def noted(self, job: JobRecord, number: int) -> Noted:
        """What of part `number` is in the access log already. Raises StoreDamaged."""
        key = MARKS + job.raw_id
        held = self._store.get(key)
        if held is None:
            return Noted()
        mark = msgspec.msgpack.decode(unseal(key, held), type=_Mark)
        return Noted(mark.groups, mark.first, mark.last) if mark.part == number else Noted()

    def mark(self, job: JobRecord, number: int, noted: Noted) -> Mapping[bytes, bytes | None]:
        """What is written with an access entry of part `number`."""
        key = MARKS + job.raw_id
        mark = _Mark(number, noted.groups, noted.first, noted.last)
        return {key: seal(key, msgspec.msgpack.encode(mark))}

    def finish_part(self, job: JobRecord, number: int, part: Part, also: Puts) -> None:
        """A part is durable in the result file: go on behind it. `also` is written with it."""
        key = PARTS + job.raw_id + number8(number)
        puts = {**also, key: seal(key, msgspec.msgpack.encode(part)), MARKS + job.raw_id: None}
        self._store.write(puts, sync=False)

    def drop(self, job: JobRecord) -> None:
        """Delete all of a job, its key first."""
        self._store.write({JOBS + job.raw_id: None, MARKS + job.raw_id: None}, sync=False)
        keys = [key for key, _ in self._store.iterate(PARTS + job.raw_id)]
        self._store.write(dict.fromkeys(keys), sync=False)


def _part(key: bytes, held: bytes) -> Part:
    return msgspec.msgpack.decode(unseal(key, held), type=Part)
