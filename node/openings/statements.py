"""Committed statements between nodes: who is given which, and how one is fetched.

Rules: an evaluator shows its log to a regulator, and to other members with keys only the statement
of a case that the ledger approved (the council needs it for its parts, whoever is suspected to
clear itself): a statement names nobody, but when and how much is asked is nobody else's affair.
Answers are bounded. What a node was given is worth nothing until it
is checked: the proof by whoever uses it, the place against the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import MemberId
from bulwark.privacy.errors import PrivacyError
from bulwark.privacy.openingcase import Anchorage
from contracts.members import member_id_bytes
from contracts.privacy.keys import quota_epoch, read_keys_at
from contracts.privacy.openings import CaseState, read_case
from node.guarded.querylog import Entry, QueryLog
from node.guarded.served import MAX_SERVED_BYTES, ServedStatement, decode_served
from node.openings.ledger import Ledger
from node.requests import Mesh, PeerUnavailable, Topic

MAX_FOUND: Final = 4
"""Statements of one hash in an answer: more than one member rarely makes the same request."""
MAX_LISTED: Final = 16
TIMEOUT_MS: Final = 5_000
_CURSOR_BYTES: Final = 44
_BY_HASH: Final = 1
_PAGE: Final = 2


class Wanted(Struct, frozen=True):
    """One statement; who is no regulator names the case that it needs it for."""

    statement_hash: bytes
    case_id: bytes | None = None

    def encode(self) -> bytes:
        """Canonical bytes."""
        writer = Writer().uint(_BY_HASH, 1).fixed(self.statement_hash, 32)
        return writer.optional(self.case_id, lambda w, case_id: w.fixed(case_id, 32)).done()


class WantedPage(Struct, frozen=True):
    """Statements behind a cursor, in the order of their intervals."""

    cursor: bytes | None
    most: int

    def encode(self) -> bytes:
        """Canonical bytes."""
        writer = Writer().uint(_PAGE, 1).uint(self.most, 2)
        return writer.optional(self.cursor, lambda w, cursor: w.fixed(cursor, _CURSOR_BYTES)).done()


def decode_wanted(body: bytes) -> Wanted | WantedPage:
    """A QUERY_LOG request; raises DecodeError."""
    reader = Reader(body, "query log request")
    kind = reader.uint(1, "kind", _PAGE)
    wanted: Wanted | WantedPage
    if kind == _BY_HASH:
        statement_hash = reader.fixed(32, "statement hash")
        wanted = Wanted(statement_hash, reader.optional("case", lambda r: r.fixed(32, "case id")))
    elif kind == _PAGE:
        most = reader.uint(2, "most", MAX_LISTED)
        cursor = reader.optional("cursor", lambda r: r.fixed(_CURSOR_BYTES, "cursor"))
        wanted = WantedPage(cursor, most)
    else:
        raise DecodeError("query log request.kind", f"{kind} given, 1 or 2 allowed", 0)
    reader.end()
    return wanted


class Copy(Struct, frozen=True):
    """One evaluator's copy of a statement, with its place once that is anchored."""

    served: ServedStatement
    anchorage: Anchorage | None


class Copies(Struct, frozen=True):
    """An answer, and where the next page begins."""

    copies: tuple[Copy, ...]
    next: bytes | None = None

    def encode(self) -> bytes:
        """Canonical bytes."""
        writer = Writer().sequence(self.copies, _write_copy)
        return writer.optional(self.next, lambda w, cursor: w.fixed(cursor, _CURSOR_BYTES)).done()


def decode_copies(data: bytes) -> Copies:
    """Inverse of Copies.encode(); raises DecodeError."""
    reader = Reader(data, "query log answer")
    copies = reader.sequence("copies", MAX_LISTED, _read_copy)
    cursor = reader.optional("next", lambda r: r.fixed(_CURSOR_BYTES, "cursor"))
    reader.end()
    return Copies(copies, cursor)


def _write_copy(writer: Writer, copy: Copy) -> None:
    writer.blob(copy.served.encode())
    writer.optional(copy.anchorage, lambda out, anchorage: anchorage.write(out))


def _read_copy(reader: Reader) -> Copy:
    served = decode_served(reader.blob("statement", MAX_SERVED_BYTES))
    try:
        return Copy(served, reader.optional("anchorage", Anchorage.read))
    except PrivacyError as error:
        raise DecodeError("query log answer.anchorage", str(error)) from error


