"""The anchorer: signs this member's own transactions, in nonce order, through the outbox.

Rules: nonces of the member's account are given out here and nowhere else, one after another; a
transaction is in the outbox before anybody sees it; what the alliance has not executed after a
restart is sent again, unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bulwark.ledger.ids import Address, Digest, Height, RecordId
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.signing import SigningKey
from bulwark.ledger.transaction import Transaction, sign_transaction
from node.gossip import Parcel, make_parcel
from node.logs import Log
from node.reporting.outbox import Outbox
from node.reporting.tracker import StageTracker

ANCHOR_GAS = 120_000
"""Gas limit of an anchor or consent call: the dearest measured one takes 75,477."""

log = Log("anchorer")


class Anchorer:
    """Own transactions of one member."""

    def __init__(
        self,
        key: SigningKey,
        chain_id: int,
        outbox: Outbox,
        tracker: StageTracker,
        *,
        next_nonce: Callable[[Address], int],
        submit: Callable[[Parcel], None],
    ) -> None:
        """`next_nonce` knows executed and waiting transactions; `submit` takes and spreads one."""
        self._key = key
        self._chain_id = chain_id
        self._outbox = outbox
        self._tracker = tracker
        self._next_nonce = next_nonce
        self._submit = submit
        self._given = 0
        self._unfinished: dict[Digest, int] = {}
        self._executed: dict[Height, list[Digest]] = {}
        self.address = key.address

    def resume(self, executed_nonce: int, is_executed: Callable[[Digest], bool]) -> None:
        """Send again what the outbox holds and the chain has not executed.

        A nonce that the chain gave to another transaction of this account (somebody signs with the
        same key elsewhere) is replaced, so that no accepted record is lost.
        """
        done: list[int] = []
        displaced: list[Parcel] = []
        for parcel in self._outbox.parcels():
            transaction = parcel.transaction
            if transaction.nonce < executed_nonce:
                done.append(transaction.nonce)
                if not is_executed(transaction.hash):
                    displaced.append(parcel)
                continue
            self._given = max(self._given, transaction.nonce + 1)
            self._unfinished[transaction.hash] = transaction.nonce
            self._tracker.watch(transaction.hash)
            self._submit(parcel)
        for parcel in displaced:
            log.warning("anchor gets a new nonce", old=parcel.transaction.nonce)
            self.send(
                parcel.transaction.to or self.address,
                parcel.transaction.data,
                sidecar=parcel.sidecar,
            )
        self._outbox.remove(done)
        if self._unfinished:
            log.info("outbox resumed", transactions=len(self._unfinished))

    def send(
        self,
        to: Address,
        data: bytes,
        *,
        sidecar: Sidecar | None = None,
        own_records: Mapping[bytes, RecordId] | None = None,
        extra: Callable[[Transaction], Mapping[bytes, bytes | None]] | None = None,
    ) -> Transaction:
        """Sign, make durable and submit a call; returns once it is in the outbox.

        `extra` gives puts that are written with it, from the signed transaction.
        """
        nonce = max(self._given, self._next_nonce(self.address))
        transaction = sign_transaction(
            self._key, chain_id=self._chain_id, nonce=nonce, to=to, data=data, gas=ANCHOR_GAS
        )
        parcel = make_parcel(transaction, sidecar)
        self._outbox.add(parcel, own_records or {}, extra(transaction) if extra else {})
        self._given = nonce + 1
        self._unfinished[transaction.hash] = nonce
        self._tracker.watch(transaction.hash)
        self._submit(parcel)
        return transaction

    def executed(self, hashes: list[Digest], height: Height) -> None:
        """Note the block of own transactions."""
        for transaction_hash in hashes:
            if transaction_hash in self._unfinished:
                self._executed.setdefault(height, []).append(transaction_hash)

    def finalized(self, height: Height) -> None:
        """Forget own transactions of blocks that are final."""
        done: list[int] = []
        for at in [at for at in self._executed if at <= height]:
            done += [self._unfinished.pop(h) for h in self._executed.pop(at)]
        self._outbox.remove(done)
