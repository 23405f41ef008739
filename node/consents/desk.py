"""The consent desk: gives, withdraws and shows receipts of this member.

Rules: receipt and transaction become durable in one write; a consent id is random and is also the
anchor id; a receipt can be withdrawn once; what the chain says decides the status.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bulwark.consents.receipt import SALT_BYTES, ConsentTerms, commitment_of, make_receipt
from bulwark.ledger.ids import Address, Digest, Height, MemberId
from bulwark.privacy.group import RandomBytes
from contracts.bindings import CONSENT_REGISTRY, encode_give, encode_withdraw
from node.consents.vault import StoredConsent, Vault
from node.reporting.anchorer import Anchorer
from node.reporting.idempotency import IdempotencyStore
from node.reporting.tracker import StageTracker
from node.service import Conflict, ConsentView, Idempotency, NotFound, Stage
from node.storage.durability import Durability

WITHDRAWAL_REASONS = {"withdrawn": 1, "expired": 2, "invalidated": 3, "objected": 4}
"""Reason names and their codes on the ledger."""


class ConsentDesk:
    """Consents of one member."""

    def __init__(
        self,
        *,
        vault: Vault,
        anchorer: Anchorer,
        tracker: StageTracker,
        idempotency: IdempotencyStore,
        durability: Durability,
        place_of: Callable[[Digest], tuple[Stage, Height | None]],
        member: MemberId,
        member_name: str,
        random_bytes: RandomBytes,
        now_ms: Callable[[], int],
        wait_timeout_ms: int,
    ) -> None:
        """`place_of` tells how far an own transaction got, and its block."""
        self._vault = vault
        self._anchorer = anchorer
        self._tracker = tracker
        self._idempotency = idempotency
        self._durability = durability
        self._place_of = place_of
        self._member = member
        self._member_name = member_name
        self._random_bytes = random_bytes
        self._now_ms = now_ms
        self._wait_timeout_ms = wait_timeout_ms

    async def give(
        self, document: Mapping[str, object], *, wait: Stage, idempotency: Idempotency | None
    ) -> ConsentView:
        """Make, keep and anchor a receipt; raises FieldError, IdempotencyMismatch."""
        known = self._known(idempotency)
        if known is not None:
            await self._durability.barrier()
            return self.view(known)
        now_ms = self._now_ms()
        terms = ConsentTerms.from_mapping(document, now_ms=now_ms)
        anchor_id = self._random_bytes(32)
        receipt = make_receipt(
            terms,
            consent_id=anchor_id.hex(),
            controller=self._member,
            controller_name=self._member_name,
            now_ms=now_ms,
        )
        salt = self._random_bytes(SALT_BYTES)
        commitment = commitment_of(receipt, salt)
        call = encode_give(
            anchor_id,
            commitment,
            int(terms.purpose),
            int(terms.lawful_basis),
            terms.valid_until_day,
        )
        transaction = self._anchorer.send(
            Address(CONSENT_REGISTRY),
            call,
            extra=lambda signed: {
                **self._vault.entry(
                    StoredConsent(anchor_id.hex(), receipt, salt, commitment, signed.hash)
                ),
                **self._entry(idempotency, anchor_id),
            },
        )
        await self._settle(transaction.hash, wait)
        return self.view(anchor_id.hex())

    async def withdraw(
        self, consent_id: str, reason: str, *, wait: Stage, idempotency: Idempotency | None
    ) -> ConsentView:
        """Anchor the withdrawal; raises NotFound, Conflict for a second one."""
        known = self._known(idempotency)
        if known is not None:
            await self._durability.barrier()
            return self.view(known)
        if reason not in WITHDRAWAL_REASONS:
            raise Conflict(f"reason is one of {', '.join(WITHDRAWAL_REASONS)}")
        stored = self._find(consent_id)
        if stored.withdrawn is not None:
            raise Conflict("this consent is withdrawn already")
        call = encode_withdraw(stored.anchor_id, WITHDRAWAL_REASONS[reason])
        transaction = self._anchorer.send(
            Address(CONSENT_REGISTRY),
            call,
            extra=lambda signed: {
                **self._vault.entry(stored.withdraw(signed.hash)),
                **self._entry(idempotency, stored.anchor_id),
            },
        )
        await self._settle(transaction.hash, wait)
        return self.view(consent_id)

    async def _settle(self, transaction_hash: Digest, wait: Stage) -> None:
        await self._durability.barrier()
        progress = await self._tracker.wait(transaction_hash, wait, self._wait_timeout_ms)
        if not progress.succeeded:
            raise Conflict("the consent registry refused the transaction of this member")

    def _known(self, wish: Idempotency | None) -> str | None:
        ids = self._idempotency.find(wish) if wish is not None else None
        return ids[0].hex() if ids else None

    def _entry(self, wish: Idempotency | None, anchor_id: bytes) -> dict[bytes, bytes | None]:
        if wish is None:
            return {}
        return self._idempotency.entry(wish, [anchor_id], self._now_ms())

    def _find(self, consent_id: str) -> StoredConsent:
        stored = self._vault.find(consent_id)
        if stored is None:
            raise NotFound("no receipt with this id was issued by this member")
        return stored

    def stored(self, consent_id: str) -> StoredConsent:
        """The stored receipt with its salt, for the holder's proof; raises NotFound."""
        return self._find(consent_id)

    def view(self, consent_id: str) -> ConsentView:
        """A receipt with where its anchors stand; raises NotFound."""
        stored = self._find(consent_id)
        stage, height = self._place_of(stored.given)
        withdrawn_height: Height | None = None
        if stored.withdrawn is not None:
            stage, withdrawn_height = self._place_of(stored.withdrawn)
        return ConsentView(
            consent_id=stored.consent_id,
            receipt=stored.receipt,
            status="withdrawn" if stored.withdrawn is not None else "given",
            anchor_id=stored.anchor_id,
            commitment=stored.commitment,
            stage=stage,
            height=height,
            withdrawn_height=withdrawn_height,
        )
