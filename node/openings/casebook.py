"""The case book: what the ledger's blocks said about openings, kept by case.

Rules: it follows executed blocks in order and keeps only what the contract's storage does not have:
that a case exists, the place of its statement, the sealed partials. How a case stands is always
read from the ledger. Following a block again changes nothing, so a node that was killed goes on
from the last height it noted. It also keeps what this node itself did in a case: its own partial,
so that it is made once, and a regulator's result, encrypted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.ids import Height
from bulwark.ledger.receipt import Log
from bulwark.privacy.sharing import MAX_HOLDERS
from contracts.privacy.opening_events import CaseOpened, PartialPosted, decode_opening_event
from contracts.privacy.openings import MAX_SEALED_BYTES
from contracts.privacy.query_log import MAX_SIBLINGS, StatementProof
from node.guarded.atrest import AtRest
from node.openings.calls import decode_open_case
from node.storage.port import KeyValueStore
from node.storage.schema import EVALUATIONS, number8
from node.storage.seal import seal, unseal

CASES: Final = EVALUATIONS + b"\x10"
"""case id32 -> height8 | place of its statement, sealed."""
PARTIALS: Final = EVALUATIONS + b"\x11"
"""case id32 | member id32 -> session32 | commitment32 | its last sealed partial, sealed."""
OWN: Final = EVALUATIONS + b"\x12"
"""case id32 -> this member's own last partial as it was sent, sealed."""
RESULTS: Final = EVALUATIONS + b"\x13"
"""case id32 -> the result as this regulator closed the case with it, encrypted."""
FOLLOWED: Final = EVALUATIONS + b"\x14"
"""-> height8 of the last block with an event of openings, sealed."""
MAX_POSTED_BYTES: Final = 4096
MAX_TEXT_BYTES: Final = 300
MAX_RESULT_BYTES: Final = 1 << 18
"""A record of an opening and the statement with a ring of 1,024 keys take about 75 kB."""

Call = tuple[bytes, Sequence[Log]]
"""Calldata of an executed transaction and the logs it left."""


class Posted(Struct, frozen=True):
    """A partial as it stands on the ledger."""

    member: bytes
    """Member id, 32 bytes."""
    session: bytes
    """Ceremony that made the share it was made with, 32 bytes."""
    commitment: bytes
    sealed: bytes


class Sent(Struct, frozen=True):
    """A call of this node that must not be made anew."""

    data: bytes
    """Calldata, to be sent again unchanged where the ledger did not take it up."""
    transaction: bytes
    sent_ms: int
    """By this node's clock."""
    session: bytes
    """Ceremony that made the share it was made with, 32 bytes."""


class Closing(Struct, frozen=True):
    """What a regulator closed a case with."""

    result: bytes
    """Encoded OpeningResult."""
    served: bytes
    """Encoded ServedStatement."""
    bad: tuple[tuple[str, str], ...]
    """Members whose parts did not hold, and why."""
    transaction: bytes
    """Hash of the transaction that closes the case."""


