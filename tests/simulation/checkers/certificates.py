"""Invariant 8: every certificate of an honest node verifies, by a second implementation.

The quorum is counted by the slow reference, signers are distinct, and the signed bytes are built
here from the vote's definition under the domain of the epoch in which the node votes: a certificate
of another epoch, kind or height never passes. Each signature is checked once.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from bulwark.ledger.errors import LedgerError, SignatureInvalid
from bulwark.ledger.ids import Epoch
from bulwark.ledger.votes import Certificate, VoteKind
from consensus.terms import Terms
from tests.reference.quorums import reference_quorum
from tests.simulation.checkers.record import Record
from tests.simulation.checkers.votes import PreparedUnique

if TYPE_CHECKING:
    from tests.simulation.node import SimNode

quorum_of = lru_cache(reference_quorum)


class Certificates:
    """Invariant 8; hands PREPARE and COMMIT certificates on to invariant 4."""

    def __init__(self, record: Record, unique: PreparedUnique) -> None:
        self._record = record
        self._unique = unique
        self._good: set[tuple[int, int, int, int, bytes, tuple[tuple[int, bytes], ...]]] = set()
        self._signed: dict[tuple[int, int, int, int, bytes], dict[int, bytes]] = {}
        """Checked signatures by subject and signer."""
        self._epochs: set[int] = set()

    def on_use(self, node: SimNode, certificate: Certificate, kind: VoteKind, height: int) -> None:
        """A certificate of this kind and height stands behind a block or an announcement."""
        subject = certificate.subject
        if subject.kind is not kind or subject.height != height:
            self._record.fail(
                8,
                "certificate",
                f"node {node.index} uses a {subject.kind.name} of {subject.height} as {kind.name} "
                f"of {height}",
            )
        self.check(self._record.terms(node), certificate)

    def check(self, terms: Terms, certificate: Certificate) -> None:
        """Verify one certificate in an epoch's terms."""
        subject = certificate.subject
        epoch = terms.domain.epoch
        mark = (epoch, subject.kind, subject.view, subject.height, subject.digest)
        key = (*mark, certificate.signatures)
        if key in self._good:
            return
        signers = {signer for signer, _ in certificate.signatures}
        members = terms.validators.validators
        if len(signers) != len(certificate.signatures) or len(signers) < quorum_of(len(members)):
            self._fail(certificate, f"has the signers {[s for s, _ in certificate.signatures]}")
        checked = self._signed.setdefault(mark, {})
        for signer, signature in certificate.signatures:
            if checked.get(signer) == signature:
                continue
            if not 0 <= signer < len(members):
                self._fail(certificate, f"is signed by {signer} of {len(members)}")
            body = subject.view.to_bytes(8, "big") + subject.height.to_bytes(8, "big")
            tag = b"vote/" + bytes([subject.kind])
            signed = terms.domain.digest(tag, body + subject.digest)
            try:
                terms.check(members[signer].address, signed, signature, "checker")
            except SignatureInvalid as error:
                self._fail(certificate, f"of epoch {epoch}: {error}")
            checked[signer] = signature
        self._good.add(key)
        if epoch not in self._epochs:
            self._epochs.add(epoch)
            self._only_here(terms, certificate)
        if subject.kind is not VoteKind.CHECKPOINT:
            self._unique.on_certificate(epoch, certificate)

    def _only_here(self, terms: Terms, certificate: Certificate) -> None:
        """S1: in an epoch with the same members the same signatures are worth nothing."""
        later = replace(terms.domain, epoch=Epoch(terms.domain.epoch + 1))
        members = replace(terms.validators, epoch=later.epoch)
        try:
            certificate.verify(members, later, terms.check)
        except LedgerError:
            return
        self._fail(certificate, f"of epoch {terms.domain.epoch} counts in the next one too")

    def _fail(self, certificate: Certificate, what: str) -> None:
        subject = certificate.subject
        self._record.fail(
            8, "certificate", f"{subject.kind.name} certificate of height {subject.height} {what}"
        )
