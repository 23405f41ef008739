"""WrongEvaluation: that an evaluator signed an answer which its own share key refutes.

Rules: a case holds only if the ledger knows the sharing by its holders' confirmations, the answer
is for exactly this request and sharing, the holder's account signed it, and the elements or their
proof do not fit the holder's share key; a request that no evaluator may answer proves nothing. So
who answers honestly can not be accused with success, and nobody needs to trust who accuses. What is
in it names no asker (ADR-0016); who files it would, so the asker never does.

Layout: kind 1 | session 32 | published sharing, request and answer, each with its length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError, SignatureInvalid
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Address, Digest, MemberId
from bulwark.ledger.signing import SigningDomain
from bulwark.privacy.dkg.live import LiveSharing, decode_live_sharing
from bulwark.privacy.errors import BadEvaluation, EncodingRefused
from bulwark.privacy.group import decode_element
from bulwark.privacy.query import (
    MAX_REQUEST_BYTES,
    EvaluationAnswer,
    EvaluationRequest,
)
from bulwark.privacy.threshold import check_evaluation
from contracts.errors import ContractError
from contracts.evidence import MAX_FILED_BYTES
from contracts.members import member_id_text
from contracts.privacy.ceremony import MAX_SHARING_BYTES, CeremonyPhase, KeyPurpose
from contracts.privacy.ceremony_reads import read_session
from contracts.slots import ReadSlot

KIND: Final = 6
"""Its number among the kinds of evidence (`node.evidence`)."""
LABEL: Final = "wrong-evaluation"
SESSION_BYTES: Final = 32
AccountOf = Callable[[MemberId], Address | None]


@dataclass(frozen=True)
class WrongEvaluation:
    """A signed answer with the request and the sharing that it is wrong for.

    Raises DecodeError for parts that are none, or a holder that the sharing has not.
    """

    session: bytes
    """Key ceremony that made the sharing, 32 bytes."""
    published: bytes
    """Digest of the ceremony and the encoded sharing, as the ledger got them."""
    request: bytes
    answer: bytes

    def __post_init__(self) -> None:
        index, holders = self.said.evaluation.index, len(self.sharing.members)
        if not 1 <= index <= holders:
            raise DecodeError("wrong evaluation.index", f"{index} given, 1 to {holders} allowed")
        self.asked  # noqa: B018 - a request that is none is refused here

    @cached_property
    def sharing(self) -> LiveSharing:
        """Holders and share keys."""
        return decode_live_sharing(self.published[32:])

    @property
    def label(self) -> str:
        """Word of its kind."""
        return LABEL

    @property
    def sharing_id(self) -> tuple[int, int]:
        """Key id and share epoch."""
        return self.sharing.key_id, self.sharing.share_epoch

    @cached_property
    def asked(self) -> EvaluationRequest:
        """What was asked."""
        reader = Reader(self.request, "evaluation request")
        request = EvaluationRequest.read(reader)
        reader.end()
        return request

    @cached_property
    def said(self) -> EvaluationAnswer:
        """What the evaluator signed."""
        return EvaluationAnswer.decode(self.answer)

    @cached_property
    def culprit_bytes(self) -> bytes:
        """Member id of the holder that signed, 32 bytes."""
        return self.sharing.members[self.said.evaluation.index - 1]

    @property
    def culprit(self) -> MemberId:
        """The holder that signed. Raises DecodeError."""
        try:
            return MemberId(member_id_text(self.culprit_bytes))
        except ContractError as error:
            raise DecodeError("wrong evaluation.member", str(error)) from error

    @cached_property
    def id(self) -> Digest:
        """SHA-256 of the bytes."""
        return sha256(self.encode())

    def encode(self) -> bytes:
        """Canonical bytes."""
        writer = Writer().uint(KIND, 1).fixed(self.session, SESSION_BYTES)
        return writer.blob(self.published).blob(self.request).blob(self.answer).done()

    @classmethod
    def decode(cls, data: bytes) -> WrongEvaluation:
        """Inverse of encode(); raises DecodeError."""
        if len(data) > MAX_FILED_BYTES:
            raise DecodeError("wrong evaluation", f"{len(data)} bytes, at most {MAX_FILED_BYTES}")
        reader = Reader(data, "wrong evaluation")
        if reader.uint(1, "kind") != KIND:
            raise DecodeError("wrong evaluation.kind", f"{KIND} needed", 0)
        session = reader.fixed(SESSION_BYTES, "session")
        published = reader.blob("published", MAX_SHARING_BYTES)
        request = reader.blob("request", MAX_REQUEST_BYTES)
        answer = reader.blob("answer", MAX_FILED_BYTES)
        reader.end()
        return cls(session, published, request, answer)

    def refuted(self, domain: SigningDomain, account: Address | None) -> str | None:
        """Why this proves nothing against the holder with this account, None if it does.

        What the ledger says of the sharing is not looked at (`is_confirmed`). Takes some 10 ms for
        256 elements.
        """
        asked, said = self.asked, self.said
        if (asked.key_id, asked.share_epoch) != self.sharing_id:
            return "the request is for another sharing"
        if (said.request, said.key_id, said.share_epoch) != (asked.digest(), *self.sharing_id):
            return "the answer is for another request"
        if account is None:
            return "the holder has no account"
        try:
            said.check_signature(domain, account)
            blinded = [decode_element(element) for element in asked.blinded]
        except SignatureInvalid:
            return "the holder did not sign the answer"
        except EncodingRefused:
            return "the request holds what no evaluator answers"
        try:
            check_evaluation(self.sharing.key, blinded, said.evaluation)
        except BadEvaluation:
            return None
        return "the answer is right"


def is_confirmed(read_slot: ReadSlot, case: WrongEvaluation) -> bool:
    """Whether the holders of a tag key confirmed the sharing of a case in a finished ceremony."""
    session = read_session(read_slot, case.session)
    return (
        session is not None
        and session.phase is CeremonyPhase.ACTIVE
        and session.purpose is KeyPurpose.TAG
        and session.leading == sha256(case.published)
    )


def holds(
    case: WrongEvaluation, domain: SigningDomain, read_slot: ReadSlot, account_of: AccountOf
) -> bool:
    """Whether a case proves its claim in a state of the ledger."""
    try:
        culprit = case.culprit
    except DecodeError:
        return False
    return is_confirmed(read_slot, case) and case.refuted(domain, account_of(culprit)) is None
