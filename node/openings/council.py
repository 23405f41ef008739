"""The council member: this node's part in opening what the ledger approved.

Rules: nothing is computed with the council's share unless the case stands approved in the state of
the last block and everything that `checking` names holds; the part is made once a case and sharing
of the key, over restarts: it is kept with the transaction that posts it, and if the ledger did not
take that up, the same bytes go out again; parts of different sharings do not combine, so one is
made anew once another sharing is in force, and none while a handover is under way; it leaves
sealed to the sealing key that the asking regulator has on the ledger. What does not hold is said
once, loudly, and not answered; a better copy may come later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Address, Digest, MemberId
from bulwark.privacy.errors import PrivacyError
from bulwark.privacy.group import RandomBytes
from bulwark.privacy.opening import partial, partial_commitment, seal_partial
from bulwark.privacy.sealing import decode_sealing_key
from bulwark.privacy.threshold import EvaluatorShare, ThresholdKey
from contracts.errors import BadMemberId
from contracts.members import member_id_bytes, member_id_text
from contracts.privacy.keys import quota_epoch, read_keys_at
from contracts.privacy.openings import (
    OPENINGS,
    CaseRecord,
    CaseState,
    encode_post_partial,
    read_case,
    read_partial,
)
from contracts.privacy.query_log import StatementProof
from node.guarded.ports import Keys
from node.logs import Log
from node.openings.casebook import CaseBook, Sent
from node.openings.checking import CaseUnfit, CheckedCase, check
from node.openings.ledger import Lane, Ledger, council_session
from node.openings.statements import StatementSource, Wanted
from node.service import Busy

PARTIAL_GAS: Final = 250_000
"""Gas limit of a posted partial: the dearest measured one takes 142,926."""
RETRY_MS: Final = 30_000
"""Between tries to find a statement, and before a lost posting goes out again."""

log = Log("openings")


class _Share(Struct, frozen=True):
    """The council's key as this node holds it."""

    key: ThresholdKey
    share: EvaluatorShare
    session: bytes


