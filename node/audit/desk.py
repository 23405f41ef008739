"""The audit desk: reports and samples of the whole alliance from this node's own replica.

Rules: a report rests on one final block; it is made on a thread of its own, one at a time, since
votes must not wait for it; what needs the state is asked on the event loop. A few may wait, more
are refused. Nothing is kept but seeds of samples.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from bulwark.audit.report import Report
from bulwark.audit.sampling import POPULATIONS, Population, Sample, accounts_needed
from bulwark.indicators.records import source_of
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address, Height, MemberId, RecordId
from bulwark.ledger.lifecycle import ConsentStanding
from bulwark.ledger.record import Record
from contracts.member_events import EVENT_NAMES, MemberAdded, decode_member_event
from contracts.members import MEMBER_REGISTRY, member_id_text
from contracts.privacy.keys import read_ring_key_owner
from contracts.slots import ReadSlot
from node.audit.population import drawn
from node.audit.port import MAX_ROWS, MAX_SAMPLE, Drawing, ReportTitle, ReportWish, SampleWish
from node.audit.reports.breaches import breaches
from node.audit.reports.consents import consents
from node.audit.reports.disputes import disputes
from node.audit.reports.erasures import erasures
from node.audit.reports.openings import openings
from node.audit.reports.quotas import quotas
from node.audit.reports.reporters import reporters
from node.audit.reports.retention import retention
from node.audit.reports.scope import TITLES, Scope
from node.audit.reports.sharing import sharing
from node.audit.scan import LedgerScan
from node.audit.seeds import SeedKeeper, SeedsBusy, seed_block
from node.chain.records import StoredRecord
from node.chain.store import ChainStore
from node.directory import Directory
from node.reporting.payload import opening_key, source_key
from node.service import Busy, Conflict, NotFound
from node.storage import blocks
from node.storage.port import KeyValueStore

T = TypeVar("T")
_ADDED: Final = next(topic for topic, name in EVENT_NAMES.items() if name == "MemberAdded")
Breach = Callable[[StoredRecord], str | None]
MAX_WAITING: Final = 8
"""Reports and samples that wait for the thread."""
LOOP_S: Final = 30.0
"""Most that the thread waits for a turn of the event loop."""
MAKERS: Final[Mapping[str, Callable[[Scope], Report]]] = {
    "sharing": sharing,
    "retention": retention,
    "consents": consents,
    "disputes": disputes,
    "quotas": quotas,
    "openings": openings,
    "erasures": erasures,
    "breaches": breaches,
    "reporters": reporters,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditGround:
    """What the desk stands on."""

    store: KeyValueStore
    chain: ChainStore
    directory: Directory
    own: MemberId
    """Whose node this is."""
    first_members: frozenset[MemberId]
    """Those of genesis."""
    index_key: bytes = field(repr=False)
    """32 secret bytes that commitments are made with."""
    read_slot: ReadSlot
    """Reads the state after the last block."""
    validators_at: Callable[[Height], int]
    """How many validators vote on a height."""
    quotas: Callable[[], Mapping[str, int]]
    """Quotas in force now by scope."""
    is_regulator: Callable[[Address, Height], bool]
    consent_standing: Callable[[bytes, Header], ConsentStanding]
    """How a consent stands at a block."""
    breach: Breach | None = None


class AuditDesk:
    """AuditService of one node."""

    def __init__(self, ground: AuditGround, seeds: SeedKeeper | None = None) -> None:
        self._ground = ground
        self._seeds = seeds or SeedKeeper(ground.store)
        self._pool = ThreadPoolExecutor(1, "audit")
        self._waiting = 0

    def reports(self) -> Sequence[ReportTitle]:
        """See AuditService."""
        return [ReportTitle(name, title) for name, title in TITLES.items()]

    async def report(self, name: str, wish: ReportWish) -> Report:
        """See AuditService."""
        make = MAKERS.get(name)
        if make is None:
            raise NotFound(f"there is no report {name}; there are: {', '.join(MAKERS)}")
        self._need_member(wish.member)
        ground, loop = self._ground, asyncio.get_running_loop()
        scope = Scope(
            scan=self._scan(wish.to_height),
            first=wish.from_height,
            member=wish.member,
            after=wish.after,
            most=max(1, min(wish.most, MAX_ROWS)),
            members=[member.id for member in ground.directory.members],
            is_regulator=ground.is_regulator,
            quotas=ground.quotas(),
            consent=partial(self._consent, self._final(wish.to_height)),
            breaches=ground.breach and partial(self._breaches, ground.breach, loop),
        )
        return await self._on_thread(partial(make, scope))

    def ring_key_owner(self, key: bytes) -> MemberId | None:
        """See AuditService."""
        owner = read_ring_key_owner(self._ground.read_slot, key)
        return None if owner is None else MemberId(member_id_text(owner))

    def case_key(self, record_id: RecordId) -> bytes:
        """See AuditService."""
        ground = self._ground
        place = ground.chain.record_place(record_id)
        sidecar = None if place is None else ground.chain.sidecar(place.root)
        if place is not None and sidecar is None:
            ground.chain.check_kept(f"record {record_id.hex()}", place.height)
        if place is None or sidecar is None:
            raise NotFound("this node has no such record")
        anchors = ground.chain.anchors(place.height)
        anchor = next(a for a in anchors if a.count and a.digest == place.root)
        entry = sidecar.entries[place.position]
        if ground.directory.member_of(anchor.account) != ground.own:
            raise Conflict("another member reported this record: only that one opens its case")
        if not isinstance(entry, Record):
            raise Conflict("the record is erased, and its salt with it: nobody opens it any more")
        if source_of(entry.payload) is not None:
            return source_key(entry.tag)
        return opening_key(ground.index_key, b"case", entry.salt)

    async def sample(self, wish: SampleWish) -> Sample | Drawing:
        """See AuditService."""
        if wish.population not in POPULATIONS:
            raise NotFound(f"there is no population {wish.population}: {', '.join(POPULATIONS)}")
        if wish.population == "access" and wish.member is None:
            raise NotFound("entries of an access log are drawn from one member's")
        self._need_member(wish.member)
        scan = self._scan(wish.to_height)
        ahead = self._scan(None)
        accounts = accounts_needed(self._ground.validators_at(wish.to_height))
        place = await self._on_thread(partial(seed_block, ahead, wish.to_height, accounts))
        if place is None:
            raise Conflict(
                f"no final block above {wish.to_height} is a seed yet: within 5 seconds of ledger "
                f"time {accounts} accounts must write, in a stretch of 10 seconds without a pause"
            )
        try:
            seed = await self._seeds.seed(ahead, place)
        except SeedsBusy as error:
            raise Busy("too many seeds are being made") from error
        if isinstance(seed, Drawing):
            return seed
        population = Population(wish.population, scan.basis, wish.member)
        size = max(1, min(wish.size, MAX_SAMPLE))
        strata = await self._on_thread(
            partial(drawn, scan, population, seed, size, by_member=wish.by_member)
        )
        return Sample(population, seed, strata)

    def close(self) -> None:
        """Stop what runs on threads."""
        self._seeds.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _final(self, last: Height | None) -> Height:
        chain = self._ground.chain
        height = chain.finalized if last is None else last
        if not 0 <= height <= chain.finalized:
            raise Conflict(f"block {height} is not final here; the last is {chain.finalized}")
        return height

    def _scan(self, last: Height | None) -> LedgerScan:
        loop = asyncio.get_running_loop()
        return LedgerScan(self._ground.store, self._final(last), partial(self._name, loop))

    def _consent(self, height: Height, anchor_id: bytes) -> ConsentStanding:
        header = blocks.read_header(self._ground.store, height)
        return self._ground.consent_standing(anchor_id, header)

    def _breaches(
        self, breach: Breach, loop: asyncio.AbstractEventLoop, records: Sequence[StoredRecord]
    ) -> list[str | None]:
        """Rules that records break, judged on the loop: policies are in the state."""

        async def judged() -> list[str | None]:
            return [breach(record) for record in records]

        return asyncio.run_coroutine_threadsafe(judged(), loop).result(LOOP_S)

    def _name(self, loop: asyncio.AbstractEventLoop, account: bytes) -> MemberId:
        """Holder of an account, asked on the loop: the state is not for threads."""

        async def asked() -> MemberId:
            return self._ground.directory.member_of(account)

        return asyncio.run_coroutine_threadsafe(asked(), loop).result(LOOP_S)

    def _need_member(self, member: MemberId | None) -> None:
        """Refuse a name that no member ever had: an empty report would look like an answer."""
        if member is None or self._ground.directory.member(member) is not None:
            return
        if member not in self._former():
            raise NotFound(f"the ledger has and had no member {member}")

    def _former(self) -> set[MemberId]:
        """Members of genesis, and all that joined since, those that left too."""
        scan = self._scan(None)
        added = (
            decode_member_event(logged.log.address, logged.log.topics, logged.log.data)
            for logged in scan.logs(MEMBER_REGISTRY, _ADDED)
        )
        ids = {event.member.id for event in added if isinstance(event, MemberAdded)}
        return {*self._ground.first_members, *(MemberId(member_id_text(each)) for each in ids)}

    async def _on_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise Busy("too many reports are being made")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1
