"""The anchorer: signs this member's own transactions, in nonce order, through the outbox.

Rules: nonces of the member's account are given out here and nowhere else, one after another; a
transaction is in the outbox before anybody sees it; what the alliance has not executed after a
restart is sent again, unchanged. A nonce that a block gave to another transaction of this account
(somebody signs with the same key elsewhere) is replaced at once: what was accepted is not dropped.
An anchor that the ledger reverts is said loudly and its records can be reported again. When the
member's account changes by vote, what the old one has not had executed is signed again by the new
one, in one write that forgets the old transaction: no block executes that any more. What waits for
execution is bounded below the mempool's lane, so that whatever is accepted fits there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bulwark.ledger.ids import Address, Digest, Height, RecordId
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.signing import Signer
from bulwark.ledger.transaction import Transaction, sign_transaction
from node.gossip import Parcel, make_parcel
from node.logs import Log
from node.reporting.outbox import Outbox
from node.reporting.tracker import StageTracker
from node.service import Busy

ANCHOR_GAS = 120_000
"""Gas limit of an anchor or consent call: the dearest measured one takes 75,477."""

MAX_UNEXECUTED = 4_000
"""Own transactions that may wait for execution; under the mempool's MAX_NONCE_AHEAD."""

log = Log("anchorer")


