"""Signature checks before the core: the core takes nothing but what passes as `Authenticated`.

Rules owned: A1 every message is signed by whom it names or proves itself; A2 a VIEW-CHANGE is
validated completely or rejected whole (pitfall S3); A3 an embedded certificate is verified by the
same code as everywhere else. Pure and thread-safe, so a driver may run it in a pool. Nothing here
knows a replica's state: whether a message is timely or wanted is the core's affair.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar, assert_never

from bulwark.ledger.errors import LedgerError
from bulwark.ledger.ids import ValidatorIndex
from bulwark.ledger.signing import SigningDomain, verify
from bulwark.ledger.validators import ValidatorSet
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from consensus.errors import AuthenticationFailed
from consensus.messages import (
    Body,
    BodyRequest,
    Decision,
    Message,
    NewView,
    PrePrepare,
    StableProof,
    StatusReport,
    ViewChange,
    ViewChangeRequest,
    Vote,
    decode_message,
)
from consensus.types import MAX_WINDOW, leader_of

M_co = TypeVar("M_co", bound=Message, covariant=True)


@dataclass(frozen=True, slots=True)
class Authenticated(Generic[M_co]):
    """A message whose signatures and certificates hold; only `authenticate` makes one."""

    message: M_co


def authenticate(
    data: bytes | Message,
    validators: ValidatorSet,
    domain: SigningDomain,
    window: int = MAX_WINDOW,
) -> Authenticated[Message]:
    """Decode if needed and check everything that needs no state; raises AuthenticationFailed.

    `window` is L of the alliance's configuration: no prepared certificate may lie further above
    its checkpoint.
    """
    try:
        message = decode_message(data) if isinstance(data, bytes) else data
        _check(message, validators, domain, window)
    except LedgerError as error:
        raise AuthenticationFailed("message", str(error)) from error
    return Authenticated(message)


def _check(message: Message, validators: ValidatorSet, domain: SigningDomain, window: int) -> None:
    match message:
        case Vote():
            _check_vote(message, validators, domain)
        case PrePrepare():
            _check_pre_prepare(message, validators, domain)
        case ViewChange():
            _check_view_change(message, validators, domain, window)
        case NewView():
            _check_new_view(message, validators, domain, window)
        case StatusReport() | BodyRequest() | ViewChangeRequest():
            _check_signature(message, validators, domain)
        case Decision(certificate=certificate, batch=batch):
            _check_certificate(certificate, VoteKind.COMMIT, validators, domain)
            if certificate.subject.digest != batch.digest:
                raise AuthenticationFailed("decision", "the batch is not the certified one")
        case StableProof(certificate=certificate):
            _check_certificate(certificate, VoteKind.CHECKPOINT, validators, domain)
        case Body():
            pass  # proves itself by the digest that the core asked for
        case _:
            assert_never(message)


def _check_signer(validators: ValidatorSet, signer: ValidatorIndex, what: str) -> None:
    if signer >= len(validators):
        raise AuthenticationFailed(what, f"signer {signer} of {len(validators)} validators")


def _check_signature(
    message: PrePrepare | ViewChange | NewView | StatusReport | BodyRequest | ViewChangeRequest,
    validators: ValidatorSet,
    domain: SigningDomain,
) -> None:
    what = type(message).__name__
    _check_signer(validators, message.signer, what)
    digest = domain.digest(message.TAG, message.signed_body())
    verify(validators.address_of(message.signer), digest, message.signature, what)


def _check_vote(vote: Vote, validators: ValidatorSet, domain: SigningDomain) -> None:
    _check_signer(validators, vote.signer, "vote")
    if vote.subject.kind is VoteKind.CHECKPOINT and vote.subject.view != 0:
        raise AuthenticationFailed("vote", "a CHECKPOINT has view 0")
    digest = vote.subject.signing_digest(domain)
    verify(validators.address_of(vote.signer), digest, vote.signature, "vote")


def _check_pre_prepare(
    message: PrePrepare, validators: ValidatorSet, domain: SigningDomain
) -> None:
    if message.digest != message.batch.digest:
        raise AuthenticationFailed("PrePrepare", "the batch has another digest")
    _check_signature(message, validators, domain)
    subject = VoteSubject(VoteKind.PREPARE, message.view, message.height, message.digest)
    _check_vote(Vote(subject, message.signer, message.vote_signature), validators, domain)


def _check_certificate(
    certificate: Certificate, kind: VoteKind, validators: ValidatorSet, domain: SigningDomain
) -> None:
    if certificate.subject.kind is not kind:
        raise AuthenticationFailed(
            "certificate", f"{certificate.subject.kind.name} given, {kind.name} needed"
        )
    if kind is VoteKind.CHECKPOINT and certificate.subject.view != 0:
        raise AuthenticationFailed("certificate", "a CHECKPOINT has view 0")
    certificate.verify(validators, domain)


def _check_view_change(
    message: ViewChange, validators: ValidatorSet, domain: SigningDomain, window: int
) -> None:
    heights = [certificate.subject.height for certificate in message.prepared]
    if any(a >= b for a, b in pairwise(heights)):
        raise AuthenticationFailed("ViewChange", "prepared heights are not strictly increasing")
    if heights and not message.base < heights[0] <= heights[-1] <= message.base + window:
        raise AuthenticationFailed("ViewChange", "a prepared height is outside the window")
    if any(certificate.subject.view >= message.view for certificate in message.prepared):
        raise AuthenticationFailed("ViewChange", "prepared in a view that is not below its own")
    _check_signature(message, validators, domain)
    if message.checkpoint is not None:
        _check_certificate(message.checkpoint, VoteKind.CHECKPOINT, validators, domain)
    for certificate in message.prepared:
        _check_certificate(certificate, VoteKind.PREPARE, validators, domain)


def _check_new_view(
    message: NewView, validators: ValidatorSet, domain: SigningDomain, window: int
) -> None:
    signers = [signer for signer, _ in message.view_changes]
    if message.view < 1 or message.signer != leader_of(message.view, len(validators)):
        raise AuthenticationFailed("NewView", f"{message.signer} does not lead {message.view}")
    if len(signers) != validators.quorum or any(a >= b for a, b in pairwise(signers)):
        raise AuthenticationFailed("NewView", "does not name exactly a quorum in order")
    if signers[-1] >= len(validators) or len(message.digests) > window:
        raise AuthenticationFailed("NewView", "names a signer or a height out of range")
    _check_signature(message, validators, domain)
