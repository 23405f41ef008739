"""Spare keys: what a keystore holds beside the keys in use while one is rotated.

Rules: of each kind there is at most one key to come and at most KEPT former ones; no two spares are
the same key. A former key is kept until nothing is signed with it or sealed to it any more; the
operator drops it, no program does so by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

KEPT: Final = 4
"""Former keys of one kind that a keystore may hold; of a line more."""
KEPT_IN_LINE: Final = 31
"""Former vault or index keys: none is ever dropped, since names follow the whole line."""
_SECRET_BYTES: Final = 32
_ORDERS: Final = {
    "vote": (0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141, "big"),
    "account": (0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141, "big"),
    "ring": (2**252 + 27742317777372353535851937790883648493, "little"),
}


class KeyKind(StrEnum):
    """Keys that are rotated with old and new side by side."""

    VOTE = "vote"
    ACCOUNT = "account"
    TLS = "tls"
    RING = "ring"
    SEALING = "sealing"
    VAULT = "vault"
    INDEX = "index"

    @property
    def most_former(self) -> int:
        """Former keys that a keystore may hold of it."""
        return KEPT_IN_LINE if self in LINES else KEPT


LINES: Final = (KeyKind.VAULT, KeyKind.INDEX)
"""Kinds of which what is stored follows the keystore, and nobody else has to know the new key."""


class KeyState(StrEnum):
    """Where a spare key stands."""

    NEXT = "next"
    """Made; comes into use when the ledger (or the certificate) names it."""
    FORMER = "former"
    """Was in use; kept for what still names it."""


@dataclass(frozen=True, slots=True, repr=False)
class SpareKey:
    """A secret key that is not in use yet, or not any more; its repr does not show it."""

    kind: KeyKind
    state: KeyState
    secret: bytes
    """32 bytes; of TLS the PEM."""
    since_ms: int
    """When it was made, or when it ceased to be the one in use, ms since 1970."""

    def __post_init__(self) -> None:
        if self.since_ms < 0:
            raise ValueError("since_ms is negative")
        if self.kind is KeyKind.TLS:
            return
        if len(self.secret) != _SECRET_BYTES:
            raise ValueError(f"a spare {self.kind} key has {len(self.secret)} bytes, 32 needed")
        if self.kind in _ORDERS:
            order, end = _ORDERS[self.kind]
            number = int.from_bytes(self.secret, "big" if end == "big" else "little")
            if not 0 < number < order:
                raise ValueError(f"a spare {self.kind} key is outside [1, group order)")

    def __repr__(self) -> str:
        return f"SpareKey({self.kind}, {self.state}, key hidden)"


def check_spares(spares: Sequence[SpareKey]) -> None:
    """Raises ValueError when there are too many of one kind, or one key twice."""
    for kind in KeyKind:
        of_kind = [spare for spare in spares if spare.kind is kind]
        if len({spare.secret for spare in of_kind}) != len(of_kind):
            raise ValueError(f"a spare {kind} key stands twice")
        if sum(spare.state is KeyState.NEXT for spare in of_kind) > 1:
            raise ValueError(f"there are two {kind} keys to come")
        if sum(spare.state is KeyState.FORMER for spare in of_kind) > kind.most_former:
            raise ValueError(f"there are more than {kind.most_former} former {kind} keys")


def write_spares(spares: Sequence[SpareKey]) -> list[dict[str, object]]:
    """The spares as they stand inside the encrypted keystore."""
    check_spares(spares)
    return [
        {
            "kind": spare.kind.value,
            "state": spare.state.value,
            "secret": spare.secret.hex(),
            "since_ms": spare.since_ms,
        }
        for spare in spares
    ]


def read_spares(found: Sequence[Mapping[str, Any]]) -> tuple[SpareKey, ...]:
    """What `write_spares` wrote. Raises ValueError, KeyError, TypeError."""
    spares = tuple(
        SpareKey(
            KeyKind(each["kind"]),
            KeyState(each["state"]),
            bytes.fromhex(each["secret"]),
            int(each["since_ms"]),
        )
        for each in found
    )
    check_spares(spares)
    return spares


def write_since(since_ms: Mapping[KeyKind, int]) -> dict[str, int]:
    """Times by the names of kinds."""
    return {kind.value: at_ms for kind, at_ms in since_ms.items()}


def read_since(found: Mapping[str, Any]) -> dict[KeyKind, int]:
    """What `write_since` wrote. Raises ValueError, TypeError."""
    return {KeyKind(name): int(at_ms) for name, at_ms in found.items()}
