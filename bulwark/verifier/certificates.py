"""Certificates and epochs of a pack: who could sign at a height, and whether they did.

Rules: validator sets are followed one by one from the genesis document (E4); a certificate that
does not hold is looked at once more to say why: too few, forged, of another header, or by the
validators of an earlier epoch. `bulwark.ledger.epochs` decides, this only names.
"""

from __future__ import annotations

from bulwark.audit.packfiles import CERTIFICATES, EPOCHS, MAX_CERTIFICATE_BYTES
from bulwark.ledger.epochs import EpochChange, EpochTerms
from bulwark.ledger.errors import CertificateInvalid, LedgerError, ProofInvalid
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address, Epoch, MemberId
from bulwark.ledger.validators import ValidatorSet
from bulwark.ledger.votes import Certificate, VoteKind
from bulwark.verifier.archive import FileReader
from bulwark.verifier.codes import Code, PackRefused


class CertificateFile:
    """Certificates in ascending order, asked for by height in ascending order."""

    def __init__(self, reader: FileReader) -> None:
        self._reader = reader
        self._next: Certificate | None = None
        self._last = -1
        self.taken = 0
        """Certificates that were asked for and found."""
        self._advance()

    def at(self, height: int) -> Certificate | None:
        """The certificate of a height, None if there is none; raises PackRefused."""
        found = self._next
        if found is None or found.subject.height > height:
            return None
        if found.subject.height < height:
            raise self._stray(found)
        self.taken += 1
        self._advance()
        return found

    def end(self) -> None:
        """Refuse certificates that nothing asked for."""
        if self._next is not None:
            raise self._stray(self._next)

    def _advance(self) -> None:
        if not self._reader.left:
            self._next = None
            return
        where = f"byte {self._reader.offset}"
        data = self._reader.blob(MAX_CERTIFICATE_BYTES, Code.CERTIFICATE_MALFORMED, where)
        try:
            self._next = Certificate.decode(data)
        except LedgerError as error:
            raise PackRefused(
                Code.CERTIFICATE_MALFORMED, CERTIFICATES, where, str(error)
            ) from error
        height = self._next.subject.height
        if height <= self._last:
            detail = f"a height over {self._last}, {height} given"
            raise PackRefused(Code.CERTIFICATE_MALFORMED, CERTIFICATES, where, detail)
        self._last = height

    def _stray(self, certificate: Certificate) -> PackRefused:
        where = f"header {certificate.subject.height}"
        detail = "a certificate of a header that the pack holds"
        return PackRefused(Code.CERTIFICATE_STRAY, CERTIFICATES, where, detail)


class EpochBook:
    """The epochs proven so far, and the ends that the pack gives for the next."""

    def __init__(self, genesis: Genesis, ends: list[tuple[Header, ValidatorSet]]) -> None:
        self._proven = [EpochTerms.first(genesis)]
        self._ends = ends
        self._genesis = genesis
        self._certified: tuple[Header, Certificate] | None = None

    @property
    def number(self) -> Epoch:
        """The epoch that the next header is of."""
        return self._proven[-1].number

    @property
    def count(self) -> int:
        """Epochs proven, the first included."""
        return len(self._proven)

    @property
    def following(self) -> tuple[Header, ValidatorSet] | None:
        """The next end of an epoch that the pack gives."""
        at = len(self._proven) - 1
        return self._ends[at] if at < len(self._ends) else None

    def verify(self, header: Header, certificate: Certificate) -> None:
        """Check a certificate of the current epoch; raises PackRefused with the reason."""
        try:
            self._proven[-1].verify(header, certificate)
        except ProofInvalid as error:
            raise self._why(header, certificate, error) from error
        self._certified = (header, certificate)

    def advance(self, header: Header) -> None:
        """End the epoch with a header that verify() took; raises PackRefused."""
        where = f"epoch {self.number + 1}"
        change = self.following
        if change is None:
            raise PackRefused(Code.EPOCH_MISSING, EPOCHS, where, "the validators of this epoch")
        if self._certified is None or self._certified[0] != header or change[0] != header:
            detail = f"header {header.height} as the end of epoch {self.number}"
            raise PackRefused(Code.EPOCH_WRONG, EPOCHS, where, detail)
        try:
            following = EpochChange(header, self._certified[1], change[1])
            self._proven.append(self._proven[-1].next(following))
        except ProofInvalid as error:
            raise PackRefused(Code.EPOCH_WRONG, EPOCHS, where, str(error)) from error

    def end(self) -> None:
        """Refuse ends of epochs that no header has."""
        if self.following is not None:
            where = f"epoch {self.number + 1}"
            raise PackRefused(Code.EPOCH_EXTRA, EPOCHS, where, "no further end of an epoch")

    def member_of_key(self, key: Address) -> MemberId | None:
        """Whose node key this is: by genesis, or by a validator set proven here."""
        for member in self._genesis.members:
            if key == member.node:
                return member.id
        for terms in self._proven:
            index = terms.validators.index_of(key)
            if index is not None:
                return terms.validators.validators[index].member
        return None

    def _why(self, header: Header, certificate: Certificate, error: ProofInvalid) -> PackRefused:
        where = f"header {header.height}"
        terms, subject = self._proven[-1], certificate.subject
        is_checkpoint = subject.kind is VoteKind.CHECKPOINT and subject.view == 0
        if is_checkpoint and subject.digest == header.hash():
            if self._is_old(certificate):
                code, detail = Code.CERTIFICATE_OLD, f"validators of epoch {terms.number}"
            elif len(certificate.signatures) < terms.validators.quorum:
                code = Code.CERTIFICATE_FEW
                given = len(certificate.signatures)
                detail = f"{terms.validators.quorum} signers, {given} given"
            else:
                code, detail = Code.CERTIFICATE_FORGED, str(error)
        elif is_checkpoint:
            code, detail = Code.CERTIFICATE_OTHER, "a certificate over exactly this header"
        else:
            code, detail = Code.CERTIFICATE_MALFORMED, "a CHECKPOINT certificate"
        return PackRefused(code, CERTIFICATES, where, detail)

    def _is_old(self, certificate: Certificate) -> bool:
        """Whether an earlier epoch's validators made this certificate in their own epoch."""
        for terms in self._proven[:-1]:
            try:
                certificate.verify(terms.validators, terms.domain)
            except CertificateInvalid:
                continue
            return True
        return False
