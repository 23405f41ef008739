"""Binding of KeyCeremony: its calls and the id of a session.

Rules it owns: the exact calldata of every call, the numbers of purposes, kinds and phases, and how
the id of a session follows from what was fixed when it opened. Reads of the storage are in
`ceremony_reads`, events in `ceremony_events`. What posts mean is `bulwark.privacy.dkg`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from msgspec import Struct

from bulwark.ledger.hashing import keccak256
from contracts.artifact import load_artifact
from contracts.errors import OutOfRange
from contracts.privacy.logs import bytes_tail, words_tail
from contracts.words import WORD, address_word, bytes32_word, uint_word

KEY_CEREMONY: Final = bytes(18) + b"\xb0\x07"
MAX_POST_BYTES: Final = 18_432
MAX_SHARING_BYTES: Final = 8_266
"""Digest and encoded sharing of 128 holders."""
OPEN_SELECTOR: Final = bytes.fromhex("4082de67")
POST_SELECTOR: Final = bytes.fromhex("e49bf27f")
CONFIRM_SELECTOR: Final = bytes.fromhex("aca936c9")
FAIL_SELECTOR: Final = bytes.fromhex("ecc9b69c")
ADVANCE_SELECTOR: Final = bytes.fromhex("7817f476")
PUBLISH_SELECTOR: Final = bytes.fromhex("f2a18cd8")
DUE_SELECTOR: Final = bytes.fromhex("6ff50b3f")
TOO_FEW_POSTS: Final = b"too few posts".ljust(WORD, b"\0")
"""Reason of a session that the contract ended: not enough dealers spoke."""
NO_AGREEMENT: Final = b"no agreement".ljust(WORD, b"\0")
"""Reason of a session that the contract ended: no result had enough confirmations."""


class KeyPurpose(IntEnum):
    """What the shared key is for."""

    TAG = 1
    COUNCIL = 2


class CeremonyKind(IntEnum):
    """What a session does to a shared key; numbered as bulwark.privacy.dkg's purposes."""

    GENERATE = 1
    REFRESH = 2
    RESHARE = 3


class CeremonyPhase(IntEnum):
    """Where a session stands; the first eight are those of bulwark.privacy.dkg."""

    COMMIT = 1
    DEAL = 2
    COMPLAIN = 3
    DEFEND = 4
    EXTRACT = 5
    ACCUSE = 6
    RECONSTRUCT = 7
    CONFIRM = 8
    ACTIVE = 9
    """Over: its sharing became the active one."""
    FAILED = 10
    """Over: the sharing before it stays."""


class SessionTerms(Struct, frozen=True):
    """What is fixed when a session opens, and what its id covers.

    Attributes:
        chain_id: of the ledger.
        number: counts sessions of all purposes, from 1.
        purpose, kind: what it is for.
        key_id, share_epoch: of the sharing that it makes.
        previous: 32-byte id of the session of the active sharing, zero for none.
        threshold: shares that the key takes.
        block_number: block that opened it.
        holders: 32-byte member ids in index order, the first has index 1.
        sealing_keys: theirs, 32 bytes each.
        leaving: ids of those that deal for the last time, with the indices after the holders'.
    """

    chain_id: int
    number: int
    purpose: KeyPurpose
    kind: CeremonyKind
    key_id: int
    share_epoch: int
    previous: bytes
    threshold: int
    block_number: int
    holders: tuple[bytes, ...]
    sealing_keys: tuple[bytes, ...]
    leaving: tuple[bytes, ...] = ()


def session_id(terms: SessionTerms) -> bytes:
    """Id of a session, 32 bytes. Raises OutOfRange and WrongLength."""
    head = (
        uint_word("chain_id", terms.chain_id, 256)
        + address_word("contract", KEY_CEREMONY)
        + uint_word("number", terms.number, 256)
        + uint_word("purpose", terms.purpose, 256)
        + uint_word("kind", terms.kind, 256)
        + uint_word("key_id", terms.key_id, 256)
        + uint_word("share_epoch", terms.share_epoch, 256)
        + bytes32_word("previous", terms.previous)
        + uint_word("threshold", terms.threshold, 256)
        + uint_word("block_number", terms.block_number, 256)
    )
    tails = [_words("id", terms.holders), _words("key", terms.sealing_keys)]
    tails.append(_words("id", terms.leaving))
    offsets, at = b"", len(head) + 3 * WORD
    for tail in tails:
        offsets += uint_word("offset", at, 256)
        at += len(tail)
    return keccak256(head + offsets + b"".join(tails))


def roster_hash(threshold: int, holders: Sequence[bytes]) -> bytes:
    """What two sharings with the same holders and threshold have in common. Raises OutOfRange."""
    head = uint_word("threshold", threshold, 256) + uint_word("offset", 2 * WORD, 256)
    return keccak256(head + _words("id", holders))


def key_ceremony_init_code(members: bytes, governance: bytes, keys: bytes) -> bytes:
    """Init code of the contract over these three others."""
    return (
        load_artifact("KeyCeremony").bytecode
        + address_word("members", members)
        + address_word("governance", governance)
        + address_word("keys", keys)
    )


def encode_open(purpose: KeyPurpose, kind: CeremonyKind) -> bytes:
    """Calldata that opens a session."""
    return OPEN_SELECTOR + uint_word("purpose", purpose, 256) + uint_word("kind", kind, 256)


def encode_post(session: bytes, phase: CeremonyPhase, index: int, data: bytes) -> bytes:
    """Calldata of a post, at most MAX_POST_BYTES; none for "nothing to say".

    Raises OutOfRange and WrongLength.
    """
    if len(data) > MAX_POST_BYTES:
        raise OutOfRange("bytes of a post", len(data), 0, MAX_POST_BYTES)
    return (
        POST_SELECTOR
        + bytes32_word("session", session)
        + uint_word("phase", phase, 256)
        + uint_word("index", index, 256)
        + uint_word("offset", 4 * WORD, 256)
        + bytes_tail(data)
    )


def encode_confirm(session: bytes, index: int, result_hash: bytes) -> bytes:
    """Calldata of a confirmation. Raises OutOfRange and WrongLength."""
    return CONFIRM_SELECTOR + _of_party(session, index) + bytes32_word("result_hash", result_hash)


def encode_fail(session: bytes, index: int, reason: bytes) -> bytes:
    """Calldata that names a reason, 32 bytes, to give up. Raises OutOfRange and WrongLength."""
    return FAIL_SELECTOR + _of_party(session, index) + bytes32_word("reason", reason)


def encode_advance(session: bytes) -> bytes:
    """Calldata that closes a phase whose time is over. Raises WrongLength."""
    return ADVANCE_SELECTOR + bytes32_word("session", session)


def encode_publish(purpose: KeyPurpose, data: bytes) -> bytes:
    """Calldata that publishes the active sharing. Raises OutOfRange."""
    if len(data) > MAX_SHARING_BYTES:
        raise OutOfRange("bytes of a sharing", len(data), 0, MAX_SHARING_BYTES)
    return (
        PUBLISH_SELECTOR
        + uint_word("purpose", purpose, 256)
        + uint_word("offset", 2 * WORD, 256)
        + bytes_tail(data)
    )


def encode_due(purpose: KeyPurpose) -> bytes:
    """Calldata of the due view."""
    return DUE_SELECTOR + uint_word("purpose", purpose, 256)


def _of_party(session: bytes, index: int) -> bytes:
    return bytes32_word("session", session) + uint_word("index", index, 256)


def _words(field: str, items: Sequence[bytes]) -> bytes:
    return words_tail([bytes32_word(field, item) for item in items])