class Anchorer:
    """Own transactions of one member."""

    def __init__(
        self,
        key: Signer,
        chain_id: int,
        outbox: Outbox,
        tracker: StageTracker,
        *,
        next_nonce: Callable[[Address], int],
        submit: Callable[[Parcel], None],
        settle: Callable[[], Signer | None] = lambda: None,
        forget: Callable[[list[Digest]], None] = lambda _: None,
    ) -> None:
        """`next_nonce` knows executed and waiting transactions; `submit` takes and spreads one.

        `settle` gives the key of the account that the ledger names now, None for no other one;
        `forget` is told the hashes of transactions that were signed again by another account.
        """
        self._key = key
        self._chain_id = chain_id
        self._outbox = outbox
        self._tracker = tracker
        self._next_nonce = next_nonce
        self._submit = submit
        self._settle = settle
        self._forget = forget
        self._given = 0
        self._unexecuted: dict[int, tuple[Digest, int]] = {}
        """By nonce: transaction hash and number of records."""
        self._executed: dict[Height, list[tuple[int, Address]]] = {}
        """Nonces and accounts to forget once the height is final."""
        self.waiting_records = 0
        """Records in own transactions that are not executed yet."""
        self.reverted = 0
        """Own transactions that the ledger reverted, since start."""
        self.address = key.address

    def waits(self, transaction: Digest) -> bool:
        """Whether an own transaction is still to be executed."""
        return any(waiting == transaction for waiting, _ in self._unexecuted.values())

    @property
    def waiting(self) -> int:
        """Own transactions that are not executed yet."""
        return len(self._unexecuted)

    def resume(self, executed_nonce: int, succeeded: Callable[[Digest], bool | None]) -> None:
        """Send again what the outbox holds and the chain has not executed.

        `succeeded` is None for a transaction that is in no block.
        """
        done: list[tuple[int, Address]] = []
        displaced: list[Parcel] = []
        former: list[Parcel] = []
        for parcel in self._outbox.parcels():
            transaction = parcel.transaction
            if transaction.sender != self.address:
                if succeeded(transaction.hash) is None:
                    former.append(parcel)
                else:
                    done.append((transaction.nonce, transaction.sender))
                continue
            if transaction.nonce < executed_nonce:
                done.append((transaction.nonce, transaction.sender))
                success = succeeded(transaction.hash)
                if success is None:
                    displaced.append(parcel)
                elif not success:
                    self._fail(parcel)
                continue
            self._given = max(self._given, transaction.nonce + 1)
            self._keep(parcel)
            self._submit(parcel)
        for parcel in displaced:
            self._replace(parcel)
        for parcel in former:
            self._replace(parcel, self._outbox.removal(parcel))
        self._outbox.remove(done)
        if self._unexecuted:
            log.info("outbox resumed", transactions=len(self._unexecuted))

    def send(
        self,
        to: Address,
        data: bytes,
        *,
        sidecar: Sidecar | None = None,
        own_records: Mapping[bytes, RecordId] | None = None,
        extra: Callable[[Transaction], Mapping[bytes, bytes | None]] | None = None,
        gas: int = ANCHOR_GAS,
    ) -> Transaction:
        """Sign, make durable and submit a call; returns once it is in the outbox. Raises Busy.

        `extra` gives puts that are written with it, from the signed transaction.
        """
        if len(self._unexecuted) >= MAX_UNEXECUTED:
            raise Busy(f"{len(self._unexecuted)} own transactions wait to be executed")
        return self._send(to, data, sidecar, own_records or {}, extra, gas)

    def _send(
        self,
        to: Address,
        data: bytes,
        sidecar: Sidecar | None,
        own_records: Mapping[bytes, RecordId],
        extra: Callable[[Transaction], Mapping[bytes, bytes | None]] | None = None,
        gas: int = ANCHOR_GAS,
    ) -> Transaction:
        nonce = max(self._given, self._next_nonce(self.address))
        transaction = sign_transaction(
            self._key, chain_id=self._chain_id, nonce=nonce, to=to, data=data, gas=gas
        )
        parcel = make_parcel(transaction, sidecar)
        self._outbox.add(parcel, own_records, extra(transaction) if extra else {})
        self._given = nonce + 1
        self._keep(parcel)
        self._submit(parcel)
        return transaction

    def _keep(self, parcel: Parcel) -> None:
        count = 0 if parcel.sidecar is None else parcel.sidecar.count
        self._unexecuted[parcel.transaction.nonce] = (parcel.transaction.hash, count)
        self.waiting_records += count
        self._tracker.watch(parcel.transaction.hash)

    def _replace(self, parcel: Parcel, also: Mapping[bytes, bytes | None] | None = None) -> None:
        """Give a parcel another nonce, since the chain gave its own to another transaction.

        `also` is written with it: what forgets the parcel of an account that changed.
        """
        old, puts = parcel.transaction, also or {}
        new = self._send(
            old.to or self.address, old.data, parcel.sidecar, {}, lambda _: puts, gas=old.gas
        )
        log.warning("own transaction gets a new nonce", old=old.nonce, new=new.nonce)
        self._tracker.replace(old.hash, new.hash)

    def settle(self) -> None:
        """Sign with the account that the ledger names now, also what the old one still waited for.

        Called when a block changed the registry. A crash on the way leaves each parcel under one of
        the two accounts, and `resume` goes on.
        """
        key = self._settle()
        if key is None or key.address == self.address:
            return
        before, self.address, self._key = self.address, key.address, key
        waiting, self._unexecuted, self._given = self._unexecuted, {}, 0
        self.waiting_records = 0
        for nonce in sorted(waiting):
            parcel = self._outbox.parcel(nonce, before)
            if parcel is not None:
                self._replace(parcel, self._outbox.removal(parcel))
        self._forget([transaction_hash for transaction_hash, _ in waiting.values()])
        log.info("account changed", account=f"0x{key.address.hex()}", signed_again=len(waiting))

    def _fail(self, parcel: Parcel) -> None:
        """What the ledger refused is not on it: say so, and let it be reported again."""
        self.reverted += 1
        records = self._outbox.fail(parcel)
        log.error("own transaction reverted", hash=parcel.transaction.hash.hex(), records=records)

    def executed(
        self,
        transactions: Sequence[Transaction],
        results: Sequence[tuple[Digest, bool]],
        height: Height,
    ) -> None:
        """Note what a block did with own transactions; `results` holds (hash, success) of each."""
        displaced: list[Parcel] = []
        for transaction, (transaction_hash, success) in zip(transactions, results, strict=True):
            if transaction.sender != self.address:
                continue
            kept = self._unexecuted.pop(transaction.nonce, None)
            if kept is None:
                continue
            own_hash, count = kept
            self.waiting_records -= count
            parcel = None
            if own_hash != transaction_hash or not success:
                parcel = self._outbox.parcel(transaction.nonce, transaction.sender)
            self._executed.setdefault(height, []).append((transaction.nonce, transaction.sender))
            if own_hash != transaction_hash:
                displaced += [] if parcel is None else [parcel]
            elif parcel is not None and self._is_account_gone():
                # Refused because the vote on the account came first in this very block.
                displaced.append(parcel)
            elif parcel is not None:
                self._fail(parcel)
        if displaced:
            self.settle()
        for parcel in displaced:
            self._replace(parcel)

    def _is_account_gone(self) -> bool:
        key = self._settle()
        return key is not None and key.address != self.address

    def finalized(self, height: Height) -> None:
        """Forget own transactions of blocks that are final."""
        done: list[tuple[int, Address]] = []
        for at in [at for at in self._executed if at <= height]:
            done += self._executed.pop(at)
        self._outbox.remove(done)
