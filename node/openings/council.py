"""The council member: this node's part in opening what the ledger approved.

Rules: nothing is computed with the council's share unless the case stands approved in the state of
the last block and everything that `checking` names holds; the part is made once a case, over
restarts: it is kept with the transaction that posts it, and if the ledger did not take that up,
the same bytes go out again; it leaves sealed to the sealing key that the asking regulator has on
the ledger. What does not hold is said once, loudly, and not answered; a better copy may come later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

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
from node.openings.ledger import Lane, Ledger
from node.openings.statements import StatementSource, Wanted
from node.service import Busy

PARTIAL_GAS: Final = 250_000
"""Gas limit of a posted partial: the dearest measured one takes 88,236."""
RETRY_MS: Final = 30_000
"""Block time between tries to find a statement, and before a lost posting goes out again."""

log = Log("openings")


@dataclass(frozen=True, slots=True)
class _Share:
    """The council's key as this node holds it."""

    key: ThresholdKey
    share: EvaluatorShare


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
    ) -> None:
        self._id = member_id_bytes(member)
        self._ledger = ledger
        self._lane = lane
        self._book = book
        self._keys = keys
        self._statements = statements
        self._random_bytes = random_bytes
        self._tried: dict[bytes, int] = {}
        """Cases whose statement was not found: block time of the last try."""
        self._over: set[bytes] = set()
        """Cases in which nothing is left to do, so that a long history costs a block nothing."""
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

    def _approved(self, case_id: bytes) -> CaseRecord | None:
        """The case if this node owes it a part now."""
        read_slot, now_ms = self._ledger.read_slot, self._ledger.now_ms()
        record = read_case(read_slot, case_id, now_ms // 1000)
        if record is None or record.state is CaseState.OPEN:
            return None
        is_posted = read_partial(read_slot, case_id, self._id) is not None
        if record.state is not CaseState.APPROVED or is_posted:
            self._over.add(case_id)
            return None
        return record

    async def _case(self, case_id: bytes) -> None:
        record = self._approved(case_id)
        place = self._book.place(case_id)
        if record is None or place is None:
            return
        sent = self._book.own(case_id)
        if sent is not None:
            self._again(case_id, sent)
            return
        now_ms = self._ledger.now_ms()
        if self._share() is None or now_ms - self._tried.get(case_id, -RETRY_MS) < RETRY_MS:
            return
        self._tried[case_id] = now_ms
        checked = await self._checked(record, place)
        # Much may have happened meanwhile: vote, share and state are read again.
        share = self._share()
        if checked is not None and share is not None and self._approved(case_id) is not None:
            self._post(checked, record, share)

    def _share(self) -> _Share | None:
        live = self._keys.council_key()
        return None if live is None or live.share is None else _Share(live.key, live.share)

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
        if reason is not None:
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
        data = encode_post_partial(case_id, sealed, partial_commitment(case, part))
        self._send(case_id, data)

    def _sealing_key(self, regulator: bytes) -> bytes | None:
        epoch = quota_epoch(self._ledger.now_ms() // 1000, self._ledger.epoch_seconds)
        keys = read_keys_at(self._ledger.read_slot, regulator, epoch)
        return None if keys is None else keys.sealing_key

    def _again(self, case_id: bytes, sent: Sent) -> None:
        """The own part stands on no block: send the same bytes again if they got lost."""
        if self._ledger.waits(Digest(sent.transaction)):
            return
        if self._ledger.now_ms() - sent.sent_ms >= RETRY_MS:
            self._send(case_id, sent.data)

    def _send(self, case_id: bytes, data: bytes) -> None:
        now_ms = self._ledger.now_ms()
        try:
            self._lane.send(
                Address(OPENINGS),
                data,
                extra=lambda signed: self._book.own_puts(case_id, Sent(data, signed.hash, now_ms)),
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
