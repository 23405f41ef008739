"""Every message has one bounded encoding, and nothing else decodes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.ledger.errors import DecodeError
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Height
from bulwark.ledger.votes import VoteKind
from consensus.messages import (
    MAX_MESSAGE_BYTES,
    Body,
    BodyRequest,
    Decision,
    Message,
    SlotStatus,
    StableProof,
    ViewChangeRequest,
    decode_message,
    encode_message,
)
from tests.unit.consensus.support import Peers, batch_of

BATCH = batch_of(b"tx 1", b"", b"tx 2")


def samples() -> list[Message]:
    """One message of every kind."""
    peers = Peers()
    prepared = peers.certificate(VoteKind.PREPARE, 3, 7, BATCH.digest)
    changes = [peers.view_change(5, i, peers.checkpoint(6), (prepared,)) for i in range(3)]
    slots = (SlotStatus(Height(8), True, 0b1011, 0b1, 0), SlotStatus(Height(9), False, 0, 0, 15))
    return [
        peers.pre_prepare(0, 1, BATCH, 0),
        peers.vote(VoteKind.COMMIT, 2, 9, BATCH.digest, 3),
        peers.view_change(4, 2),
        changes[0],
        peers.new_view(changes),
        replace(peers.status(2, 3, 9, 8, True), slots=slots),
        BodyRequest(Height(3), BATCH.digest, peers.status(1).signer, bytes(65)),
        Body(Height(4), BATCH),
        ViewChangeRequest(
            changes[0].view, (sha256(b"a"), sha256(b"b")), changes[0].signer, bytes(65)
        ),
        Decision(peers.certificate(VoteKind.COMMIT, 0, 1, BATCH.digest), BATCH),
        StableProof(peers.checkpoint(9)),
    ]


@pytest.mark.parametrize("message", samples(), ids=lambda m: type(m).__name__)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    data = encode_message(message)
    assert decode_message(data) == message
    assert encode_message(decode_message(data)) == data


@pytest.mark.parametrize("message", samples(), ids=lambda m: type(m).__name__)
def test_no_cut_or_lengthened_message_decodes(message: Message) -> None:
    data = encode_message(message)
    for end in {*range(0, len(data), 7), len(data) - 1}:
        with pytest.raises(DecodeError):
            decode_message(data[:end])
    with pytest.raises(DecodeError):
        decode_message(data + b"\x00")


@given(st.sampled_from(samples()), st.data())
@settings(deadline=None, max_examples=300)
def test_a_changed_byte_decodes_to_its_own_encoding_or_not_at_all(
    message: Message, data: st.DataObject
) -> None:
    raw = bytearray(encode_message(message))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decoded = decode_message(bytes(raw))
    except DecodeError:
        return
    assert encode_message(decoded) == bytes(raw)


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_noise_is_refused_with_the_decode_error_only(raw: bytes) -> None:
    try:
        decode_message(raw)
    except DecodeError:
        return


def test_an_unknown_kind_and_an_oversized_message_are_refused() -> None:
    with pytest.raises(DecodeError):
        decode_message(b"\x63")
    with pytest.raises(DecodeError):
        decode_message(bytes(MAX_MESSAGE_BYTES + 1))


def test_the_pre_prepare_signature_does_not_cover_the_body() -> None:
    peers = Peers()
    message = peers.pre_prepare(0, 1, BATCH, 0)
    other = replace(message, batch=batch_of(b"other"))
    assert other.signed_body() == message.signed_body()


def test_the_hash_of_a_view_change_covers_its_signature() -> None:
    message = Peers().view_change(4, 2)
    assert replace(message, signature=bytes(65)).hash() != message.hash()


def test_a_vote_out_of_form_is_not_written_and_the_field_is_named() -> None:
    vote = Peers().vote(VoteKind.COMMIT, 2, 9, BATCH.digest, 3)
    with pytest.raises(DecodeError, match="64 bytes given, 65 needed"):
        encode_message(replace(vote, signature=bytes(64)))
    with pytest.raises(DecodeError, match="31 bytes given, 32 needed"):
        encode_message(replace(vote, subject=replace(vote.subject, digest=BATCH.digest[:31])))
