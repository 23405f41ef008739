"""The shelf: everything that is read about this member's consents.

Rules: what the ledger says decides a consent's status, the vault says what the receipt is; an end
that is sent and not executed yet shows already, with the stage it reached. A person that has no
receipt here and one whose receipts were erased look the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from msgspec import Struct

from bulwark.consents import bundle, camara
from bulwark.consents.commitment import commitment_of
from bulwark.consents.ending import Ending
from bulwark.consents.facts import ReceiptFacts
from bulwark.consents.kantara import to_kantara
from bulwark.ledger.anchor import AnchorKind
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import ZERO_DIGEST, Digest, Height, MemberId, RecordId
from bulwark.ledger.lifecycle import ConsentStanding
from bulwark.ledger.proofs import AnchorProof
from node.chain.consents import ConsentReader
from node.chain.proofs import NotProvable, Prover
from node.chain.records import RecordReader
from node.consents.port import ConsentDetail, PersonName
from node.consents.vault import StoredConsent, Vault
from node.service import Conflict, NotFound, Stage

GIVEN = "given"
ERASED = "erased"


class Ledger(Struct, frozen=True):
    """What the shelf reads of the ledger."""

    genesis: Genesis
    consents: ConsentReader
    records: RecordReader
    prover: Prover
    place_of: Callable[[Digest], tuple[Stage, Height | None]]
    """How far an own transaction got, and its block."""


class Shelf:
    """Reads of one member's consents."""

    def __init__(self, vault: Vault, ledger: Ledger, member: MemberId) -> None:
        self._vault = vault
        self._ledger = ledger
        self._member = member

    def find(self, consent_id: str) -> StoredConsent:
        """A consent that is not erased; raises NotFound."""
        stored = self._vault.find(consent_id)
        if stored is not None:
            return stored
        if self._vault.tombstone(consent_id) is not None:
            raise NotFound("the receipt of this consent was erased")
        raise NotFound("no receipt with this id was issued by this member")

    def show(self, consent_id: str) -> ConsentDetail:
        """A consent, also an erased one; raises NotFound."""
        stored = self._vault.find(consent_id)
        tombstone = self._vault.tombstone(consent_id)
        if stored is not None or tombstone is None:
            return self.detail(self.find(consent_id))
        facts = self._ledger.consents.facts(bytes.fromhex(consent_id))
        ended = None if facts is None or not facts.ended_height else facts.ended_height
        return ConsentDetail(
            consent_id=tombstone.consent_id,
            status=ERASED,
            receipt=None,
            version=tombstone.versions,
            commitment=ZERO_DIGEST,
            stage=Stage.EXECUTED,
            height=None if facts is None else facts.given_height,
            withdrawn_height=ended,
            records=self.resting(bytes.fromhex(tombstone.consent_id)),
        )

    def detail(self, stored: StoredConsent) -> ConsentDetail:
        """A stored consent with its places."""
        version = self._vault.version(stored)
        stage, height = self._ledger.place_of(stored.transactions[-1])
        ended_height: Height | None = None
        if stored.ended is not None and self.is_ended(stored):
            stage, ended_height = self._ledger.place_of(stored.ended)
        return ConsentDetail(
            consent_id=stored.consent_id,
            status=self.status_of(stored),
            receipt=version.receipt,
            version=version.number,
            commitment=commitment_of(version.receipt, version.salt),
            stage=stage,
            height=height,
            withdrawn_height=ended_height,
            records=self.resting(stored.anchor_id),
        )

    def status_of(self, stored: StoredConsent) -> str:
        """Its status in one word; what is not executed yet counts as sent."""
        if self.is_ended(stored):
            ending = Ending.of_code(stored.reason)
            return Ending.WITHDRAWN.label if ending is None else ending.label
        return Ending.EXPIRED.label if self._standing(stored) is ConsentStanding.EXPIRED else GIVEN

    def is_ended(self, stored: StoredConsent) -> bool:
        """Whether its end is on the ledger or on the way; an end that was reverted is none."""
        if stored.ended is None:
            return False
        stage, _ = self._ledger.place_of(stored.ended)
        return stage < Stage.EXECUTED or self._standing(stored) is not ConsentStanding.GIVEN

    def is_settled(self, stored: StoredConsent) -> bool:
        """Whether nothing of it is on the way and it stands no more on the executed ledger."""
        sent = (*stored.transactions, *([] if stored.ended is None else [stored.ended]))
        done = all(self._ledger.place_of(each)[0] >= Stage.EXECUTED for each in sent)
        return done and self._standing(stored) is not ConsentStanding.GIVEN

    def _standing(self, stored: StoredConsent) -> ConsentStanding:
        return self._ledger.consents.standing(stored.anchor_id, self._ledger.records.tip)

    def resting(self, anchor_id: bytes) -> tuple[RecordId, ...]:
        """Own records on the executed ledger, not erased, that rest on a consent."""
        found = (
            (each, self._ledger.records.by_id(each)) for each in self._vault.resting(anchor_id)
        )
        return tuple(
            record_id
            for record_id, record in found
            if record is not None
            and record.payload is not None
            and record.payload.consent_anchor == anchor_id
        )

    def page(self, after: str, limit: int) -> list[ConsentDetail]:
        """Consents behind an id."""
        return [self.detail(self.find(each)) for each in self._vault.page(after, limit)]

    def search(self, person: PersonName) -> list[ConsentDetail]:
        """Consents of a person."""
        return [self.detail(each) for each in self._of_person(person)]

    def export(self, person: PersonName) -> dict[str, Any]:
        """The bundle of a person's receipts; raises NotFound, Conflict for too many."""
        held = self._of_person(person)
        if not held:
            raise NotFound("this member holds no receipt of this person")
        if len(held) > bundle.MAX_CONSENTS:
            raise Conflict(f"{len(held)} consents; a bundle holds {bundle.MAX_CONSENTS}")
        genesis = self._ledger.genesis
        return bundle.bundle(
            [self._bundled(each) for each in held],
            member=self._member,
            alliance=genesis.alliance,
            genesis_hash=genesis.hash.hex(),
        )

    def kantara(self, consent_id: str) -> dict[str, Any]:
        """The last version as a Kantara receipt; raises NotFound."""
        return to_kantara(self._vault.version(self.find(consent_id)).receipt)

    def proof(self, consent_id: str) -> AnchorProof:
        """Proof of its last anchor; raises NotFound, Conflict."""
        stored = self.find(consent_id)
        try:
            return self._ledger.prover.anchor(stored.anchor_id)
        except LookupError as error:
            raise Conflict("the consent is not executed yet") from error
        except NotProvable as error:
            raise Conflict(str(error)) from error

    def status(
        self, person: PersonName, scopes: Sequence[str], purpose: str
    ) -> Mapping[str, Any] | None:
        """CAMARA's answer; None for a person that is not known here."""
        stored = self._of_person(person)
        if not stored:
            return None
        held = [self._held(each) for each in stored]
        return camara.document(camara.statuses(held, scopes, purpose), purpose)

    def _held(self, stored: StoredConsent) -> camara.Held:
        receipt = self._vault.version(stored).receipt
        facts = ReceiptFacts.of(receipt)
        return camara.Held(
            scopes=facts.scopes,
            purpose=receipt["dpv:hasRecordOfActivity"]["dpv:hasProcess"][0]["dpv:hasPurpose"][0],
            valid_until=facts.valid_until,
            is_expired=self.status_of(stored) == Ending.EXPIRED.label,
            ending=stored.reason if self.is_ended(stored) else 0,
            given_at=facts.given_at,
        )

    def _of_person(self, person: PersonName) -> list[StoredConsent]:
        kind, name = ("phone", person.phone) if person.phone else ("subject", person.subject)
        ids = self._vault.of_person(self._vault.person(kind, name))
        return [self.find(each) for each in ids]

    def _bundled(self, stored: StoredConsent) -> bundle.BundledConsent:
        prover = self._ledger.prover
        by_commitment: dict[bytes, int] = {}
        end: int | None = None
        for position in prover.positions(stored.anchor_id):
            anchor = prover.anchor_of(position)
            if anchor.kind is AnchorKind.CONSENT_WITHDRAWN:
                end = position
            else:
                by_commitment[anchor.digest] = position
        versions = []
        for version in self._vault.versions(stored):
            found = by_commitment.get(commitment_of(version.receipt, version.salt))
            stage, _ = self._ledger.place_of(stored.transactions[version.number - 1])
            if found is None and stage >= Stage.EXECUTED:
                continue  # the registry reverted it: no version that counts
            versions.append(
                bundle.BundledVersion(
                    number=version.number,
                    receipt=dict(version.receipt),
                    salt=version.salt,
                    proof=self._proof_at(found),
                )
            )
        return bundle.BundledConsent(
            consent_id=stored.consent_id,
            status=self.status_of(stored),
            versions=tuple(versions),
            end=self._proof_at(end),
        )

    def _proof_at(self, position: int | None) -> dict[str, Any] | None:
        if position is None:
            return None
        try:
            return orjson.loads(self._ledger.prover.anchor_at(position).to_json())  # type: ignore[no-any-return]
        except NotProvable:
            return None
