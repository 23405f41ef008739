"""What a vote can do: ten actions, each the exact calldata that the governance carries out.

Rules it owns: `decode_action` accepts exactly what `encode_action` makes; the names of the
parameters and the ranges in which a vote may set them. Whether an action is wise, and when it
takes effect, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, assert_never

from msgspec import Struct

from contracts import members, policies
from contracts.errors import BadReturnData, OutOfRange, UnknownParameter
from contracts.members import ALL_ROLES, Member, Role
from contracts.privacy.bounds import PRIVACY_PARAMETERS
from contracts.words import WORD, address_of_word, bytes32_word, uint_word

SET_PARAMETER_SELECTOR: Final = bytes.fromhex("9dee735a")
SUSPEND_MEMBER_SELECTOR: Final = bytes.fromhex("9461c06f")
REINSTATE_SELECTOR: Final = bytes.fromhex("89099a63")
MAX_ACTION_BYTES: Final = 4 + 7 * WORD

BOUNDS: Final[Mapping[str, tuple[int, int]]] = {
    "gas_limit": (3_000_000, 45_000_000),
    "checkpoint_interval": (1, 16),
    "rotation": (1, 1 << 20),
    "pipeline": (1, 64),
    "base_timeout_ms": (50, 600_000),
    "max_timeout_ms": (100, 3_600_000),
    "heartbeat_ms": (100, 86_400_000),
    "request_timeout_ms": (100, 3_600_000),
    "clock_precision_ms": (1, 600_000),
    "message_delay_ms": (100, 3_600_000),
    "protocol_level": (1, 65_535),
}
"""Consensus parameter -> least and greatest value that a vote may set, as the contract has them."""
PARAMETERS: Final = tuple(BOUNDS)
VOTABLE: Final[Mapping[str, tuple[int, int]]] = {
    **BOUNDS,
    **{name: (found.least, found.most) for name, found in PRIVACY_PARAMETERS.items()},
}
"""The same for everything that a vote may set: those of the privacy layer too."""


class AddMember(Struct, frozen=True):
    """A member joins, last in the registry's order."""

    member: Member


class RemoveMember(Struct, frozen=True):
    """A member leaves."""

    id: bytes


class SetKeys(Struct, frozen=True):
    """A member's vote key, account and OPRF share key become these; its roles stay."""

    id: bytes
    node: bytes
    account: bytes
    oprf_key: bytes


class SetTlsPins(Struct, frozen=True):
    """A member's TLS pins become these."""

    id: bytes
    tls_pin: bytes
    next_tls_pin: bytes


class SetRoles(Struct, frozen=True):
    """A member's roles become these."""

    id: bytes
    roles: Role


class SetParameter(Struct, frozen=True):
    """A parameter of the protocol becomes this value."""

    name: str
    value: int


class AdoptPolicy(Struct, frozen=True):
    """A published policy is in force for records of later blocks."""

    id: bytes


class WithdrawPolicy(Struct, frozen=True):
    """A policy is in force no more for records of later blocks."""

    id: bytes


class SuspendMember(Struct, frozen=True):
    """A member loses its vote and the right to report, for a case on the ledger against it."""

    id: bytes
    evidence: bytes
    """Id of the case in the evidence registry, 32 bytes."""


class Reinstate(Struct, frozen=True):
    """A suspended member gets back what its suspension took."""

    id: bytes


RegistryAction = AddMember | RemoveMember | SetKeys | SetTlsPins | SetRoles
PolicyAction = AdoptPolicy | WithdrawPolicy
SuspensionAction = SuspendMember | Reinstate
Action = RegistryAction | SetParameter | PolicyAction | SuspensionAction


def parameter_name_bytes(name: str) -> bytes:
    """On-ledger form of a parameter's name. Raises UnknownParameter."""
    if name not in VOTABLE:
        raise UnknownParameter(name, tuple(VOTABLE))
    return name.encode("ascii").ljust(WORD, b"\0")


def parameter_word_name(word: bytes) -> str | None:
    """Name of a parameter from its on-ledger form, None for one that is unknown here."""
    return next((name for name in VOTABLE if parameter_name_bytes(name) == word), None)


def encode_action(action: Action) -> bytes:
    """Bytes of an action, to be proposed.

    Raises OutOfRange, WrongLength, UnknownParameter.
    """
    match action:
        case AddMember(member):
            return members.encode_add_member(member)
        case RemoveMember(member_id):
            return members.encode_remove_member(member_id)
        case SetKeys(member_id, node, account, oprf_key):
            return members.encode_set_keys(member_id, node, account, oprf_key)
        case SetTlsPins(member_id, tls_pin, next_tls_pin):
            return members.encode_set_tls_pins(member_id, tls_pin, next_tls_pin)
        case SetRoles(member_id, roles):
            return members.encode_set_roles(member_id, roles)
        case SetParameter(name, value):
            word = parameter_name_bytes(name)
            least, most = VOTABLE[name]
            if not least <= value <= most:
                raise OutOfRange(name, value, least, most)
            return SET_PARAMETER_SELECTOR + word + uint_word("value", value, 256)
        case AdoptPolicy(policy_id):
            return policies.ADOPT_SELECTOR + bytes32_word("id", policy_id)
        case WithdrawPolicy(policy_id):
            return policies.WITHDRAW_SELECTOR + bytes32_word("id", policy_id)
        case SuspendMember(member_id, evidence):
            head = SUSPEND_MEMBER_SELECTOR + bytes32_word("id", member_id)
            return head + bytes32_word("evidence", evidence)
        case Reinstate(member_id):
            return REINSTATE_SELECTOR + bytes32_word("id", member_id)
        case _:
            assert_never(action)


def decode_action(data: bytes) -> Action | None:
    """The action in these bytes, None when they are none that encode_action makes."""
    words = [data[at : at + WORD] for at in range(4, len(data), WORD)]
    if len(data) % WORD != 4:
        return None
    if data[:4] == SET_PARAMETER_SELECTOR and len(words) == 2:
        return _set_parameter(words[0], int.from_bytes(words[1], "big"))
    if data[:4] == SUSPEND_MEMBER_SELECTOR and len(words) == 2:
        return SuspendMember(words[0], words[1])
    if data[:4] == REINSTATE_SELECTOR and len(words) == 1:
        return Reinstate(words[0])
    match (data[:4], len(words)):
        case (members.ADD_MEMBER_SELECTOR, 7):
            try:
                return AddMember(members.decode_member(data[4:]))
            except BadReturnData:
                return None
        case (members.REMOVE_MEMBER_SELECTOR, 1):
            return RemoveMember(words[0])
        case (members.SET_KEYS_SELECTOR, 4):
            node, account = address_of_word(words[1]), address_of_word(words[2])
            if node is None or account is None:
                return None
            return SetKeys(words[0], node, account, words[3])
        case (members.SET_TLS_PINS_SELECTOR, 3):
            return SetTlsPins(words[0], words[1], words[2])
        case (members.SET_ROLES_SELECTOR, 2):
            roles = int.from_bytes(words[1], "big")
            return SetRoles(words[0], Role(roles)) if roles <= ALL_ROLES else None
        case (policies.ADOPT_SELECTOR, 1):
            return AdoptPolicy(words[0])
        case (policies.WITHDRAW_SELECTOR, 1):
            return WithdrawPolicy(words[0])
    return None


def _set_parameter(word: bytes, value: int) -> SetParameter | None:
    name = parameter_word_name(word)
    if name is None or not VOTABLE[name][0] <= value <= VOTABLE[name][1]:
        return None
    return SetParameter(name, value)
