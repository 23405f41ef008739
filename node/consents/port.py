"""What the outside may ask of a node about consents: a Protocol and its views.

The desk (`node.consents.desk`) implements it, the API translates it to HTTP. Receipts are only at
the member that issued them; persons are named by identifiers that stay in this process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from bulwark.ledger.ids import Digest, Height, RecordId
from bulwark.ledger.proofs import AnchorProof
from node.service import Idempotency, Stage


class ConsentDetail(Struct, frozen=True):
    """A consent of this member with where its anchors stand."""

    consent_id: str
    status: str
    """`given`, `withdrawn`, `expired`, `invalidated`, `objected`, or `erased`."""
    receipt: Mapping[str, Any] | None
    """The last version of the receipt; None once it is erased."""
    version: int
    commitment: Digest
    """Of the last version; zero once it is erased."""
    stage: Stage
    """How far its last event got."""
    height: Height | None
    """Block of its last gift or renewal."""
    withdrawn_height: Height | None
    records: tuple[RecordId, ...]
    """Own records on the ledger that rest on it."""

    def __repr__(self) -> str:
        return f"ConsentDetail({self.consent_id}, {self.status})"

    @property
    def anchor_id(self) -> bytes:
        """32 bytes by which the ledger knows it."""
        return bytes.fromhex(self.consent_id)


class PersonName(Struct, frozen=True):
    """Who is asked about: exactly one of the two."""

    subject: str = ""
    """Pairwise identifier."""
    phone: str = ""
    """E.164."""

    def __repr__(self) -> str:
        return "PersonName()"


class ConsentService(Protocol):
    """Consents of a running node's member."""

    async def give(
        self, document: Mapping[str, object], *, wait: Stage, idempotency: Idempotency | None
    ) -> ConsentDetail:
        """Make, keep and anchor a receipt. Raises DocumentRefused, ServiceError."""
        ...

    async def renew(
        self,
        consent_id: str,
        document: Mapping[str, object],
        *,
        wait: Stage,
        idempotency: Idempotency | None,
    ) -> ConsentDetail:
        """Anchor the next version, with `valid_until` and `method` of the document.

        Raises DocumentRefused, NotFound, Conflict.
        """
        ...

    async def withdraw(
        self, consent_id: str, reason: str, *, wait: Stage, idempotency: Idempotency | None
    ) -> ConsentDetail:
        """Anchor its end. Raises NotFound, Conflict."""
        ...

    async def erase(self, consent_id: str) -> ConsentDetail:
        """Destroy the receipt of a consent that ended. Raises NotFound, Conflict."""
        ...

    def show(self, consent_id: str) -> ConsentDetail:
        """A consent of this member, also an erased one. Raises NotFound."""
        ...

    def page(self, after: str, limit: int) -> Sequence[ConsentDetail]:
        """Consents behind an id in the order of ids; empty text begins."""
        ...

    def search(self, person: PersonName) -> Sequence[ConsentDetail]:
        """Consents of a person that are not erased."""
        ...

    def export(self, person: PersonName) -> Mapping[str, Any]:
        """A person's receipts with salts and proofs. Raises NotFound."""
        ...

    def kantara(self, consent_id: str) -> Mapping[str, Any]:
        """The receipt as a Kantara consent receipt v1.1. Raises NotFound."""
        ...

    def proof(self, consent_id: str) -> AnchorProof:
        """Offline proof of its last anchor. Raises NotFound, Conflict while it is not final."""
        ...

    def status(
        self, person: PersonName, scopes: Sequence[str], purpose: str
    ) -> Mapping[str, Any] | None:
        """CAMARA Consent Info's answer; None for a person that is not known here."""
        ...
