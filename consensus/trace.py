"""Traces: what a replica was given and what it answered, so that a run can be repeated elsewhere.

Rules: a trace is a sequence of records: `Opening` (all that a replica starts from) and `Step` (one
event, the own signatures made in it, a digest of the effects). Signatures are recorded because the
replay has no key: `Playback` hands them out again. Everything is bounded before allocation. Reading
and writing files, and comparing, are elsewhere (`node.driver.trace`, `consensus.replay`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Final, TypeAlias, assert_never

from msgspec import Struct

from bulwark.ledger.batch import Batch
from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Address, Digest, Height, ValidatorIndex, View
from bulwark.ledger.limits import MAX_BATCH_BYTES, MAX_VALIDATORS
from bulwark.ledger.signing import SIGNATURE_BYTES, Check, SigningDomain, verify
from bulwark.ledger.validators import ValidatorSet
from bulwark.ledger.votes import Certificate
from consensus.authentication import Authenticated
from consensus.config import Config
from consensus.effects import Broadcast, Effect, Persist, Send
from consensus.events import (
    BatchChecked,
    ClockSet,
    Event,
    Executed,
    PeerDown,
    PeerUp,
    ProposalReady,
    Received,
    Start,
    StateInstalled,
    SyncFailed,
    TimerFired,
    TxPending,
)
from consensus.messages import MAX_MESSAGE_BYTES, decode_message, encode_message
from consensus.recovery import Recovery
from consensus.terms import Terms
from consensus.types import TimerName

MAX_RECORD_BYTES: Final = 256 * 1024 * 1024
"""An Opening holds the durable records: a window of the largest bodies, several of each height."""
MAX_RECORDS: Final = 100_000
MAX_SIGNATURES: Final = 100_000
MAX_REASON_CHARS: Final = 4_096
EFFECTS_DIGEST_BYTES: Final = 16


class Opening(Struct, frozen=True):
    """Everything that a replica of one epoch starts from."""

    config: Config
    terms: Terms
    address: Address
    """Of the vote key."""
    records: tuple[tuple[bytes, bytes], ...]
    applied_height: Height
    applied_hash: Digest
    stable: Certificate | None = None
    epoch_end: Height | None = None
    wiped: bool = False

    def recovery(self) -> Recovery:
        """What the replica is built with; raises RecordsDamaged."""
        return Recovery.from_records(
            self.records,
            applied_height=self.applied_height,
            applied_hash=self.applied_hash,
            stable=self.stable,
            epoch_end=self.epoch_end,
            wiped=self.wiped,
        )

    def encode(self) -> bytes:
        """Canonical bytes."""
        terms, domain = self.terms, self.terms.domain
        writer = Writer()
        for field in fields(Config):
            writer.uint(getattr(self.config, field.name), 8)
        writer.blob(terms.validators.encode()).uint(domain.chain_id, 8)
        writer.fixed(domain.genesis_hash, 32).uint(terms.start, 8).fixed(self.address, 20)
        writer.sequence(self.records, lambda w, r: w.blob(r[0]).blob(r[1]))
        writer.uint(self.applied_height, 8).fixed(self.applied_hash, 32)
        writer.optional(self.stable, lambda w, c: c.write(w))
        return writer.uint(self.epoch_end or 0, 8).flag(self.wiped).done()

    @classmethod
    def decode(cls, data: bytes, check: Check = verify) -> Opening:
        """Inverse of encode(); raises DecodeError."""
        reader = Reader(data, "opening")
        config = Config(**{f.name: reader.uint(8, f.name) for f in fields(Config)})
        validators = ValidatorSet.decode(reader.blob("validators", 64 * 1024))
        chain_id, genesis = reader.uint(8, "chain_id"), Digest(reader.fixed(32, "genesis_hash"))
        start, address = Height(reader.uint(8, "start")), Address(reader.fixed(20, "address"))
        records = reader.sequence("records", MAX_RECORDS, _read_record)
        height, hashed = Height(reader.uint(8, "height")), Digest(reader.fixed(32, "hash"))
        stable = reader.optional("stable", Certificate.read)
        end, wiped = Height(reader.uint(8, "epoch_end")), reader.flag("wiped")
        reader.end()
        domain = SigningDomain(chain_id, genesis, validators.epoch)
        terms = Terms(validators, domain, config.window, start, check)
        return cls(config, terms, address, records, height, hashed, stable, end or None, wiped)


def _read_record(reader: Reader) -> tuple[bytes, bytes]:
    return reader.blob("key", 256), reader.blob("value", MAX_MESSAGE_BYTES * 4)


class Step(Struct, frozen=True):
    """One call of `Replica.step`."""

    now_ms: int
    event: Event
    signatures: tuple[bytes, ...]
    """Own signatures made in it, in order (those made while starting are in the first step)."""
    effects: bytes
    """`effects_digest` of what it returned."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        writer = Writer().uint(self.now_ms, 8)
        writer.sequence(self.signatures, lambda w, s: w.fixed(s, SIGNATURE_BYTES))
        return writer.fixed(self.effects, EFFECTS_DIGEST_BYTES).done() + encode_event(self.event)

    @classmethod
    def decode(cls, data: bytes) -> Step:
        """Inverse of encode(); raises DecodeError."""
        reader = Reader(data, "step")
        now_ms = reader.uint(8, "now_ms")
        signatures = reader.sequence(
            "signatures", MAX_SIGNATURES, lambda r: r.fixed(SIGNATURE_BYTES, "signature")
        )
        effects = reader.fixed(EFFECTS_DIGEST_BYTES, "effects")
        event = decode_event(data[reader.offset :])
        return cls(now_ms, event, signatures, effects)


Record: TypeAlias = Opening | Step


