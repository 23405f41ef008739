"""Consensus messages off the wire: decode, encode again, authenticate."""

from __future__ import annotations

from random import Random
from typing import ClassVar

from msgspec.structs import replace

from bulwark.ledger.batch import Batch
from bulwark.ledger.errors import LedgerError
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Height, TimestampMs, ValidatorIndex, View
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from consensus.authentication import authenticate
from consensus.errors import AuthenticationFailed
from consensus.keyring import Keyring
from consensus.messages import (
    Body,
    BodyRequest,
    Decision,
    Message,
    NewView,
    PrePrepare,
    SlotStatus,
    StableProof,
    StatusReport,
    ViewChange,
    ViewChangeRequest,
    Vote,
    decode_message,
    encode_message,
)
from tests.fuzz.structure import change
from tests.fuzz.target import Finding, Target, refusal
from tests.simulation.alliance import Alliance, make_alliance


def resigned(message: Message, keyring: Keyring) -> Message:
    """The message as its signer would have signed it."""
    if isinstance(message, Vote):
        return replace(message, signature=keyring.sign_vote(message.subject))
    if isinstance(message, Body | Decision | StableProof):
        return message
    if isinstance(message, PrePrepare):
        subject = VoteSubject(VoteKind.PREPARE, message.view, message.height, message.digest)
        message = replace(message, vote_signature=keyring.sign_vote(subject))
    return replace(message, signature=keyring.sign(message.TAG, message.signed_body()))


def certificate(alliance: Alliance, subject: VoteSubject) -> Certificate:
    """A certificate of the first quorum of validators."""
    votes = {ValidatorIndex(i): k.sign_vote(subject) for i, k in enumerate(alliance.keyrings)}
    return Certificate.assemble(subject, votes, alliance.validators.quorum)


def samples(alliance: Alliance) -> list[Message]:
    """At least one valid message of each kind."""
    one, empty = ValidatorIndex(1), Batch(TimestampMs(1_700_000_000_000), ())
    full = Batch(TimestampMs(1_700_000_000_001), (b"tx 1", b"tx two " * 9))
    digest, none = full.digest, b""
    prepare = VoteSubject(VoteKind.PREPARE, View(3), Height(9), digest)
    commit = VoteSubject(VoteKind.COMMIT, View(0), Height(2), digest)
    check = VoteSubject(VoteKind.CHECKPOINT, View(0), Height(8), sha256(b"header"))
    prepared = tuple(certificate(alliance, replace(prepare, height=Height(h))) for h in (9, 10, 12))
    stable = certificate(alliance, check)
    slots = (SlotStatus(Height(9), True, 7, 3, 0), SlotStatus(Height(10), False, 0, 0, 15))
    change_0 = ViewChange(View(1), None, (), one, none)
    change_5 = ViewChange(View(5), stable, prepared, one, none)
    hashes = tuple((ValidatorIndex(i), Digest(sha256(b"%d" % i))) for i in range(3))
    unsigned: list[Message] = [
        PrePrepare(View(0), Height(1), empty.digest, one, none, none, empty),
        PrePrepare(View(3), Height(9), digest, one, none, none, full),
        *(Vote(subject, one, none) for subject in (prepare, commit, check)),
        change_0,
        change_5,
        NewView(View(1), hashes, (), one, none),
        NewView(View(5), hashes, (digest, empty.digest), one, none),
        StatusReport(View(0), False, Height(0), Height(0), True, (), one, none),
        StatusReport(View(5), True, Height(9), Height(8), False, slots, one, none),
        BodyRequest(Height(9), digest, one, none),
        Body(Height(9), full),
        ViewChangeRequest(View(5), tuple(digest for _, digest in hashes), one, none),
        Decision(certificate(alliance, commit), full),
        StableProof(stable),
    ]
    keyring = alliance.keyrings[1]
    return [resigned(message, keyring) for message in unsigned]


class Messages(Target):
    """Wire bytes to Authenticated."""

    name: ClassVar = "messages"
    about: ClassVar = "consensus wire decoder, its round trip, and authenticate (real signatures)"
    most_bytes: ClassVar = 32 * 1024
    seconds: ClassVar = 0.5

    def __init__(self) -> None:
        self._alliance = make_alliance(4)

    def seeds(self) -> list[bytes]:
        return [encode_message(message) for message in samples(self._alliance)]

    def reshape(self, data: bytes, rng: Random) -> bytes | None:
        try:
            message = decode_message(data)
            changed = message
            for _ in range(rng.choice((1, 1, 2, 3))):
                changed = change(changed, rng)  # type: ignore[assignment]
            signer = getattr(changed, "signer", None)
            if signer is not None and signer < 4 and rng.random() < 0.8:
                changed = resigned(changed, self._alliance.keyrings[signer])
            return encode_message(changed)
        except LedgerError:
            return None

    def run(self, data: bytes) -> str:
        try:
            message = decode_message(data)
        except LedgerError as error:
            return refusal(error)
        if encode_message(message) != data:
            raise Finding("a decoded message encodes to other bytes")
        try:
            passed = authenticate(data, self._alliance.terms)
        except AuthenticationFailed as error:
            return f"{type(message).__name__} {refusal(error.__cause__ or error)}"
        if passed.message != message:
            raise Finding("authenticate gives another message")
        return f"passed {type(message).__name__}"
