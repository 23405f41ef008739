"""Epochs: which validators vote on which heights, and how anyone can follow their changes.

Rules owned: E1 the boundary that a change decided at a height takes effect behind; E4 the last
certificate of an epoch certifies the header that commits to the next validator set and parameters,
so sets are followed one by one from the genesis document (pitfall S11). Nothing here has state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct, field

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import CertificateInvalid, ProofInvalid
from bulwark.ledger.features import level_of
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.hashing import sha256
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Digest, Epoch, Height
from bulwark.ledger.signing import SigningDomain
from bulwark.ledger.validators import ValidatorSet
from bulwark.ledger.votes import Certificate, VoteKind

MAX_PARAMETERS: Final = 64
"""Governed parameters of one epoch."""
MAX_PARAMETER_CHARS: Final = 31
MAX_VALIDATORS_BYTES: Final = 16 * 1024
"""Encoding of a full validator set, with room."""
MAX_EPOCH_CHANGES: Final = 1_024
"""Most changes that one proof follows: more than one a week for fifteen years."""


def boundary(height: Height, window: int, interval: int) -> Height:
    """E1: last height of the epoch in which the block of `height` decided a change.

    The first multiple of the checkpoint `interval` at least one `window` above: no replica takes
    part above low + L before it executed `height`, so none has voted beyond the boundary.
    """
    return Height(-(-(height + window) // interval) * interval)


def write_parameters(writer: Writer, parameters: Mapping[str, int]) -> Writer:
    """Append parameters by name, ascending."""
    items = sorted(parameters.items())
    return writer.sequence(items, lambda w, item: w.text(item[0]).uint(item[1], 8))


def read_parameters(reader: Reader) -> dict[str, int]:
    """Inverse of write_parameters(); raises DecodeError."""
    items = reader.sequence(
        "parameters",
        MAX_PARAMETERS,
        lambda r: (r.text("name", MAX_PARAMETER_CHARS), r.uint(8, "value")),
    )
    return dict(items)


def parameters_hash(parameters: Mapping[str, int]) -> Digest:
    """SHA-256 of the encoded parameters with its own tag: the header's next_parameters_hash."""
    return sha256(b"bulwark/parameters/1\x00" + write_parameters(Writer(), parameters).done())


def proven_level(header: Header, parameters: Mapping[str, int]) -> int:
    """U1: the protocol level that begins to hold above a certified header.

    Any build can tell it from the parameters, also one that does not know the level. Raises
    ProofInvalid for parameters that the header does not commit to.
    """
    if parameters_hash(parameters) != header.next_parameters_hash:
        raise ProofInvalid(f"header {header.height}", "commits to other parameters")
    return level_of(parameters)


class EpochChange(Struct, frozen=True):
    """The end of an epoch: its last header, the certificate of it, and who votes next."""

    header: Header
    certificate: Certificate
    validators: ValidatorSet

    def write(self, writer: Writer) -> Writer:
        """Append header, certificate and set, each with its length."""
        writer.blob(self.header.encode()).blob(self.certificate.encode())
        return writer.blob(self.validators.encode())

    @classmethod
    def read(cls, reader: Reader) -> EpochChange:
        """Inverse of write(); raises LedgerError. Verifies nothing."""
        header = Header.decode(reader.blob("header", 1024))
        certificate = Certificate.decode(reader.blob("certificate", 16 * 1024))
        return cls(
            header,
            certificate,
            ValidatorSet.decode(reader.blob("validators", MAX_VALIDATORS_BYTES)),
        )


class EpochTerms(Struct, frozen=True):
    """Who votes in one epoch, on heights above `start`."""

    validators: ValidatorSet
    domain: SigningDomain
    start: Height
    """Last height of the epoch before; 0 for epoch 0."""
    parameters: Mapping[str, int] = field(default_factory=dict)
    """Parameters that governance set, by name; known to nodes, not to followers of proofs."""

    @property
    def number(self) -> Epoch:
        """The epoch's number."""
        return self.validators.epoch

    @classmethod
    def first(cls, genesis: Genesis) -> EpochTerms:
        """Epoch 0 of an alliance."""
        return cls(genesis.validator_set, genesis.domain(), Height(0))

    def verify(self, header: Header, certificate: Certificate) -> None:
        """Check that a certificate of this epoch is over exactly this header.

        Raises ProofInvalid.
        """
        what = f"header {header.height}"
        subject = certificate.subject
        if header.epoch != self.number or header.height <= self.start:
            raise ProofInvalid(
                what, f"is of epoch {header.epoch}, epoch {self.number} begins above {self.start}"
            )
        if subject.kind is not VoteKind.CHECKPOINT or subject.view != 0:
            raise ProofInvalid(what, f"certificate is of kind {subject.kind.name}, not CHECKPOINT")
        if subject.height != header.height or subject.digest != header.hash():
            raise ProofInvalid(what, "certificate is over another header")
        try:
            certificate.verify(self.validators, self.domain)
        except CertificateInvalid as error:
            raise ProofInvalid(what, str(error)) from error

    def next(self, change: EpochChange) -> EpochTerms:
        """E4: the epoch that follows; raises ProofInvalid if the change does not prove it."""
        header = change.header
        what = f"end of epoch {self.number}"
        self.verify(header, change.certificate)
        if header.epoch_end != header.height:
            raise ProofInvalid(what, f"header {header.height} is not the last of its epoch")
        if change.validators.epoch != self.number + 1:
            raise ProofInvalid(what, f"followed by a set of epoch {change.validators.epoch}")
        if change.validators.hash() != header.next_validators_hash:
            raise ProofInvalid(what, "the next validators are not those that the header names")
        domain = SigningDomain(
            self.domain.chain_id, self.domain.genesis_hash, change.validators.epoch
        )
        return EpochTerms(change.validators, domain, header.height)


def follow(genesis: Genesis, changes: Iterable[EpochChange]) -> EpochTerms:
    """The epoch after these changes, each verified in turn; raises ProofInvalid."""
    terms = EpochTerms.first(genesis)
    for change in changes:
        terms = terms.next(change)
    return terms
