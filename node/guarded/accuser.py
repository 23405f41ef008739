"""The accuser: brings a wrong evaluation to the ledger without saying who asked (ADR-0016).

Rules: the asker never files, since its account would name it; it hands the case to the member that
passed the question on, which knew already who asked whom, and to another one only after three
tries; that member verifies the case, forgets who brought it, waits a random time and files it. The
asker keeps the case until the ledger has it, so a silent helper suppresses nothing. Cases are
encrypted at rest: they are of questions that this member asked or passed on. In an alliance of two
there is nobody to hide among, and the asker files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import Address, Digest, MemberId
from bulwark.privacy.group import RandomBytes
from contracts.evidence import (
    EVIDENCE_REGISTRY,
    MAX_FILED_BYTES,
    encode_unverified,
    unverified_gas,
)
from node.guarded.accusation import KIND, WrongEvaluation
from node.guarded.accusationbook import AccusationBook, Judgement
from node.guarded.atrest import AtRest
from node.logs import Log
from node.reporting.evidence_poster import Lane
from node.requests import Mesh, PeerUnavailable, Topic
from node.service import Busy
from node.storage.durability import Durability
from node.storage.port import KeyValueStore
from node.storage.schema import EVALUATIONS

OWN: Final = EVALUATIONS + b"\x33"
"""SHA-256 of a case -> what this member has to hand over, encrypted."""
HANDED: Final = EVALUATIONS + b"\x34"
"""SHA-256 of a case -> what this member files for somebody, encrypted."""
MAX_OWN: Final = 16
"""Cases of this member on their way; an evaluator that is always wrong fills no disk."""
MAX_HANDED: Final = 64
MAX_CHECKING: Final = 2
"""Cases of one member being verified at once."""
SAME_HELPER: Final = 3
"""Tries with the member that passed the question on."""
MAX_TRIES: Final = 24
RETRY_MS: Final = 60_000
HAND_MS: Final = 10_000
"""Wait for the helper's answer; it verifies first."""

log = Log("accusations")


class AccusationRefused(ValueError):
    """A member does not file what it was handed."""


class _Kept(Struct, frozen=True):
    """A case on its way."""

    due_ms: int
    tries: int
    helper: MemberId
    """Who passed the question on; empty for nobody, and where this member files."""
    case: WrongEvaluation

    def encode(self) -> bytes:
        writer = Writer().uint(self.due_ms, 8).uint(self.tries, 1)
        return writer.text(self.helper).blob(self.case.encode()).done()

    @classmethod
    def decode(cls, data: bytes) -> _Kept:
        reader = Reader(data, "accusation")
        due_ms, tries = reader.uint(8, "due"), reader.uint(1, "tries")
        helper = MemberId(reader.text("helper", 64))
        case = WrongEvaluation.decode(reader.blob("case", MAX_FILED_BYTES))
        reader.end()
        return cls(due_ms, tries, helper, case)


class AccuserParts(Struct, frozen=True, kw_only=True):
    """What accusing works with."""

    own: MemberId
    mesh: Mesh
    store: KeyValueStore
    at_rest: AtRest
    durability: Durability
    lane: Lane
    book: AccusationBook
    judgement: Judgement
    members: Callable[[], int]
    """Members of the ring now."""
    delay_ms: int
    """Longest wait before a case is filed for somebody."""
    random_bytes: RandomBytes
    wall_ms: Callable[[], int]


