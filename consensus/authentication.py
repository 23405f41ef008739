"""Signature checks before the core: the core takes nothing but what passes as `Authenticated`.

Rules owned: A1 every message is signed by whom it names or proves itself; A2 a VIEW-CHANGE is
validated completely or rejected whole (pitfall S3); A3 an embedded certificate is verified by the
same code as everywhere else. Pure and thread-safe, so a driver may run it in a pool. Nothing here
knows a replica's state: whether a message is timely or wanted is the core's affair.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Generic, TypeVar, assert_never

from msgspec import Struct

from bulwark.ledger.errors import LedgerError
from bulwark.ledger.ids import ValidatorIndex
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
from consensus.terms import Terms
from consensus.types import leader_of

M_co = TypeVar("M_co", bound=Message, covariant=True)


class Authenticated(Struct, Generic[M_co], frozen=True):
    """A message whose signatures and certificates hold; only `authenticate` makes one."""

    message: M_co


def authenticate(data: bytes | Message, terms: Terms) -> Authenticated[Message]:
    """Decode if needed and check everything that needs no state; raises AuthenticationFailed."""
    try:
        message = decode_message(data) if isinstance(data, bytes) else data
        _check(message, terms)
    except LedgerError as error:
        raise AuthenticationFailed("message", str(error)) from error
    return Authenticated(message)


def _check(message: Message, terms: Terms) -> None:
    match message:
        case Vote():
            _check_vote(message, terms)
        case PrePrepare():
            _check_pre_prepare(message, terms)
        case ViewChange():
            _check_view_change(message, terms)
        case NewView():
            _check_new_view(message, terms)
        case StatusReport() | BodyRequest() | ViewChangeRequest():
            _check_signature(message, terms)
        case Decision(certificate=certificate, batch=batch):
            _check_certificate(certificate, VoteKind.COMMIT, terms)
            if certificate.subject.digest != batch.digest:
                raise AuthenticationFailed("decision", "the batch is not the certified one")
        case StableProof(certificate=certificate):
            _check_certificate(certificate, VoteKind.CHECKPOINT, terms)
        case Body():
            pass  # proves itself by the digest that the core asked for
        case _:
            assert_never(message)


def _check_signer(terms: Terms, signer: ValidatorIndex, what: str) -> None:
    if signer >= len(terms.validators):
        raise AuthenticationFailed(what, f"signer {signer} of {len(terms.validators)} validators")


def _check_signature(
    message: PrePrepare | ViewChange | NewView | StatusReport | BodyRequest | ViewChangeRequest,
    terms: Terms,
) -> None:
    what = type(message).__name__
    _check_signer(terms, message.signer, what)
    digest = terms.domain.digest(message.TAG, message.signed_body())
    terms.check(terms.validators.address_of(message.signer), digest, message.signature, what)


def _check_vote(vote: Vote, terms: Terms) -> None:
    _check_signer(terms, vote.signer, "vote")
    if vote.subject.kind is VoteKind.CHECKPOINT and vote.subject.view != 0:
        raise AuthenticationFailed("vote", "a CHECKPOINT has view 0")
    digest = vote.subject.signing_digest(terms.domain)
    terms.check(terms.validators.address_of(vote.signer), digest, vote.signature, "vote")


def _check_pre_prepare(message: PrePrepare, terms: Terms) -> None:
    if message.digest != message.batch.digest:
        raise AuthenticationFailed("PrePrepare", "the batch has another digest")
    _check_signature(message, terms)
    subject = VoteSubject(VoteKind.PREPARE, message.view, message.height, message.digest)
    _check_vote(Vote(subject, message.signer, message.vote_signature), terms)


def _check_certificate(certificate: Certificate, kind: VoteKind, terms: Terms) -> None:
    if certificate.subject.kind is not kind:
        raise AuthenticationFailed(
            "certificate", f"{certificate.subject.kind.name} given, {kind.name} needed"
        )
    if kind is VoteKind.CHECKPOINT and certificate.subject.view != 0:
        raise AuthenticationFailed("certificate", "a CHECKPOINT has view 0")
    certificate.verify(terms.validators, terms.domain, terms.check)


def _check_view_change(message: ViewChange, terms: Terms) -> None:
    heights = [certificate.subject.height for certificate in message.prepared]
    if any(a >= b for a, b in pairwise(heights)):
        raise AuthenticationFailed("ViewChange", "prepared heights are not strictly increasing")
    base = message.base_above(terms.start)
    if message.checkpoint is not None and base <= terms.start:
        raise AuthenticationFailed("ViewChange", "its checkpoint is not of this epoch")
    if heights and not base < heights[0] <= heights[-1] <= base + terms.window:
        raise AuthenticationFailed("ViewChange", "a prepared height is outside the window")
    if any(certificate.subject.view >= message.view for certificate in message.prepared):
        raise AuthenticationFailed("ViewChange", "prepared in a view that is not below its own")
    _check_signature(message, terms)
    if message.checkpoint is not None:
        _check_certificate(message.checkpoint, VoteKind.CHECKPOINT, terms)
    for certificate in message.prepared:
        _check_certificate(certificate, VoteKind.PREPARE, terms)


def _check_new_view(message: NewView, terms: Terms) -> None:
    signers = [signer for signer, _ in message.view_changes]
    if message.view < 1 or message.signer != leader_of(message.view, len(terms.validators)):
        raise AuthenticationFailed("NewView", f"{message.signer} does not lead {message.view}")
    if len(signers) != terms.validators.quorum or any(a >= b for a, b in pairwise(signers)):
        raise AuthenticationFailed("NewView", "does not name exactly a quorum in order")
    if signers[-1] >= len(terms.validators) or len(message.digests) > terms.window:
        raise AuthenticationFailed("NewView", "names a signer or a height out of range")
    _check_signature(message, terms)
