"""Consents in memory behind the ConsentService port, with real receipts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from bulwark.consents import bundle, camara
from bulwark.consents.commitment import commitment_of
from bulwark.consents.ending import Ending
from bulwark.consents.facts import ReceiptFacts
from bulwark.consents.kantara import to_kantara
from bulwark.consents.receipt import Issuer, make_receipt, renew_receipt
from bulwark.consents.terms import ConsentTerms
from bulwark.ledger.anchor import Anchor, AnchorKind
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import ZERO_DIGEST, Digest, Height
from bulwark.ledger.proofs import AnchorProof
from node.consents.port import ConsentDetail, PersonName
from node.service import Conflict, Idempotency, NotFound, Stage
from tests.unit.api.fake_chain import SENDER
from tests.unit.api.fake_node import FakeNode

NOW_MS = 1_790_000_000_000
SALT = bytes(32)


@dataclass
class FakeConsents:
    """Consents of one member; what it refuses the desk refuses too."""

    node: FakeNode
    consents: dict[str, ConsentDetail] = field(default_factory=dict)
    persons: dict[str, tuple[str, str]] = field(default_factory=dict)
    promises: dict[str, str] = field(default_factory=dict)

    async def give(
        self, document: Mapping[str, object], *, wait: Stage, idempotency: Idempotency | None
    ) -> ConsentDetail:
        if idempotency is not None and idempotency.key in self.promises:
            return self.consents[self.promises[idempotency.key]]
        terms = ConsentTerms.from_mapping(document, now_ms=NOW_MS)
        consent_id = sha256(b"consent %d" % len(self.consents)).hex()
        issuer = Issuer("bank-a", "Bank A", "Test")
        receipt = make_receipt(terms, consent_id=consent_id, issuer=issuer, now_ms=NOW_MS)
        height = Height(2) if wait >= Stage.EXECUTED else None
        view = ConsentDetail(
            consent_id, "given", receipt, 1, commitment_of(receipt, SALT), wait, height, None, ()
        )
        self.consents[consent_id] = view
        self.persons[consent_id] = (terms.subject, terms.phone)
        if idempotency is not None:
            self.promises[idempotency.key] = consent_id
        return view

    async def renew(
        self,
        consent_id: str,
        document: Mapping[str, object],
        *,
        wait: Stage,
        idempotency: Idempotency | None,
    ) -> ConsentDetail:
        before = self.show(consent_id)
        if before.status != "given" or before.receipt is None:
            raise Conflict(f"this consent is {before.status}")
        receipt = renew_receipt(before.receipt, valid_until_day=0, method="", now_ms=NOW_MS)
        self.consents[consent_id] = replace(
            before, receipt=receipt, version=before.version + 1, stage=wait
        )
        return self.consents[consent_id]

    async def withdraw(
        self, consent_id: str, reason: str, *, wait: Stage, idempotency: Idempotency | None
    ) -> ConsentDetail:
        before = self.show(consent_id)
        if before.status != "given":
            raise Conflict(f"the consent is {before.status} already")
        height = Height(3) if wait >= Stage.EXECUTED else None
        self.consents[consent_id] = replace(
            before, status=reason, stage=wait, withdrawn_height=height
        )
        return self.consents[consent_id]

    async def erase(self, consent_id: str) -> ConsentDetail:
        before = self.show(consent_id)
        if before.status == "given":
            raise Conflict("this consent stands")
        self.persons.pop(consent_id, None)
        self.consents[consent_id] = replace(
            before, status="erased", receipt=None, commitment=ZERO_DIGEST
        )
        return self.consents[consent_id]

    def show(self, consent_id: str) -> ConsentDetail:
        if consent_id not in self.consents:
            raise NotFound("no such consent")
        return self.consents[consent_id]

    def page(self, after: str, limit: int) -> Sequence[ConsentDetail]:
        return [self.consents[each] for each in sorted(self.consents) if each > after][:limit]

    def search(self, person: PersonName) -> Sequence[ConsentDetail]:
        wanted = person.phone or person.subject
        return [self.consents[name] for name, who in self.persons.items() if wanted in who]

    def export(self, person: PersonName) -> Mapping[str, Any]:
        found = self.search(person)
        if not found:
            raise NotFound("no receipt of this person")
        bundled = [
            bundle.BundledConsent(
                each.consent_id,
                each.status,
                (bundle.BundledVersion(1, dict(each.receipt or {}), SALT, None),),
                None,
            )
            for each in found
        ]
        return bundle.bundle(bundled, member="bank-a", alliance="Test", genesis_hash="00" * 32)

    def kantara(self, consent_id: str) -> Mapping[str, Any]:
        return to_kantara(self.show(consent_id).receipt or {})

    def proof(self, consent_id: str) -> AnchorProof:
        view = self.show(consent_id)
        anchor = Anchor(
            kind=AnchorKind.CONSENT_GIVEN, height=Height(1), transaction_index=0, log_index=0,
            account=SENDER, digest=view.commitment, reference=Digest(view.anchor_id),
            purpose=1, basis=1,
        )  # fmt: skip
        return self.node.anchored(anchor)

    def status(
        self, person: PersonName, scopes: Sequence[str], purpose: str
    ) -> Mapping[str, Any] | None:
        found = self.search(person)
        if not found:
            return None
        held = []
        for each in found:
            receipt = dict(each.receipt or {})
            facts = ReceiptFacts.of(receipt)
            ending = Ending.of_label(each.status)
            process = receipt["dpv:hasRecordOfActivity"]["dpv:hasProcess"][0]
            held.append(
                camara.Held(
                    facts.scopes,
                    process["dpv:hasPurpose"][0],
                    facts.valid_until,
                    each.status == "expired",
                    0 if ending is None else int(ending),
                )
            )
        return camara.document(camara.statuses(held, scopes, purpose), purpose)
