"""Moves of a key inside the secrets of a node: made, taken into use, dropped; values only.

Rules: a move never loses a key: what was in use becomes a former key, and only `dropped` forgets
one. Moves say by MoveRefused why they can not be made; the keystore is written by the caller.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Final

from node.keys import NodeSecrets, RandomBytes
from node.rotation.keyline import KeyLine
from node.sparekeys import LINES, KeyKind, KeyState, SpareKey

_FIELDS: Final = {
    KeyKind.VOTE: "vote_key",
    KeyKind.ACCOUNT: "account_key",
    KeyKind.TLS: "tls_key_pem",
    KeyKind.RING: "ring_key",
    KeyKind.SEALING: "sealing_key",
    KeyKind.VAULT: "vault_key",
    KeyKind.INDEX: "index_key",
}


class MoveRefused(Exception):
    """A key can not make this move now."""


def in_use(secrets: NodeSecrets, kind: KeyKind) -> bytes:
    """The key that the keystore calls the one in use."""
    return bytes(getattr(secrets, _FIELDS[kind]))


def key_to_come(secrets: NodeSecrets, kind: KeyKind) -> SpareKey | None:
    """The key that is to replace the one in use."""
    return _first(secrets, kind, KeyState.NEXT)


def former_keys(secrets: NodeSecrets, kind: KeyKind) -> tuple[SpareKey, ...]:
    """Keys that were in use, the latest first."""
    found = [s for s in secrets.spares if s.kind is kind and s.state is KeyState.FORMER]
    return tuple(sorted(found, key=lambda spare: spare.since_ms, reverse=True))


def all_keys(secrets: NodeSecrets, kind: KeyKind) -> tuple[bytes, ...]:
    """Every key of a kind: in use, to come, former ones."""
    coming = key_to_come(secrets, kind)
    return (
        in_use(secrets, kind),
        *(() if coming is None else (coming.secret,)),
        *(spare.secret for spare in former_keys(secrets, kind)),
    )


def line_of(secrets: NodeSecrets, kind: KeyKind) -> KeyLine:
    """The key in use with the former ones in the order in which they were in use.

    Of times on a clock that was set back nothing depends: the spares stand in that order.
    """
    former = [s for s in secrets.spares if s.kind is kind and s.state is KeyState.FORMER]
    return KeyLine(in_use(secrets, kind), [spare.secret for spare in former])


def with_lines(secrets: NodeSecrets) -> NodeSecrets:
    """The same secrets, whose vault and index key know the keys before them."""
    return replace(
        secrets,
        vault_key=line_of(secrets, KeyKind.VAULT),
        index_key=line_of(secrets, KeyKind.INDEX),
    )


def with_new(
    secrets: NodeSecrets, kind: KeyKind, now_ms: int, random_bytes: RandomBytes = os.urandom
) -> NodeSecrets:
    """A fresh key to come. Raises MoveRefused when there is one, or no room for the old one."""
    if key_to_come(secrets, kind) is not None:
        raise MoveRefused(f"there is a {kind} key to come already")
    if len(former_keys(secrets, kind)) >= kind.most_former:
        raise MoveRefused(
            f"the keystore holds {kind.most_former} former {kind} keys"
            + ("" if kind in LINES else "; drop the oldest (--drop-former)")
        )
    fresh = in_use(NodeSecrets.generate(random_bytes), kind)
    return replace(secrets, spares=(*secrets.spares, SpareKey(kind, KeyState.NEXT, fresh, now_ms)))


def with_next_in_use(secrets: NodeSecrets, kind: KeyKind, now_ms: int) -> NodeSecrets:
    """The key to come is in use, the one that was is a former one. Raises MoveRefused."""
    coming = key_to_come(secrets, kind)
    if coming is None:
        raise MoveRefused(f"there is no {kind} key to come")
    old = SpareKey(kind, KeyState.FORMER, in_use(secrets, kind), now_ms)
    left = tuple(spare for spare in secrets.spares if spare is not coming)
    changes: dict[str, object] = {_FIELDS[kind]: coming.secret}
    return replace(
        secrets,
        spares=(*left, old),
        since_ms={**secrets.since_ms, kind: now_ms},
        **changes,  # type: ignore[arg-type]  # names and types come from _FIELDS
    )


def without_next(secrets: NodeSecrets, kind: KeyKind) -> NodeSecrets:
    """The key to come is given up. Raises MoveRefused when there is none."""
    coming = key_to_come(secrets, kind)
    if coming is None:
        raise MoveRefused(f"there is no {kind} key to come")
    return replace(secrets, spares=tuple(s for s in secrets.spares if s is not coming))


def without_former(secrets: NodeSecrets, kind: KeyKind) -> NodeSecrets:
    """All former keys of a kind are forgotten. Raises MoveRefused when there are none."""
    gone = former_keys(secrets, kind)
    if not gone:
        raise MoveRefused(f"there is no former {kind} key")
    return replace(secrets, spares=tuple(s for s in secrets.spares if s not in gone))


def _first(secrets: NodeSecrets, kind: KeyKind, state: KeyState) -> SpareKey | None:
    return next((s for s in secrets.spares if s.kind is kind and s.state is state), None)