def encode_record(record: Record) -> bytes:
    """One byte of kind, then the record."""
    return (b"\x01" if isinstance(record, Opening) else b"\x02") + record.encode()


def decode_record(data: bytes, check: Check = verify) -> Record:
    """Inverse of encode_record(); raises DecodeError."""
    kind, body = data[:1], data[1:]
    if kind == b"\x01":
        return Opening.decode(body, check)
    if kind == b"\x02":
        return Step.decode(body)
    raise DecodeError("trace record", "kind 1 or 2 needed", 0)


def effects_digest(effects: list[Effect]) -> bytes:
    """16 bytes over the effects in their order, all fields of all of them."""
    return sha256(b"\n".join(encode_effect(effect) for effect in effects))[:EFFECTS_DIGEST_BYTES]


def encode_effect(effect: Effect) -> bytes:
    """Bytes that differ for different effects."""
    match effect:
        case Persist(records=records):
            writer = Writer().uint(1, 1)
            for key, value in records:
                writer.blob(key).optional(value, lambda w, v: w.blob(v))
            return writer.done()
        case Send(to=to, message=message):
            return Writer().uint(2, 1).uint(to, 2).blob(encode_message(message)).done()
        case Broadcast(message=message):
            return b"\x03" + encode_message(message)
        case _:
            return repr(effect).encode()  # small ones: their text shows every field


# -- events --------------------------------------------------------------------------------------


def encode_event(event: Event) -> bytes:
    """Canonical bytes: one byte of kind, then the fields."""
    writer = Writer()
    match event:
        case Start():
            writer.uint(1, 1)
        case Received(sender=sender, message=authenticated):
            writer.uint(2, 1).uint(sender, 2).blob(encode_message(authenticated.message))
        case TimerFired(name=name):
            writer.uint(3, 1).text(name.value)
        case ProposalReady(view=view, height=height, batch=batch):
            writer.uint(4, 1).uint(view, 8).uint(height, 8).blob(batch.encode())
        case BatchChecked(digest=digest, ok=ok, reason=reason):
            writer.uint(5, 1).fixed(digest, 32).flag(ok).text(reason[: MAX_REASON_CHARS // 4])
        case Executed(height=height, header_hash=hashed, epoch_end=end):
            writer.uint(6, 1).uint(height, 8).fixed(hashed, 32).uint(end or 0, 8)
        case TxPending(oldest_arrival_ms=oldest, count=count):
            writer.uint(7, 1).optional(oldest, lambda w, ms: w.uint(ms, 8)).uint(count, 8)
        case StateInstalled(height=height, header_hash=hashed, certificate=given, epoch_end=end):
            writer.uint(8, 1).uint(height, 8).fixed(hashed, 32)
            given.write(writer).uint(end or 0, 8)
        case SyncFailed():
            writer.uint(9, 1)
        case PeerUp(index=index):
            writer.uint(10, 1).uint(index, 2)
        case PeerDown(index=index):
            writer.uint(11, 1).uint(index, 2)
        case ClockSet(offset_ms=offset_ms):
            writer.uint(12, 1).flag(offset_ms < 0).uint(abs(offset_ms), 8)
        case _:
            assert_never(event)
    return writer.done()


def decode_event(data: bytes) -> Event:
    """Inverse of encode_event(); raises DecodeError. Checks no signature: the trace is trusted."""
    reader = Reader(data, "event")
    read = _EVENTS.get(reader.uint(1, "kind"))
    if read is None:
        raise DecodeError("event.kind", "no event has it", 0)
    event = read(reader)
    reader.end()
    return event


def _index(reader: Reader) -> ValidatorIndex:
    return ValidatorIndex(reader.uint(2, "index", MAX_VALIDATORS - 1))


def _received(reader: Reader) -> Event:
    sender = _index(reader)
    message = decode_message(reader.blob("message", MAX_MESSAGE_BYTES))
    return Received(sender, Authenticated(message))


def _timer(reader: Reader) -> Event:
    name = reader.text("name", 64)
    if name not in TimerName.__members__.values():
        raise DecodeError("event.name", "no timer has it")
    return TimerFired(TimerName(name))


def _proposal(reader: Reader) -> Event:
    view, height = View(reader.uint(8, "view")), Height(reader.uint(8, "height"))
    return ProposalReady(view, height, Batch.decode(reader.blob("batch", MAX_BATCH_BYTES)))


def _checked(reader: Reader) -> Event:
    digest, ok = Digest(reader.fixed(32, "digest")), reader.flag("ok")
    return BatchChecked(digest, ok, reader.text("reason", MAX_REASON_CHARS))


def _executed(reader: Reader) -> Event:
    height, hashed = Height(reader.uint(8, "height")), Digest(reader.fixed(32, "hash"))
    return Executed(height, hashed, Height(reader.uint(8, "end")) or None)


def _pending(reader: Reader) -> Event:
    oldest = reader.optional("oldest", lambda r: r.uint(8, "oldest"))
    return TxPending(oldest, reader.uint(8, "count"))


def _installed(reader: Reader) -> Event:
    height, hashed = Height(reader.uint(8, "height")), Digest(reader.fixed(32, "hash"))
    certificate = Certificate.read(reader)
    return StateInstalled(height, hashed, certificate, Height(reader.uint(8, "end")) or None)


_EVENTS: Final[dict[int, Callable[[Reader], Event]]] = {
    1: lambda r: Start(),
    2: _received,
    3: _timer,
    4: _proposal,
    5: _checked,
    6: _executed,
    7: _pending,
    8: _installed,
    9: lambda r: SyncFailed(),
    10: lambda r: PeerUp(_index(r)),
    11: lambda r: PeerDown(_index(r)),
    12: lambda r: ClockSet((-1 if r.flag("behind") else 1) * r.uint(8, "offset_ms")),
}