class StatementServer:
    """Serves Topic.QUERY_LOG from this evaluator's own log."""

    def __init__(
        self,
        log: QueryLog,
        own: MemberId,
        ledger: Ledger,
        is_regulator: Callable[[MemberId], bool],
    ) -> None:
        self._log = log
        self._own = member_id_bytes(own)
        self._ledger = ledger
        self._is_regulator = is_regulator

    async def serve(self, asker: MemberId, payload: bytes) -> bytes:
        """Answer a peer's request; raises ValueError with a reason."""
        try:
            wanted = decode_wanted(payload)
        except DecodeError as error:
            raise ValueError(str(error)) from error
        if not self._may_see(asker, wanted):
            raise ValueError("only a regulator, or a member in an approved case, is answered")
        if isinstance(wanted, Wanted):
            return Copies(tuple(self.found(wanted.statement_hash))).encode()
        return self.page(wanted).encode()

    def page(self, wanted: WantedPage) -> Copies:
        """A page of the own log."""
        page = self._log.page(wanted.cursor, wanted.most)
        return Copies(tuple(self._copy(entry) for entry in page.entries), page.next)

    def found(self, statement_hash: bytes) -> list[Copy]:
        """The own copies of a statement."""
        return [self._copy(entry) for entry in self._log.find(statement_hash, MAX_FOUND)]

    def _copy(self, entry: Entry) -> Copy:
        return Copy(entry.served, self._log.anchorage(entry, self._own))

    def _may_see(self, asker: MemberId, wanted: Wanted | WantedPage) -> bool:
        if self._is_regulator(asker):
            return True
        if isinstance(wanted, WantedPage) or wanted.case_id is None:
            return False
        read_slot, now_s = self._ledger.read_slot, self._ledger.now_ms() // 1000
        epoch = quota_epoch(now_s, self._ledger.epoch_seconds)
        if read_keys_at(read_slot, member_id_bytes(asker), epoch) is None:
            return False
        case = read_case(read_slot, wanted.case_id, now_s)
        if case is None or case.state not in (CaseState.APPROVED, CaseState.CLOSED):
            return False
        return case.request.statement_hash == wanted.statement_hash


class StatementSource:
    """Copies of statements from the own log and from other evaluators."""

    def __init__(
        self,
        mesh: Mesh,
        evaluators: Callable[[], Sequence[MemberId]],
        own: StatementServer | None,
        timeout_ms: int = TIMEOUT_MS,
    ) -> None:
        """`evaluators`: whom to ask, this node left out; `own` is None where nothing is served."""
        self._mesh = mesh
        self._evaluators = evaluators
        self._own = own
        self._timeout_ms = timeout_ms

    async def copies(
        self, wanted: Wanted, first: MemberId | None = None
    ) -> AsyncIterator[tuple[MemberId | None, Copy]]:
        """Copies with who gave them (None: this node), those of `first` before the others'.

        Only those that have the wanted hash come; nothing else of them is checked.
        """
        if self._own is not None:
            for copy in self._own.found(wanted.statement_hash):
                yield None, copy
        members = sorted(self._evaluators(), key=lambda member: member != first)
        # All at once: one that hangs must not cost the others' time, and a copy is small.
        answers = await asyncio.gather(*(self._ask(member, wanted) for member in members))
        for member, copies in zip(members, answers, strict=True):
            for copy in copies:
                if copy.served.statement_hash == wanted.statement_hash:
                    yield member, copy

    def own_page(self, wanted: WantedPage) -> Copies:
        """One page of the own log; empty where nothing is served."""
        return Copies(()) if self._own is None else self._own.page(wanted)

    async def page(self, member: MemberId, wanted: WantedPage) -> Copies:
        """One page of another evaluator's log. Raises PeerUnavailable."""
        try:
            return decode_copies(
                await self._mesh.ask(member, Topic.QUERY_LOG, wanted.encode(), self._timeout_ms)
            )
        except DecodeError as error:
            raise PeerUnavailable(member, str(error)) from error

    async def _ask(self, member: MemberId, wanted: Wanted) -> tuple[Copy, ...]:
        try:
            body = wanted.encode()
            answer = await self._mesh.ask(member, Topic.QUERY_LOG, body, self._timeout_ms)
            return decode_copies(answer).copies
        except (PeerUnavailable, DecodeError):
            return ()