class CouncilMember:
    """Posts this member's parts of approved openings."""

    def __init__(
        self,
        *,
        member: MemberId,
        ledger: Ledger,
        lane: Lane,
        book: CaseBook,
        keys: Keys,
        statements: StatementSource,
        random_bytes: RandomBytes,
        clock_ms: Callable[[], int],
    ) -> None:
        """`clock_ms` is the node's clock: without traffic there is no block time to wait by."""
        self._id = member_id_bytes(member)
        self._ledger = ledger
        self._lane = lane
        self._book = book
        self._keys = keys
        self._statements = statements
        self._random_bytes = random_bytes
        self._clock_ms = clock_ms
        self._tried: dict[tuple[bytes, bytes], int] = {}
        """When the statement of a case was last looked for, by case and sharing."""
        self._over: set[bytes] = set()
        """Cases that take no parts any more, so that a long history costs a block nothing."""
        self._busy = False
        self.unfit: dict[bytes, str] = {}
        """Approved cases that this node took no part in so far, and why; it tries again."""
        self.posted = 0
        """Partials sent since start, repeated ones included."""

    async def act(self) -> None:
        """Take part in what is approved now; to be called after a block, and at the start.

        Raises StoreWriteFailed, StoreDamaged.
        """
        if self._busy:
            return
        self._busy = True
        try:
            for case_id in self._book.cases():
                if case_id not in self._over:
                    await self._case(case_id)
        finally:
            self._busy = False

    def _owed(self, case_id: bytes) -> tuple[CaseRecord, _Share] | None:
        """The case and the share if this node owes it a part now."""
        read_slot, now_ms = self._ledger.read_slot, self._ledger.now_ms()
        record = read_case(read_slot, case_id, now_ms // 1000)
        if record is None or record.state is CaseState.OPEN:
            return None
        if record.state is not CaseState.APPROVED:
            self._over.add(case_id)
            return None
        share = self._share()
        if share is None:
            return None
        posted = read_partial(read_slot, case_id, self._id)
        is_posted = posted is not None and posted.session == share.session
        return None if is_posted else (record, share)

    async def _case(self, case_id: bytes) -> None:
        owed = self._owed(case_id)
        place = self._book.place(case_id)
        if owed is None or place is None:
            return
        record, share = owed
        sent = self._book.own(case_id)
        if sent is not None and sent.session == share.session:
            self._again(case_id, sent)
            return
        mark, now_ms = (case_id, share.session), self._clock_ms()
        if mark in self._tried and now_ms - self._tried[mark] < RETRY_MS:
            return
        self._tried[mark] = now_ms
        checked = await self._checked(record, place)
        # Much may have happened meanwhile: vote, share and state are read again.
        still = self._owed(case_id)
        if checked is not None and still is not None:
            self._post(checked, *still)

    def _share(self) -> _Share | None:
        """The own share, None also while the ledger hands over to another sharing."""
        live = self._keys.council_key()
        if live is None or live.share is None:
            return None
        if live.session != council_session(self._ledger.read_slot):
            return None
        return _Share(live.key, live.share, live.session)

    async def _checked(self, record: CaseRecord, place: StatementProof) -> CheckedCase | None:
        """The case with the first copy of its statement that holds."""
        request = record.request
        try:
            first = MemberId(member_id_text(request.evaluator))
        except BadMemberId:
            first = None
        reason = None
        wanted = Wanted(request.statement_hash, request.case_id)
        async for giver, copy in self._statements.copies(wanted, first):
            try:
                return await check(self._ledger, record, place, copy.served)
            except CaseUnfit as error:
                reason = reason or f"{error.reason} (copy of {giver or 'this node'})"
        reason = reason or "no evaluator that is connected shows its statement"
        self._refuse(request.case_id, reason)
        return None

    def _post(self, checked: CheckedCase, record: CaseRecord, share: _Share) -> None:
        case_id = record.request.case_id
        sealing_key = self._sealing_key(record.regulator)
        if sealing_key is None:
            self._refuse(case_id, "the regulator has no sealing key on the ledger")
            return
        try:
            case, sealing_to = checked.under(share.key), decode_sealing_key(sealing_key)
            part = partial(case, share.share, self._random_bytes)
            sealed = seal_partial(case, part, sealing_to)
        except (CaseUnfit, PrivacyError) as error:
            self._refuse(case_id, str(error))
            return
        self.unfit.pop(case_id, None)
        commitment = partial_commitment(case, part)
        self._send(case_id, encode_post_partial(case_id, sealed, commitment, share.session), share)

    def _sealing_key(self, regulator: bytes) -> bytes | None:
        epoch = quota_epoch(self._ledger.now_ms() // 1000, self._ledger.epoch_seconds)
        keys = read_keys_at(self._ledger.read_slot, regulator, epoch)
        return None if keys is None else keys.sealing_key

    def _again(self, case_id: bytes, sent: Sent) -> None:
        """The own part stands on no block: send the same bytes again if they got lost."""
        if self._ledger.waits(Digest(sent.transaction)):
            return
        if self._clock_ms() - sent.sent_ms >= RETRY_MS:
            self._send(case_id, sent.data, sent)

    def _send(self, case_id: bytes, data: bytes, made: _Share | Sent) -> None:
        now_ms, session = self._clock_ms(), made.session
        try:
            self._lane.send(
                Address(OPENINGS),
                data,
                extra=lambda signed: self._book.own_puts(
                    case_id, Sent(data, signed.hash, now_ms, session)
                ),
                gas=min(PARTIAL_GAS, self._ledger.gas_limit()),
            )
        except Busy:
            return
        self.posted += 1

    def _refuse(self, case_id: bytes, reason: str) -> None:
        if self.unfit.get(case_id) == reason:
            return
        self.unfit[case_id] = reason
        log.error("no part is taken in an approved opening", case=case_id.hex(), reason=reason)
