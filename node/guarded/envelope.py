"""The sealed forms of a guarded question and its answer: one length a scope, one purpose each.

Rules: a question is padded to the length of its scope, sealed to one evaluator's key, and opens for
no other member, chain or purpose; an answer is padded likewise and sealed to the key that the
question brought, for that question alone. So whoever passes them on learns the scope and the size
of the ring and nothing else, and can neither redirect nor exchange them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import MemberId
from bulwark.ledger.signing import SigningDomain
from bulwark.privacy.errors import PrivacyError
from bulwark.privacy.query import (
    EvaluationAnswer,
    EvaluationRequest,
    GuardedRequest,
    Refused,
    Scope,
    decode_reply,
    encode_reply,
    padded_reply_size,
    padded_size,
)
from bulwark.privacy.ring.ristretto import proof_bytes
from bulwark.privacy.sealing import (
    LENGTH_BYTES,
    SEAL_OVERHEAD,
    SealingKey,
    decode_sealing_key,
    pad,
    seal,
    sealing_info,
    unpad,
)

_REQUEST: Final = b"evaluation-request"
_REPLY: Final = b"evaluation-reply"


class EnvelopeRefused(ValueError):
    """A sealed message is not one of this protocol for this reader; it says no more than that."""

    def __init__(self) -> None:
        super().__init__("refused")


def question_size(scope: Scope, ring_keys: int) -> int:
    """Bytes of a padded question of a scope, before it is sealed."""
    return padded_size(scope, proof_bytes(ring_keys)) + LENGTH_BYTES


def sealed_sizes(ring_sizes: Iterable[int]) -> frozenset[int]:
    """The lengths that sealed questions over rings of so many keys have: what relays pass on."""
    return frozenset(
        question_size(scope, keys) + SEAL_OVERHEAD for keys in ring_sizes for scope in Scope
    )


def answer_size(scope: Scope) -> int:
    """Bytes of a padded answer of a scope, before it is sealed."""
    return padded_reply_size(scope) + LENGTH_BYTES


def pad_question(question: GuardedRequest, ring_keys: int) -> bytes:
    """A question at the length of its scope."""
    return pad(question.encode(), question_size(question.request.scope, ring_keys))


def open_question(padded: bytes) -> GuardedRequest:
    """Inverse of pad_question() for a ring of any size; raises EnvelopeRefused.

    A question whose reply key is none is refused here too: nobody could be answered.
    """
    try:
        question = GuardedRequest.decode(unpad(padded, len(padded)))
        decode_sealing_key(question.request.reply_key)
    except (DecodeError, PrivacyError) as error:
        raise EnvelopeRefused from error
    return question


class Envelopes(Struct, frozen=True):
    """Seals and opens for one alliance."""

    domain: SigningDomain

    def seal_question(self, padded: bytes, evaluator: MemberId, key: bytes) -> bytes:
        """For one evaluator; a new ciphertext at every call. Raises PrivacyError for a bad key."""
        return seal(key, self._info(_REQUEST, evaluator.encode()), padded)

    def unseal_question(self, sealed: bytes, own: MemberId, keys: Sequence[SealingKey]) -> bytes:
        """The padded question under the first key that opens it; raises EnvelopeRefused."""
        info = self._info(_REQUEST, own.encode())
        for key in keys:
            try:
                return key.open(info, sealed)
            except PrivacyError:
                continue
        raise EnvelopeRefused

    def seal_answer(self, reply: EvaluationAnswer | Refused, request: EvaluationRequest) -> bytes:
        """For whoever made the request. Raises PrivacyError for a bad reply key."""
        padded = pad(encode_reply(reply), answer_size(request.scope))
        return seal(request.reply_key, self._info(_REPLY, request.digest()), padded)

    def unseal_answer(
        self, sealed: bytes, request: EvaluationRequest, key: SealingKey
    ) -> EvaluationAnswer | Refused:
        """The answer to this very request; raises EnvelopeRefused. Its content is unchecked."""
        try:
            padded = key.open(self._info(_REPLY, request.digest()), sealed)
            return decode_reply(unpad(padded, answer_size(request.scope)))
        except (DecodeError, PrivacyError) as error:
            raise EnvelopeRefused from error

    def _info(self, purpose: bytes, subject: bytes) -> bytes:
        return sealing_info(purpose, self.domain.chain_id, self.domain.genesis_hash, subject)
