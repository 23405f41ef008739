"""The consent desk: gives, renews, ends and erases receipts of this member.

Rules: a receipt version and the transaction that anchors it become durable in one write; a consent
id is random and is also the anchor id; a salt serves one version. Consent is withdrawn, expires or
is invalidated; a processing on another basis is objected to, expires or is invalidated: consent is
never feigned, so nothing else can be withdrawn. A receipt is erased once its consent ended or its
time is over: before that the member could not show what it rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from bulwark.consents.commitment import SALT_BYTES, commitment_of
from bulwark.consents.ending import Ending
from bulwark.consents.facts import ReceiptFacts
from bulwark.consents.faults import DocumentRefused, Fault, found_of, path_of
from bulwark.consents.receipt import Document, Issuer, make_receipt, renew_receipt
from bulwark.consents.terms import ConsentTerms, last_day
from bulwark.ledger.ids import Address, Digest, MemberId
from bulwark.ledger.proofs import AnchorProof
from bulwark.privacy.group import RandomBytes
from contracts.bindings import CONSENT_REGISTRY, encode_give, encode_renew, encode_withdraw
from node.consents.port import ConsentDetail, PersonName
from node.consents.shelf import GIVEN, Shelf
from node.consents.shredder import Shredder
from node.consents.vault import StoredConsent, Vault, Version
from node.reporting.anchorer import Anchorer
from node.reporting.idempotency import IdempotencyStore
from node.reporting.tracker import StageTracker
from node.service import Conflict, Forbidden, Idempotency, Stage
from node.storage.durability import Durability
from node.storage.port import KeyValueStore

_RENEWAL_FIELDS: Final = ("valid_until", "method")
_MAX_VERSIONS: Final = 1_000


class DeskParts(Struct, frozen=True):
    """What the desk hands over to."""

    vault: Vault
    shelf: Shelf
    shredder: Shredder
    store: KeyValueStore
    anchorer: Anchorer
    tracker: StageTracker
    idempotency: IdempotencyStore
    durability: Durability
    member: MemberId
    issuer: Issuer
    may_issue: Callable[[], bool]
    """Whether this member's account may anchor now."""
    random_bytes: RandomBytes
    now_ms: Callable[[], int]
    wait_timeout_ms: int


