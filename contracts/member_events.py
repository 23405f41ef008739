"""Events of MemberRegistry as a closed union: what a node watches to follow its peers' keys.

Rules it owns: which log entries are membership events and how their words are laid out. It does
not say when a change takes effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from contracts.members import ALL_ROLES, MEMBER_REGISTRY, Member, Role
from contracts.words import WORD, address_of_word

EVENT_NAMES: Final[Mapping[bytes, str]] = {
    bytes.fromhex(topic): name
    for topic, name in (
        ("90b6bcef934d9d60b502847537df21d01660ffee3fe2a9b8ae19619b69033c43", "MemberAdded"),
        ("74d78161142bc7abfae490cfa7e81d2f77b767ecced099c0817347c43a49d11c", "MemberRemoved"),
        ("da4c45cd561cc993d9e2e90b5cdf0ea7afc1d519c2ec2e8e273c270e9ad79809", "KeysChanged"),
        ("6be1afcb2b6acbcf2a8fcc288c1a51694a1882ead353226e26ad12bf85df2258", "TlsPinsChanged"),
        ("e6947d8e0aefaf5c9460c183b4fbfefcc46a0960261a5fe07a640f4c874a28ac", "RolesChanged"),
        ("c08246511e6c9a0c1ef9924b3242785b9397f94ee6ca57d51d9afbf95cb0b003", "GovernorOffered"),
        ("de4b3f61490b74c0ed6237523974fe299126bbbf8a8a7482fd220104c59b0c84", "GovernorChanged"),
    )
}
# Event -> (number of topics with the event's own, number of data words).
_SHAPES: Final[Mapping[str, tuple[int, int]]] = {
    "MemberAdded": (4, 4),
    "MemberRemoved": (4, 0),
    "KeysChanged": (4, 1),
    "TlsPinsChanged": (2, 2),
    "RolesChanged": (3, 1),
    "GovernorOffered": (3, 0),
    "GovernorChanged": (3, 0),
}


class MemberAdded(Struct, frozen=True):
    """A member joined, with these keys and roles."""

    member: Member


class MemberRemoved(Struct, frozen=True):
    """A member left; node and account are the addresses it had."""

    id: bytes
    node: bytes
    account: bytes


class KeysChanged(Struct, frozen=True):
    """A member's vote key, account and OPRF share key are now these."""

    id: bytes
    node: bytes
    account: bytes
    oprf_key: bytes


class TlsPinsChanged(Struct, frozen=True):
    """A member's TLS pins are now these."""

    id: bytes
    tls_pin: bytes
    next_tls_pin: bytes


class RolesChanged(Struct, frozen=True):
    """A member's roles are now these."""

    id: bytes
    account: bytes
    roles: Role


class GovernorOffered(Struct, frozen=True):
    """The governor named a successor, who has not accepted yet; zero takes the offer back."""

    governor: bytes
    successor: bytes


class GovernorChanged(Struct, frozen=True):
    """The governor is now another; previous is zero at genesis."""

    previous: bytes
    governor: bytes


MemberEvent = (
    MemberAdded
    | MemberRemoved
    | KeysChanged
    | TlsPinsChanged
    | RolesChanged
    | GovernorOffered
    | GovernorChanged
)


def decode_member_event(address: bytes, topics: Sequence[bytes], data: bytes) -> MemberEvent | None:
    """The membership event in a log entry, or None for a log entry of any other kind."""
    name = EVENT_NAMES.get(topics[0]) if address == MEMBER_REGISTRY and topics else None
    if name is None or any(len(topic) != WORD for topic in topics):
        return None
    if (len(topics), len(data)) != (_SHAPES[name][0], _SHAPES[name][1] * WORD):
        return None
    words = [data[i : i + WORD] for i in range(0, len(data), WORD)]
    if name == "TlsPinsChanged":
        return TlsPinsChanged(topics[1], words[0], words[1])
    if name.startswith("Governor"):
        return _governor_event(name, address_of_word(topics[1]), address_of_word(topics[2]))
    if name == "RolesChanged":
        account, roles = address_of_word(topics[2]), _roles_of_word(words[0])
        if account is None or roles is None:
            return None
        return RolesChanged(topics[1], account, roles)
    return _keyed_event(name, topics, words)


def _governor_event(name: str, first: bytes | None, second: bytes | None) -> MemberEvent | None:
    if first is None or second is None:
        return None
    if name == "GovernorOffered":
        return GovernorOffered(first, second)
    return GovernorChanged(first, second)


def _keyed_event(name: str, topics: Sequence[bytes], words: list[bytes]) -> MemberEvent | None:
    node, account = address_of_word(topics[2]), address_of_word(topics[3])
    if node is None or account is None:
        return None
    if name == "MemberRemoved":
        return MemberRemoved(topics[1], node, account)
    if name == "KeysChanged":
        return KeysChanged(topics[1], node, account, words[0])
    roles = _roles_of_word(words[0])
    if roles is None:
        return None
    return MemberAdded(Member(topics[1], node, account, roles, words[1], words[2], words[3]))


def _roles_of_word(word: bytes) -> Role | None:
    value = int.from_bytes(word, "big")
    return Role(value) if value <= ALL_ROLES else None
