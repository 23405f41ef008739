"""Binding of ConsentRegistry: give, renew and withdraw calls, the consent event, the status view.

Rules it owns: the exact bytes of the three calls, and that the event of a withdrawal carries the
reason code where that of a gift carries the lawful basis. It knows no receipt: the commitment is
made elsewhere.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from msgspec import Struct

from contracts.artifact import load_artifact
from contracts.errors import BadReturnData
from contracts.words import address_of_word, address_word, bytes32_word, uint_word

CONSENT_REGISTRY: Final = bytes(18) + b"\xb0\x03"
GIVE_SELECTOR: Final = bytes.fromhex("5ea21126")
RENEW_SELECTOR: Final = bytes.fromhex("1f8789ab")
WITHDRAW_SELECTOR: Final = bytes.fromhex("29c393d1")
STATUS_SELECTOR: Final = bytes.fromhex("52ad0d5e")
CONSENT_ANCHORED_TOPIC: Final = bytes.fromhex(
    "1cd7e00a6daad37ee3704e6a26dc7cde57af5653bf85cc5a8540b59055863fc6"
)

_GIVE: Final = struct.Struct(">4s32s32s30sH30sH28sI")
_RENEW: Final = struct.Struct(">4s32s32s28sI")
_WITHDRAW: Final = struct.Struct(">4s32s30sH")
_EVENT: Final = struct.Struct(">32s31sB30sH30sH28sI")
_STATUS: Final = struct.Struct(">31sB12s20s32s28sI")


class ConsentState(IntEnum):
    """State of a consent anchor, and kind of its event; RENEWED is an event, the state is GIVEN."""

    NONE = 0
    GIVEN = 1
    WITHDRAWN = 2
    RENEWED = 3


class GiveCall(Struct, frozen=True):
    """Arguments of a give call; valid_until_day counts days since 1970-01-01, 0 = no end."""

    anchor_id: bytes
    commitment: bytes
    purpose: int
    basis: int
    valid_until_day: int


class RenewCall(Struct, frozen=True):
    """Arguments of a renew call; valid_until_day counts days since 1970-01-01, 0 = no end."""

    anchor_id: bytes
    commitment: bytes
    valid_until_day: int


class WithdrawCall(Struct, frozen=True):
    """Arguments of a withdraw call."""

    anchor_id: bytes
    reason: int


class ConsentAnchored(Struct, frozen=True):
    """One consent event.

    Attributes:
        issuer: 20-byte address that gave the anchor, also in the events that follow.
        anchor_id: 32 bytes.
        commitment: 32 bytes.
        event_kind: GIVEN, RENEWED or WITHDRAWN.
        purpose: purpose code.
        basis: lawful-basis code of a gift or renewal, 0 in a withdrawal.
        reason: reason code of a withdrawal, 0 in a gift or renewal.
        valid_until_day: days since 1970-01-01, 0 = no end.
    """

    issuer: bytes
    anchor_id: bytes
    commitment: bytes
    event_kind: ConsentState
    purpose: int
    basis: int
    reason: int
    valid_until_day: int

    @property
    def code(self) -> int:
        """The event's basis field as logged: lawful basis of a gift, reason of a withdrawal."""
        return self.basis or self.reason


class ConsentStatus(Struct, frozen=True):
    """Answer of the status view; issuer and commitment are zero bytes in state NONE."""

    state: ConsentState
    issuer: bytes
    commitment: bytes
    valid_until_day: int


def consent_registry_init_code(members: bytes) -> bytes:
    """Init code of a registry that asks the member registry at this address for roles."""
    return load_artifact("ConsentRegistry").bytecode + address_word("members", members)


def encode_give(
    anchor_id: bytes, commitment: bytes, purpose: int, basis: int, valid_until_day: int
) -> bytes:
    """Calldata of a give call. Raises OutOfRange and WrongLength."""
    return (
        GIVE_SELECTOR
        + bytes32_word("anchor_id", anchor_id)
        + bytes32_word("commitment", commitment)
        + uint_word("purpose", purpose, 16)
        + uint_word("basis", basis, 16)
        + uint_word("valid_until_day", valid_until_day, 32)
    )


