"""The regulator's side of an opening: from the sealed parts on the ledger to who asked.

Rules: the case and its statement are checked as a council member checks them, since the regulator's
key decrypts as well; every part is opened and checked before it is used, and a wrong one names its
maker; parts of different sharings of the council's key do not combine, so those of a sharing that
is not in force are left out and named: their makers' nodes make them anew. Nothing is concluded
with fewer than t parts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct

from bulwark.ledger.ids import MemberId
from bulwark.privacy.errors import (
    BadPartial,
    InputRefused,
    OpensToNobody,
    PrivacyError,
    TooFewPartials,
)
from bulwark.privacy.group import RandomBytes
from bulwark.privacy.opening import PartialOpening, open_partial, regulator_part
from bulwark.privacy.openingcase import OpeningCase
from bulwark.privacy.openingresult import OpeningResult, conclude
from contracts.errors import BadMemberId
from contracts.members import member_id_text
from contracts.privacy.openings import CaseRecord
from contracts.privacy.query_log import StatementProof
from node.guarded.ports import LiveKey
from node.guarded.served import ServedStatement
from node.openings.casebook import CaseBook, Posted
from node.openings.checking import CaseUnfit, CheckedCase, check
from node.openings.ledger import CouncilKey, Ledger, RegulatorKeys
from node.openings.statements import StatementSource, Wanted
from node.service import Conflict, Forbidden, Unavailable


class BadPart(Struct, frozen=True):
    """A posted part that does not hold."""

    member: str
    """Who posted it."""
    reason: str


class Concluded(Struct, frozen=True):
    """A finished opening."""

    result: OpeningResult
    served: ServedStatement
    bad: tuple[BadPart, ...]


@dataclass(slots=True)
class _Parts:
    """Posted parts of a case under one sharing."""

    case: OpeningCase
    good: list[PartialOpening] = field(default_factory=list)
    bad: list[BadPart] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    """Members whose last part is of a sharing that is not in force."""

    @property
    def others(self) -> str:
        """Why parts that were posted do not count."""
        found = ""
        if self.bad:
            found += "; bad parts: " + "; ".join(f"{p.member}: {p.reason}" for p in self.bad)
        if self.stale:
            found += (
                "; of another sharing of the council's key, being made anew by their nodes: "
                + ", ".join(self.stale)
            )
        return found


class Regulator:
    """Finishes cases with the regulator's part of the opener."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        book: CaseBook,
        keys: RegulatorKeys,
        council: CouncilKey,
        statements: StatementSource,
        random_bytes: RandomBytes,
    ) -> None:
        self._ledger = ledger
        self._book = book
        self._keys = keys
        self._council = council
        self._statements = statements
        self._random_bytes = random_bytes

    async def conclude(self, record: CaseRecord) -> Concluded:
        """Open an approved case with the parts that are on the ledger now.

        Raises Conflict (too few good parts, or a case that does not hold), Forbidden (not this
        regulator's key), Unavailable (no evaluator showed the statement).
        """
        place = self._book.place(record.request.case_id)
        if place is None:
            raise Conflict("this node has not followed the block that opened the case yet")
        checked = await self._checked(record, place)
        live = self._council()
        if live is None:
            raise Conflict("the council has no key yet")
        parts = self._gather(checked, record, live)
        return Concluded(self._combine(checked, parts), _served(checked), tuple(parts.bad))

    async def _checked(self, record: CaseRecord, place: StatementProof) -> CheckedCase:
        reason = None
        async for _, copy in self._statements.copies(Wanted(record.request.statement_hash)):
            try:
                return await check(self._ledger, record, place, copy.served)
            except CaseUnfit as error:
                reason = error.reason
        if reason is None:
            raise Unavailable("no evaluator that is connected shows the statement of this case")
        raise Conflict(f"the case does not hold: {reason}")

    def _gather(self, checked: CheckedCase, record: CaseRecord, live: LiveKey) -> _Parts:
        """The parts on the ledger, as they are under the sharing in force."""
        try:
            case = checked.under(live.key)
        except CaseUnfit as error:
            raise Conflict(f"the case does not hold: {error.reason}") from error
        parts = _Parts(case)
        for posted in self._book.partials(record.request.case_id):
            name = _name(posted.member)
            if posted.session != live.session:
                parts.stale.append(name)
                continue
            index = live.index_of(MemberId(name))
            if index is None:
                parts.bad.append(BadPart(name, "it holds no share of the key"))
                continue
            found = self._open(case, index, posted)
            if isinstance(found, PartialOpening):
                parts.good.append(found)
            else:
                parts.bad.append(BadPart(name, found))
        return parts

    def _open(self, case: OpeningCase, index: int, posted: Posted) -> PartialOpening | str:
        """The part, or why it is bad under every sealing key of this regulator."""
        reason = "this node has no sealing key"
        for key in self._keys.sealing_keys():
            try:
                return open_partial(case, key, index, posted.commitment, posted.sealed)
            except (BadPartial, InputRefused) as error:
                reason = str(error)
        return reason

    def _combine(self, checked: CheckedCase, parts: _Parts) -> OpeningResult:
        secret = self._keys.opener_part(checked.regulator)
        if secret is None:
            raise Forbidden("this node does not hold the regulator's key of this opener")
        try:
            own = regulator_part(parts.case, secret, self._random_bytes)
            return conclude(parts.case, own, parts.good, checked.query.statement.ring.keys)
        except TooFewPartials as error:
            raise Conflict(f"{error}{parts.others}") from error
        except OpensToNobody as error:
            raise Conflict(str(error)) from error
        except PrivacyError as error:
            raise Conflict(f"the opening failed: {error}") from error


def _served(checked: CheckedCase) -> ServedStatement:
    return ServedStatement(checked.query.statement, checked.query.proof)


def _name(member: bytes) -> str:
    try:
        return member_id_text(member)
    except BadMemberId:
        return member.hex()
