"""Audit of query logs: reads an evaluator's statements and says which of them hold.

Rules: nothing that an evaluator shows is believed: the ring proof is verified again, on a thread,
the place is compared with the anchor on the ledger, chain, ring and opener epoch with its state. A
statement that does not hold is shown with the reason, since it is evidence against its evaluator.
"""

from __future__ import annotations

from bulwark.ledger.ids import MemberId
from bulwark.privacy.errors import CaseRefused
from bulwark.privacy.openingcase import Anchorage
from contracts.members import Role, member_id_bytes, read_members
from contracts.privacy.query_log import read_anchor
from node.guarded.served import ServedStatement
from node.openings.checking import CaseUnfit, check_statement, prove
from node.openings.ledger import Ledger
from node.openings.port import StatementPage, StatementView
from node.openings.statements import Copy, StatementSource, WantedPage
from node.requests import PeerUnavailable
from node.service import Forbidden, Unavailable

_NO_CASE = bytes(32)


class LogAudit:
    """Reads logs of evaluators."""

    def __init__(self, own: MemberId, ledger: Ledger, statements: StatementSource) -> None:
        self._own = own
        self._ledger = ledger
        self._statements = statements

    async def page(self, evaluator: MemberId, wanted: WantedPage) -> StatementPage:
        """A page of an evaluator's log. Raises Forbidden, Unavailable."""
        if evaluator == self._own:
            found = self._statements.own_page(wanted)
        elif not self._is_regulator():
            raise Forbidden("only a regulator's node reads the log of another member")
        else:
            try:
                found = await self._statements.page(evaluator, wanted)
            except PeerUnavailable as error:
                raise Unavailable(f"{evaluator} does not show its log: {error.reason}") from error
        views = [await self._view(copy) for copy in found.copies]
        return StatementPage(tuple(views), found.next)

    def _is_regulator(self) -> bool:
        own = member_id_bytes(self._own)
        members = read_members(self._ledger.read_slot)
        return any(member.id == own and member.roles & Role.REGULATOR for member in members)

    async def _view(self, copy: Copy) -> StatementView:
        served, where = copy.served, copy.anchorage
        statement = served.statement
        return StatementView(
            statement_hash=served.statement_hash,
            nullifier=served.proof.nullifier.encoding,
            epoch=statement.epoch,
            scope=statement.scope,
            slot=statement.slot,
            ring_size=len(statement.ring),
            interval=None if where is None else (where.anchor.epoch, where.anchor.interval),
            obstacle=await self._obstacle(served, where),
        )

    async def _obstacle(self, served: ServedStatement, where: Anchorage | None) -> str | None:
        try:
            check_statement(self._ledger, _NO_CASE, served)
            query = await prove(_NO_CASE, served)
            if where is None:
                return None
            query.committed(where)
        except CaseUnfit as error:
            return error.reason
        except CaseRefused as error:
            return str(error)
        anchor = where.anchor
        found = read_anchor(self._ledger.read_slot, anchor.evaluator, anchor.root)
        if found is None or (found.epoch, found.interval) != (anchor.epoch, anchor.interval):
            return "the ledger has no such anchor"
        return None
