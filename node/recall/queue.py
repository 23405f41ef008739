"""The recall queue: what this member's systems are told, on disk, each record and cause once.

Rules: a recall is in the queue, durable, before the batch that caused it is confirmed; it is
numbered, so that a reader of the list or the stream goes on where it was; it is encrypted, as it
says who asked about what case. How far the configured webhook is with it is written after each
try, for the list; the posting itself goes by the event log (`node.push`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Final

from msgspec.structs import replace

from node.guarded.atrest import AtRest
from node.recall.port import Delivery, OwnQuestion, Recall
from node.rotation.keyline import Renaming, first_key
from node.storage.port import KeyValueStore
from node.storage.schema import ERASURES, number8
from node.storage.seal import seal, unseal

RECALLS: Final = ERASURES + b"\x10"
"""number8 -> recall as JSON, encrypted."""
SEEN: Final = ERASURES + b"\x11"
"""keyed name16 of record and cause -> number8, sealed."""
DUE: Final = ERASURES + b"\x12"
"""number8 -> 8 bytes, sealed: recalls that wait for the configured webhook."""


class RecallQueue:
    """Recalls of one member."""

    def __init__(self, store: KeyValueStore, at_rest: AtRest, index_key: bytes) -> None:
        self._store = store
        self._at_rest = at_rest
        self._key, self._renamed = first_key(index_key), Renaming(index_key)
        newest = next(iter(store.iterate(RECALLS, reverse=True)), None)
        self.last = 0 if newest is None else _number(newest[0])
        """Number of the newest recall."""

    def add(
        self,
        record_id: bytes,
        cause: str,
        time_ms: int,
        height: int,
        questions: Sequence[OwnQuestion],
        *,
        has_webhook: bool,
    ) -> Recall | None:
        """Queue a recall, None if this one was. Not flushed."""
        name = self._name(record_id, cause)
        if self._store.get(name) is not None:
            return None
        made = Recall(
            number=self.last + 1,
            record_id=record_id,
            cause=cause,
            time_ms=time_ms,
            height=height,
            questions=tuple(questions),
            delivery=Delivery.WAITING if has_webhook else Delivery.NONE,
        )
        puts: dict[bytes, bytes | None] = {
            name: seal(name, number8(made.number)),
            **self._puts(made),
        }
        self._store.write(puts, sync=False)
        self.last = made.number
        return made

    def settle(self, recall: Recall, delivery: Delivery, tries: int) -> None:
        """Write how far the webhook is. Not flushed."""
        self._store.write(self._puts(replace(recall, delivery=delivery, tries=tries)), sync=False)

    def _puts(self, recall: Recall) -> dict[bytes, bytes | None]:
        number = number8(recall.number)
        key, due = RECALLS + number, DUE + number
        waits = recall.delivery is Delivery.WAITING
        return {
            key: self._at_rest.encrypt(key, _encode(recall)),
            due: seal(due, bytes(8)) if waits else None,
        }

    def page(self, after: int, most: int) -> list[Recall]:
        """Recalls with a number over `after`, oldest first. Raises StoreDamaged."""
        start = RECALLS + number8(after + 1)
        return [
            self._decode(key, held)
            for key, held in islice(self._store.iterate(RECALLS, start=start), most)
        ]

    def get(self, number: int) -> Recall | None:
        """One recall, None where it is not kept. Raises StoreDamaged."""
        key = RECALLS + number8(number)
        held = self._store.get(key)
        return None if held is None else self._decode(key, held)

    def find(self, record_id: bytes, cause: str) -> Recall | None:
        """The recall of a record for a cause. Raises StoreDamaged."""
        name = self._name(record_id, cause)
        held = self._store.get(name)
        return None if held is None else self.get(int.from_bytes(unseal(name, held), "big"))

    def waiting(self) -> Iterator[Recall]:
        """Recalls that wait for the configured webhook, oldest first. Raises StoreDamaged."""
        for key, _ in self._store.iterate(DUE):
            recall = self.get(int.from_bytes(key[len(DUE) :], "big"))
            if recall is not None:
                yield recall

    def prune(self, before_ms: int, most: int = 1_000) -> int:
        """Drop old recalls that wait for nothing; how many."""
        puts: dict[bytes, bytes | None] = {}
        dropped = 0
        for key, held in islice(self._store.iterate(RECALLS), most):
            recall = self._decode(key, held)
            if recall.time_ms >= before_ms or recall.number == self.last:
                break
            if recall.delivery is not Delivery.WAITING:
                puts[key] = puts[self._name(recall.record_id, recall.cause)] = None
                dropped += 1
        if puts:
            self._store.write(puts, sync=False)
        return dropped

    def _decode(self, key: bytes, held: bytes) -> Recall:
        data = json.loads(self._at_rest.decrypt(key, held))
        return Recall(
            number=_number(key),
            record_id=bytes.fromhex(data["record"]),
            cause=data["cause"],
            time_ms=data["time_ms"],
            height=data["height"],
            questions=tuple(OwnQuestion(*each) for each in data["questions"]),
            delivery=Delivery(data["delivery"]),
            tries=data["tries"],
        )

    def _name(self, record_id: bytes, cause: str) -> bytes:
        name = blake2b(
            record_id + cause.encode(), digest_size=16, key=self._key, person=b"recall"
        ).digest()
        return SEEN + self._renamed(name)


def _encode(recall: Recall) -> bytes:
    document = {
        "record": recall.record_id.hex(),
        "cause": recall.cause,
        "time_ms": recall.time_ms,
        "height": recall.height,
        "questions": [(q.number, q.time_ms, q.who, q.case_ref) for q in recall.questions],
        "delivery": int(recall.delivery),
        "tries": recall.tries,
    }
    return json.dumps(document).encode()


def _number(key: bytes) -> int:
    return int.from_bytes(key[len(RECALLS) :], "big")