class ConsentDesk:
    """Consents of one member."""

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts
        self._vault, self._shelf = parts.vault, parts.shelf

    # Writes

    async def give(
        self, document: Mapping[str, object], *, wait: Stage, idempotency: Idempotency | None
    ) -> ConsentDetail:
        """See ConsentService."""
        known = await self._known(idempotency)
        if known is not None:
            return known
        now_ms = self._parts.now_ms()
        terms = ConsentTerms.from_mapping(document, now_ms=now_ms)
        anchor_id = self._parts.random_bytes(32)
        receipt = make_receipt(
            terms, consent_id=anchor_id.hex(), issuer=self._parts.issuer, now_ms=now_ms
        )
        salt = self._parts.random_bytes(SALT_BYTES)
        call = encode_give(
            anchor_id,
            commitment_of(receipt, salt),
            int(terms.purpose),
            int(terms.lawful_basis),
            terms.valid_until_day,
        )
        persons = [self._vault.person("subject", terms.subject)]
        if terms.phone:
            persons.append(self._vault.person("phone", terms.phone))
        fresh = StoredConsent(anchor_id.hex(), (), tuple(persons))
        return await self._anchor_version(fresh, receipt, salt, call, wait, idempotency)

    async def renew(
        self,
        consent_id: str,
        document: Mapping[str, object],
        *,
        wait: Stage,
        idempotency: Idempotency | None,
    ) -> ConsentDetail:
        """See ConsentService."""
        known = await self._known(idempotency)
        if known is not None:
            return known
        now_ms = self._parts.now_ms()
        day, method = _renewal(document, now_ms)
        stored = self._shelf.find(consent_id)
        status = self._shelf.status_of(stored)
        if status != GIVEN:
            raise Conflict(f"this consent is {status}; let the person give another one")
        if stored.latest >= _MAX_VERSIONS:
            raise Conflict(f"this receipt has {stored.latest} versions; give another consent")
        before = self._vault.version(stored).receipt
        receipt = renew_receipt(before, valid_until_day=day, method=method, now_ms=now_ms)
        salt = self._parts.random_bytes(SALT_BYTES)
        call = encode_renew(stored.anchor_id, commitment_of(receipt, salt), day)
        return await self._anchor_version(stored, receipt, salt, call, wait, idempotency)

    async def withdraw(
        self, consent_id: str, reason: str, *, wait: Stage, idempotency: Idempotency | None
    ) -> ConsentDetail:
        """See ConsentService."""
        known = await self._known(idempotency)
        if known is not None:
            return known
        stored = self._shelf.find(consent_id)
        if self._shelf.is_ended(stored):
            raise Conflict(f"this consent is {self._shelf.status_of(stored)} already")
        ending = self._ending(stored, reason)
        transaction = self._parts.anchorer.send(
            self._registry(),
            encode_withdraw(stored.anchor_id, int(ending)),
            extra=lambda signed: {
                **self._vault.put_facts(stored.end(signed.hash, int(ending))),
                **self._entry(idempotency, stored.anchor_id),
            },
        )
        await self._settle(transaction.hash, wait)
        return self._shelf.show(consent_id)

    async def erase(self, consent_id: str) -> ConsentDetail:
        """See ConsentService."""
        stored = self._shelf.find(consent_id)
        if not self._shelf.is_settled(stored):
            raise Conflict("this consent stands: its end has to be executed before it is erased")
        puts = self._vault.erasure(stored, self._parts.now_ms())
        self._parts.store.write(puts, sync=False)
        await self._parts.durability.barrier()
        await self._parts.shredder.shred()
        return self._shelf.show(consent_id)

    # Reads

    def show(self, consent_id: str) -> ConsentDetail:
        """See ConsentService."""
        return self._shelf.show(consent_id)

    def page(self, after: str, limit: int) -> Sequence[ConsentDetail]:
        """See ConsentService."""
        return self._shelf.page(after, limit)

    def search(self, person: PersonName) -> Sequence[ConsentDetail]:
        """See ConsentService."""
        return self._shelf.search(person)

    def export(self, person: PersonName) -> Mapping[str, Any]:
        """See ConsentService."""
        return self._shelf.export(person)

    def kantara(self, consent_id: str) -> Mapping[str, Any]:
        """See ConsentService."""
        return self._shelf.kantara(consent_id)

    def proof(self, consent_id: str) -> AnchorProof:
        """See ConsentService."""
        return self._shelf.proof(consent_id)

    def status(
        self, person: PersonName, scopes: Sequence[str], purpose: str
    ) -> Mapping[str, Any] | None:
        """See ConsentService."""
        return self._shelf.status(person, scopes, purpose)

    async def _anchor_version(
        self,
        before: StoredConsent,
        receipt: Document,
        salt: bytes,
        call: bytes,
        wait: Stage,
        idempotency: Idempotency | None,
    ) -> ConsentDetail:
        """Keep and anchor one more version."""
        version = Version(before.latest + 1, receipt, salt)
        transaction = self._parts.anchorer.send(
            self._registry(),
            call,
            extra=lambda signed: {
                **self._vault.put_version(before.renew(signed.hash), version),
                **self._entry(idempotency, before.anchor_id),
            },
        )
        await self._settle(transaction.hash, wait)
        return self._shelf.show(before.consent_id)

    def _ending(self, stored: StoredConsent, reason: str) -> Ending:
        ending = Ending.of_label(reason)
        if ending is None:
            raise Conflict(f"reason is one of {', '.join(each.label for each in Ending)}")
        is_consent = ReceiptFacts.of(self._vault.version(stored).receipt).is_consent
        if is_consent and ending is Ending.OBJECTED:
            raise Conflict("a consent is withdrawn; objections are to processing on another basis")
        if not is_consent and ending is Ending.WITHDRAWN:
            raise Conflict("this processing does not rest on consent; the person objects to it")
        return ending

    def _registry(self) -> Address:
        if not self._parts.may_issue():
            raise Forbidden(
                f"member {self._parts.member} has no role reporter on the ledger; "
                "it can screen and audit, not anchor consents"
            )
        return Address(CONSENT_REGISTRY)

    async def _settle(self, transaction_hash: Digest, wait: Stage) -> None:
        parts = self._parts
        await parts.durability.barrier()
        progress = await parts.tracker.wait(transaction_hash, wait, parts.wait_timeout_ms)
        if not progress.succeeded:
            raise Conflict("the consent registry refused the transaction of this member")

    async def _known(self, wish: Idempotency | None) -> ConsentDetail | None:
        """The outcome of an earlier request with this key, once it is durable."""
        ids = self._parts.idempotency.find(wish) if wish is not None else None
        if not ids:
            return None
        await self._parts.durability.barrier()
        return self._shelf.show(ids[0].hex())

    def _entry(self, wish: Idempotency | None, anchor_id: bytes) -> dict[bytes, bytes | None]:
        if wish is None:
            return {}
        return self._parts.idempotency.entry(wish, [anchor_id], self._parts.now_ms())


def _renewal(document: Mapping[str, object], now_ms: int) -> tuple[int, str]:
    """Last day and method of a renewal; raises DocumentRefused."""
    faults = [
        Fault(path_of([name]), found_of(document[name]), f"one of {', '.join(_RENEWAL_FIELDS)}")
        for name in document
        if name not in _RENEWAL_FIELDS
    ]
    method = document.get("method", "")
    if not isinstance(method, str) or len(method) > 256 or not method.isprintable():
        faults.append(Fault(path_of(["method"]), found_of(method), "0 to 256 printable characters"))
    day = last_day(document.get("valid_until"), now_ms, faults)
    if faults:
        raise DocumentRefused(faults)
    return day, str(method)