def encode_renew(anchor_id: bytes, commitment: bytes, valid_until_day: int) -> bytes:
    """Calldata of a renew call. Raises OutOfRange and WrongLength."""
    return (
        RENEW_SELECTOR
        + bytes32_word("anchor_id", anchor_id)
        + bytes32_word("commitment", commitment)
        + uint_word("valid_until_day", valid_until_day, 32)
    )


def encode_withdraw(anchor_id: bytes, reason: int) -> bytes:
    """Calldata of a withdraw call. Raises OutOfRange and WrongLength."""
    return (
        WITHDRAW_SELECTOR + bytes32_word("anchor_id", anchor_id) + uint_word("reason", reason, 16)
    )


def decode_give_call(data: bytes) -> GiveCall | None:
    """Arguments of a give call, or None when the bytes are no canonical give call."""
    if len(data) != _GIVE.size:
        return None
    selector, anchor_id, commitment, pad1, purpose, pad2, basis, pad3, day = _GIVE.unpack(data)
    if selector != GIVE_SELECTOR or any(pad1) or any(pad2) or any(pad3):
        return None
    return GiveCall(anchor_id, commitment, purpose, basis, day)


def decode_renew_call(data: bytes) -> RenewCall | None:
    """Arguments of a renew call, or None when the bytes are no canonical renew call."""
    if len(data) != _RENEW.size:
        return None
    selector, anchor_id, commitment, pad, day = _RENEW.unpack(data)
    if selector != RENEW_SELECTOR or any(pad):
        return None
    return RenewCall(anchor_id, commitment, day)


def decode_withdraw_call(data: bytes) -> WithdrawCall | None:
    """Arguments of a withdraw call, or None when the bytes are no canonical withdraw call."""
    if len(data) != _WITHDRAW.size:
        return None
    selector, anchor_id, pad, reason = _WITHDRAW.unpack(data)
    if selector != WITHDRAW_SELECTOR or any(pad):
        return None
    return WithdrawCall(anchor_id, reason)


def decode_consent_anchored(
    address: bytes, topics: Sequence[bytes], data: bytes
) -> ConsentAnchored | None:
    """The consent event in a log entry, or None for a log entry of any other kind."""
    if address != CONSENT_REGISTRY or len(topics) != 3 or topics[0] != CONSENT_ANCHORED_TOPIC:
        return None
    issuer = address_of_word(topics[1])
    anchor_id = topics[2]
    if issuer is None or len(anchor_id) != 32 or len(data) != _EVENT.size:
        return None
    commitment, pad1, kind, pad2, purpose, pad3, code, pad4, day = _EVENT.unpack(data)
    if any(pad1) or any(pad2) or any(pad3) or any(pad4) or kind not in (1, 2, 3):
        return None
    ended = kind == ConsentState.WITHDRAWN
    return ConsentAnchored(
        issuer=issuer,
        anchor_id=anchor_id,
        commitment=commitment,
        event_kind=ConsentState(kind),
        purpose=purpose,
        basis=0 if ended else code,
        reason=code if ended else 0,
        valid_until_day=day,
    )


def encode_status(anchor_id: bytes) -> bytes:
    """Calldata of the status view. Raises WrongLength."""
    return STATUS_SELECTOR + bytes32_word("anchor_id", anchor_id)


def decode_status(output: bytes) -> ConsentStatus:
    """Answer of the status view. Raises BadReturnData."""
    if len(output) != _STATUS.size:
        raise BadReturnData("status", len(output))
    pad1, state, pad2, issuer, commitment, pad3, day = _STATUS.unpack(output)
    if any(pad1) or any(pad2) or any(pad3) or state > ConsentState.WITHDRAWN:
        raise BadReturnData("status", len(output))
    return ConsentStatus(ConsentState(state), issuer, commitment, day)