class CaseBook:
    """Cases by id."""

    def __init__(self, store: KeyValueStore, at_rest: AtRest) -> None:
        self._store = store
        self._at_rest = at_rest

    @property
    def followed(self) -> Height:
        """Height from which blocks have to be shown again after a start."""
        held = self._store.get(FOLLOWED)
        return Height(0 if held is None else int.from_bytes(unseal(FOLLOWED, held), "big"))

    def follow(self, height: Height, calls: Sequence[Call]) -> int:
        """A block was executed: note its cases and partials; how many events it had."""
        puts: dict[bytes, bytes | None] = {}
        count = 0
        for data, logs in calls:
            for entry in logs:
                event = decode_opening_event(entry.address, entry.topics, entry.data)
                if event is None:
                    continue
                count += 1
                if isinstance(event, CaseOpened):
                    puts |= self._opened(height, data, event)
                elif isinstance(event, PartialPosted):
                    key = PARTIALS + event.case_id + event.id
                    puts[key] = seal(key, event.session + event.commitment + event.sealed)
        if count:
            puts[FOLLOWED] = seal(FOLLOWED, number8(height))
            self._store.write(puts, sync=False)
        return count

    def _opened(self, height: Height, data: bytes, event: CaseOpened) -> dict[bytes, bytes]:
        called = decode_open_case(data)
        if called is None or called[0] != event.request:
            return {}
        proof = called[1]
        key = CASES + event.request.case_id
        writer = Writer().uint(height, 8).uint(proof.lefts, 4)
        writer.sequence(proof.siblings, lambda out, sibling: out.fixed(sibling, 32))
        return {key: seal(key, writer.done())}

    def cases(self) -> list[bytes]:
        """Ids of all cases, the newest first."""
        found = [
            (int.from_bytes(value[:8], "big"), key[len(CASES) :])
            for key, value in self._store.iterate(CASES)
        ]
        return [case_id for _, case_id in sorted(found, reverse=True)]

    def place(self, case_id: bytes) -> StatementProof | None:
        """Place of a case's statement in its evaluator's tree, None for an unknown case."""
        key = CASES + case_id
        held = self._store.get(key)
        if held is None:
            return None
        reader = Reader(unseal(key, held), "case")
        reader.uint(8, "height")
        lefts = reader.uint(4, "lefts")
        siblings = reader.sequence("siblings", MAX_SIBLINGS, lambda r: r.fixed(32, "sibling"))
        reader.end()
        return StatementProof(lefts, siblings)

    def partials(self, case_id: bytes) -> Iterator[Posted]:
        """The last partial of each member in a case."""
        prefix = PARTIALS + case_id
        for key, value in self._store.iterate(prefix):
            stored = unseal(key, value)
            sealed = stored[64:][:MAX_SEALED_BYTES]
            yield Posted(key[len(prefix) :], stored[:32], stored[32:64], sealed)

    def own(self, case_id: bytes) -> Sent | None:
        """This member's own last partial, None while it made none."""
        key = OWN + case_id
        held = self._store.get(key)
        if held is None:
            return None
        reader = Reader(unseal(key, held), "own partial")
        sent = Sent(
            data=reader.blob("data", MAX_POSTED_BYTES),
            transaction=reader.fixed(32, "transaction"),
            sent_ms=reader.uint(8, "sent"),
            session=reader.fixed(32, "session"),
        )
        reader.end()
        return sent

    def own_puts(self, case_id: bytes, sent: Sent) -> dict[bytes, bytes | None]:
        """The put that goes with the transaction of the own partial."""
        key = OWN + case_id
        writer = Writer().blob(sent.data).fixed(sent.transaction, 32).uint(sent.sent_ms, 8)
        writer.fixed(sent.session, 32)
        return {key: seal(key, writer.done())}

    def result(self, case_id: bytes) -> Closing | None:
        """What this regulator closed a case with, None for a case that it did not."""
        key = RESULTS + case_id
        held = self._store.get(key)
        if held is None:
            return None
        reader = Reader(self._at_rest.decrypt(key, held), "result")
        found = Closing(
            result=reader.blob("result", MAX_RESULT_BYTES),
            served=reader.blob("served", MAX_RESULT_BYTES),
            bad=reader.sequence("bad parts", MAX_HOLDERS, _read_bad),
            transaction=reader.fixed(32, "transaction"),
        )
        reader.end()
        return found

    def result_puts(self, case_id: bytes, closing: Closing) -> dict[bytes, bytes | None]:
        """The put that goes with the transaction that closes a case."""
        key = RESULTS + case_id
        writer = Writer().blob(closing.result).blob(closing.served)
        writer.sequence(closing.bad, _write_bad).fixed(closing.transaction, 32)
        return {key: self._at_rest.encrypt(key, writer.done())}


def _write_bad(writer: Writer, bad: tuple[str, str]) -> None:
    for text in bad:
        writer.blob(text.encode()[:MAX_TEXT_BYTES])


def _read_bad(reader: Reader) -> tuple[str, str]:
    member, reason = (reader.blob(name, MAX_TEXT_BYTES) for name in ("member", "reason"))
    return member.decode(), reason.decode(errors="replace")