class Accuser:
    """Hands over own cases, files others', serves Topic.ACCUSE."""

    def __init__(self, parts: AccuserParts) -> None:
        self._parts = parts
        self._checking: Counter[MemberId] = Counter()

    def note(self, case: WrongEvaluation, helper: MemberId | None) -> None:
        """An own question was answered wrongly through this member. Raises StoreWriteFailed."""
        is_full = sum(1 for _ in self._parts.store.iterate(OWN)) >= MAX_OWN
        if is_full or self._parts.book.has(case) or self._has(OWN, case):
            return
        now_ms = self._parts.wall_ms()
        if self._parts.members() <= 2:
            self._keep(HANDED, _Kept(now_ms, 0, MemberId(""), case))
        else:
            self._keep(OWN, _Kept(now_ms, 0, helper or MemberId(""), case))

    def pending(self) -> list[WrongEvaluation]:
        """Own cases that the ledger has not yet."""
        return [kept.case for kept in self._all(OWN)]

    async def follow(self) -> None:
        """Follow the ledger, hand over and file what is due. Raises StoreWriteFailed."""
        await self._parts.book.follow()
        now_ms = self._parts.wall_ms()
        for kept in self._all(OWN):
            if self._parts.book.has(kept.case):
                self._drop(OWN, kept)
            elif kept.due_ms <= now_ms:
                await self._hand_over(kept, now_ms)
        for kept in self._all(HANDED):
            if self._parts.book.has(kept.case):
                self._drop(HANDED, kept)
            elif kept.due_ms <= now_ms:
                self._file(kept, now_ms)

    async def serve(self, sender: MemberId, body: bytes) -> bytes:
        """Keep a case that holds, to file it later; raises ValueError with a reason."""
        parts = self._parts
        try:
            case = WrongEvaluation.decode(body)
        except DecodeError as error:
            raise AccusationRefused(str(error)) from None
        if parts.book.has(case) or self._has(HANDED, case):
            return b"\x01"
        is_full = sum(1 for _ in parts.store.iterate(HANDED)) >= MAX_HANDED
        if is_full or self._checking[sender] >= MAX_CHECKING:
            raise AccusationRefused("too many cases wait")
        self._checking[sender] += 1
        try:
            is_sound = await parts.judgement.of(case)
        finally:
            self._checking[sender] -= 1
            if not self._checking[sender]:
                del self._checking[sender]
        if not is_sound or case.culprit == parts.own:
            raise AccusationRefused("it does not hold here")
        share = int.from_bytes(parts.random_bytes(8), "big") / (1 << 64)
        due_ms = parts.wall_ms() + int(share * parts.delay_ms)
        self._keep(HANDED, _Kept(due_ms, 0, MemberId(""), case))
        await parts.durability.barrier()
        return b"\x01"

    async def _hand_over(self, kept: _Kept, now_ms: int) -> None:
        parts = self._parts
        if kept.tries >= MAX_TRIES:
            log.error("nobody filed a case", member=kept.case.culprit)
            self._drop(OWN, kept)
            return
        wait_ms = RETRY_MS
        helper = self._helper(kept)
        if helper is not None:
            try:
                await parts.mesh.ask(helper, Topic.ACCUSE, kept.case.encode(), HAND_MS)
                wait_ms += parts.delay_ms
            except PeerUnavailable as error:
                log.info("a case could not be handed over", reason=type(error).__name__)
        self._keep(OWN, replace(kept, due_ms=now_ms + wait_ms, tries=kept.tries + 1))

    def _helper(self, kept: _Kept) -> MemberId | None:
        """Who is asked to file: the member that knows already, later any third one."""
        others = (self._parts.own, kept.case.culprit)
        third = [member for member in self._parts.mesh.connected() if member not in others]
        if kept.tries < SAME_HELPER and kept.helper:
            return kept.helper if kept.helper in third else None
        return min(third, key=lambda member: self._parts.random_bytes(8), default=None)

    def _file(self, kept: _Kept, now_ms: int) -> None:
        """Send it to the ledger; kept until the ledger has it, for a time."""
        if kept.tries >= SAME_HELPER:
            self._drop(HANDED, kept)
            return
        data = kept.case.encode()
        later = replace(kept, due_ms=now_ms + 2 * RETRY_MS, tries=kept.tries + 1)

        def puts(transaction: Digest) -> dict[bytes, bytes | None]:
            return self._put(HANDED, later) | self._parts.book.mark_posted(kept.case, transaction)

        try:
            self._parts.lane.send(
                Address(EVIDENCE_REGISTRY),
                encode_unverified(kept.case.culprit_bytes, KIND, data),
                extra=lambda signed: puts(signed.hash),
                gas=unverified_gas(data),
            )
        except Busy:
            return

    def _has(self, prefix: bytes, case: WrongEvaluation) -> bool:
        return self._parts.store.get(prefix + case.id) is not None

    def _all(self, prefix: bytes) -> list[_Kept]:
        return [
            _Kept.decode(self._parts.at_rest.decrypt(key, value))
            for key, value in self._parts.store.iterate(prefix)
        ]

    def _keep(self, prefix: bytes, kept: _Kept) -> None:
        self._parts.store.write(self._put(prefix, kept), sync=False)

    def _put(self, prefix: bytes, kept: _Kept) -> dict[bytes, bytes | None]:
        key = prefix + kept.case.id
        return {key: self._parts.at_rest.encrypt(key, kept.encode())}

    def _drop(self, prefix: bytes, kept: _Kept) -> None:
        self._parts.store.write({prefix + kept.case.id: None}, sync=False)
