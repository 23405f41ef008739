"""The access desk: writes who asks and why before anything is asked, and shows it to auditors.

Rules: the entries of a request are written before it is looked at, so the end of the process, a
kill too, leaves no answer without its entry. They are on disk before a question leaves this member
(`node.guarded.proving`) and before a report is accepted, whose own write follows theirs. What the
member answers out of its own memory and replica does not wait for the disk: a power cut can take
the entries of the last FLUSH_MS and one flush of such answers, of no others (ADR-0018).
An upload has one entry for each purpose, basis and case that occur in it, with the number of their
rows; an entry says that something was asked, whatever became of it. Nobody is named but the API
key: no identifier, no tag and no answer reaches the log.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct

from bulwark.indicators.model import IndicatorReport, ScreeningRequest
from bulwark.indicators.vocabulary import LawfulBasis, Purpose
from bulwark.ledger.accesslog import (
    MAX_ACTION_BYTES,
    MAX_SUBJECT_BYTES,
    MAX_WHO_BYTES,
    AccessEntry,
    AccessKind,
    Head,
)
from bulwark.ledger.ids import Address, Digest, Height, MemberId
from contracts.bindings import member_id_bytes
from contracts.privacy.query_log import (
    ACCESS_ANCHORED_TOPIC,
    QUERY_LOG,
    AccessAnchored,
    decode_query_log_event,
)
from node.chain.store import ChainStore
from node.clock import Clock
from node.directory import Directory
from node.guarded.accesslog import AccessLog
from node.guarded.accessport import (
    MAX_PAGE,
    AccessCheck,
    AccessPage,
    AnchoredAccess,
    ClaimPage,
)
from node.guarded.claims import ClaimBook, asked_for
from node.service import Caller, NotFound
from node.storage.durability import Durability
from node.storage.errors import StorageError
from node.storage.port import KeyValueStore
from node.storage.schema import event

FLUSH_MS = 20
"""From an entry to the flush that makes it durable if nothing else does before."""
TURN = 200
"""Entries or rows between two turns of the event loop: about 5 ms."""
JOB_TURN = 40
"""Entries of a job between two turns of the event loop: about 2 ms."""
_RIGHTS = (Purpose.CONSUMER_PROTECTION.label, LawfulBasis.LEGAL_OBLIGATION.label)
"""Why follow-ups are made: the rights of the persons concerned (GDPR art. 16 to 19 and 21)."""
_SUPERVISION = (Purpose.SUPERVISION.label, LawfulBasis.LEGAL_OBLIGATION.label)
"""Why records leave as evidence."""
Asked = ScreeningRequest | IndicatorReport


class Noted(Struct, frozen=True):
    """How far a part of a job is noted: groups of its rows, first and last entry (0 for none)."""

    groups: int = 0
    first: int = 0
    last: int = 0


class AccessDesk:
    """The access log of this member before its service, and AccessService over it."""

    def __init__(
        self,
        access: AccessLog,
        store: KeyValueStore,
        chain: ChainStore,
        durability: Durability,
        directory: Directory,
        clock: Clock,
        member: MemberId,
        claims: ClaimBook,
    ) -> None:
        self._access = access
        self._store = store
        self._chain = chain
        self._durability = durability
        self._directory = directory
        self._clock = clock
        self._member = member
        self._claims = claims
        self._flush: asyncio.Task[None] | None = None
        self._is_unflushed = False

    async def screening(self, by: Caller, requests: Sequence[ScreeningRequest]) -> None:
        """Note questions. Raises StoreWriteFailed."""
        one = len(requests) == 1
        kind = AccessKind.SCREENING if one else AccessKind.SCREENING_BATCH
        await self._note(by, kind, requests)

    async def reporting(self, by: Caller, reports: Sequence[IndicatorReport]) -> None:
        """Note reports. Raises StoreWriteFailed."""
        kind = AccessKind.REPORT if len(reports) == 1 else AccessKind.REPORT_BATCH
        await self._note(by, kind, reports)

    async def following(self, by: Caller, case_ref: str) -> None:
        """Note a follow-up of a record. Raises StoreWriteFailed."""
        self._entry(by, AccessKind.FOLLOW_UP, _RIGHTS, 1, case_ref)
        self._flush_soon()

    async def disclosing(self, by: Caller, case_ref: str) -> None:
        """Note that an evidence pack goes out. Raises StoreWriteFailed."""
        self._entry(by, AccessKind.RECORD, _SUPERVISION, 1, case_ref)
        self._flush_soon()

    def administering(
        self,
        who: str,
        role: str,
        action: str,
        subject: str = "",
        *,
        kind: AccessKind = AccessKind.ADMINISTRATION,
        count: int = 1,
    ) -> None:
        """Note what is done to this node itself, or who came in; kinds that name an action.

        A text that is longer than an entry holds is cut. Raises StoreWriteFailed.
        """
        self._access.record(
            who=_cut(who, MAX_WHO_BYTES),
            role=role,
            purpose="",
            lawful_basis="",
            case_ref="",
            kind=kind,
            count=count,
            action=_cut(action, MAX_ACTION_BYTES),
            subject=_cut(subject, MAX_SUBJECT_BYTES),
            now_ms=self._clock.wall_ms(),
        )
        self._flush_soon()

    async def _note(self, by: Caller, kind: AccessKind, rows: Sequence[Asked]) -> None:
        groups: Counter[tuple[str, str, str]] = Counter()
        for number, row in enumerate(rows, 1):
            groups[row.purpose.label, row.lawful_basis.label, row.case_ref] += 1
            if number % TURN == 0:
                await asyncio.sleep(0)
        written: list[int] = []
        for number, ((purpose, basis, case_ref), count) in enumerate(groups.items(), 1):
            entry = self._entry(by, kind, (purpose, basis), count, case_ref)
            written.append(entry.number)
            if number % TURN == 0:
                await asyncio.sleep(0)
        # Whatever slot this request spends is claimed for these entries. Others may lie between.
        asked_for.set((written[0], written[-1]) if written else (0, 0))
        self._flush_soon()

    async def part_of_job(
        self,
        by: Caller,
        groups: Sequence[tuple[tuple[str, str, str], int]],
        noted: Noted,
        mark: Callable[[Noted], Mapping[bytes, bytes | None]],
    ) -> Noted:
        """Note the groups (purpose, basis, case; rows) of a part of a job that are not noted yet.

        `mark` gives what is written with each entry, so that a part that is worked again after
        the end of the process is noted once. Raises StoreWriteFailed.
        """
        for (purpose, basis, case_ref), count in groups[noted.groups :]:
            number = self._access.head.count + 1
            noted = Noted(noted.groups + 1, noted.first or number, number)
            why = (purpose, basis)
            self._entry(by, AccessKind.SCREENING_BATCH, why, count, case_ref, mark(noted))
            if noted.groups % JOB_TURN == 0:
                await asyncio.sleep(0)
        asked_for.set((noted.first, noted.last))
        self._flush_soon()
        return noted

    def _entry(
        self,
        by: Caller,
        kind: AccessKind,
        why: tuple[str, str],
        count: int,
        case_ref: str,
        also: Mapping[bytes, bytes | None] = MappingProxyType({}),
    ) -> AccessEntry:
        """Write one entry; `why` is purpose and lawful basis, `also` is written with it."""
        purpose, basis = why
        return self._access.record(
            who=by.key_id,
            role=by.role,
            purpose=purpose,
            lawful_basis=basis,
            case_ref=case_ref,
            kind=kind,
            count=count,
            now_ms=self._clock.wall_ms(),
            also=also,
        )

    def _flush_soon(self) -> None:
        self._is_unflushed = True
        if self._flush is None or self._flush.done():
            self._flush = asyncio.get_running_loop().create_task(self._flushed())

    async def _flushed(self) -> None:
        """Make durable what was noted; a failed flush fails the store for everybody.

        A flush under way may have missed what is noted meanwhile, so another follows then.
        """
        while self._is_unflushed:
            await asyncio.sleep(FLUSH_MS / 1000)
            self._is_unflushed = False
            with contextlib.suppress(StorageError):
                await self._durability.barrier()

    def page(self, after: int, most: int) -> AccessPage:
        """See AccessService."""
        entries, damaged = self._access.readable(after, min(most, MAX_PAGE))
        access = self._access
        return AccessPage(self._member, access.start, access.head, tuple(entries), damaged)

    def claims(self, after: bytes | None, most: int) -> ClaimPage:
        """See AccessService."""
        return self._claims.page(after, min(most, MAX_PAGE))

    def anchors(self, member: str, after: int, most: int) -> list[AnchoredAccess]:
        """See AccessService."""
        if self._directory.member(MemberId(member)) is None:
            raise NotFound(f"the ledger has no member {member}")
        return self._anchors(member, after, min(most, MAX_PAGE))

    def _anchors(self, member: str, after: int, most: int | None) -> list[AnchoredAccess]:
        """Anchors of a member with a sequence over `after`, all of them for `most` None."""
        wanted = member_id_bytes(member)
        found: list[AnchoredAccess] = []
        first = event(Address(QUERY_LOG), ACCESS_ANCHORED_TOPIC, Height(0))
        for key, _ in self._store.iterate(first[:-8]):
            height = Height(int.from_bytes(key[-8:], "big"))
            if most is not None and len(found) >= most:
                break
            found += [at for at in self._at(height, wanted) if at.sequence > after]
        return found[:most]

    def _at(self, height: Height, wanted: bytes) -> list[AnchoredAccess]:
        block = self._chain.block(height) if height <= self._chain.applied else None
        if block is None:
            return []
        found: list[AnchoredAccess] = []
        for receipt in block.receipts:
            for log in receipt.logs:
                made = decode_query_log_event(log.address, log.topics, log.data)
                if isinstance(made, AccessAnchored) and made.id == wanted:
                    head = Head(made.count, Digest(made.root))
                    found.append(
                        AnchoredAccess(made.sequence, head, height, block.header.timestamp_ms)
                    )
        return found

    async def check(self) -> AccessCheck:
        """See AccessService."""
        return await asyncio.get_running_loop().run_in_executor(None, self._check)

    def _check(self) -> AccessCheck:
        anchors = self._anchors(self._member, 0, None)
        gap = self._access.check([anchor.head for anchor in anchors])
        newest = max((anchor.head.count for anchor in anchors), default=0)
        access = self._access
        return AccessCheck(gap, access.head.count, newest, len(anchors), access.start)


def _cut(text: str, most: int) -> str:
    """A text of at most so many bytes of UTF-8."""
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")
