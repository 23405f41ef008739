"""What of the database lies under the vault and index keys, row by row, and how a row moves.

Rules: every prefix with something encrypted or with a keyed name is here; a test holds the list
against the uses in the code. A row that does not open under the old key is kept as it is and
counted: what was damaged before stays named as damaged, and nothing is lost by the move.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from node.consents import vault
from node.disputes import casebook
from node.exchange import book
from node.guarded import accesslog, accuser, claims
from node.guarded.atrest import use_key
from node.identity import keyuse
from node.interaction.feedbackdesk import FIGURES
from node.interaction.shelf import NO_VALUE, SORTS
from node.jobs.book import JOBS
from node.openings.casebook import RESULTS
from node.push import eventlog, questions, subscriptions
from node.recall import hits, queue
from node.rotation.keyline import KeyLine, Renaming
from node.storage.errors import StoreDamaged
from node.storage.schema import IDEMPOTENCY, INTERACTION
from node.storage.seal import seal, unseal
from node.tagging.shelf import TAGS
from node.taxii import inbox, journal

NONCE_BYTES: Final = 12
Line = tuple[bytes, ...]
"""Keys of one kind, the first one first."""
Derive = Callable[[bytes], bytes]
"""The 32-byte key of one use, from a vault key."""
Change = Callable[["Move", bytes, bytes], bytes]
"""(move, key of the row, value) -> a part of the row under the keys to come."""


@dataclass
class Move:
    """From one generation of the two keys to another."""

    vault_from: bytes
    vault_to: bytes
    """Plain 32-byte keys."""
    vault_name: Renaming
    index_name: Renaming
    unreadable: int = 0
    """Rows that did not open under the old key."""
    _ciphers: dict[tuple[Derive, bytes], AESGCM] = field(default_factory=dict, repr=False)

    @classmethod
    def of_lines(cls, lines: tuple[Line, Line], rows_at: Sequence[int], to: Sequence[int]) -> Move:
        """`lines`: of vault and index key; positions in them where rows are, and go."""
        vault, index = lines
        return cls(
            vault_from=vault[rows_at[0]],
            vault_to=vault[to[0]],
            vault_name=Renaming(KeyLine(vault[to[0]], vault[: to[0]]), rows_at[0]),
            index_name=Renaming(KeyLine(index[to[1]], index[: to[1]]), rows_at[1]),
        )

    def encrypt_anew(self, derive: Derive, old: bytes, new: bytes, stored: bytes) -> bytes:
        """A value that was encrypted at the row `old`, encrypted at the row `new`."""
        cipher = self._cipher(derive, self.vault_from)
        try:
            plain = cipher.decrypt(stored[:NONCE_BYTES], stored[NONCE_BYTES:], old)
        except (InvalidTag, ValueError):
            self.unreadable += 1
            return stored
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher(derive, self.vault_to).encrypt(nonce, plain, new)

    def _cipher(self, derive: Derive, key: bytes) -> AESGCM:
        made = self._ciphers.get((derive, key))
        if made is None:
            made = self._ciphers[derive, key] = AESGCM(derive(key))
        return made


class Table(Struct, frozen=True):
    """The rows under one prefix."""

    prefix: bytes
    names: tuple[tuple[int, int], ...] = ()
    """Places of keyed names in the row's key: offset behind the prefix, length."""
    is_index: bool = False
    """Whether names are of the index key, not of the vault key."""
    derive: Derive | None = None
    """Of the key that the value is encrypted under, with the row's key as its place."""
    value: Callable[[Move, bytes, bytes, bytes], bytes] | None = None
    """(move, old key, new key, value) -> value, for what is not encrypted as a whole."""

    def moved(self, move: Move, key: bytes, value: bytes) -> tuple[bytes, bytes]:
        """The row under the keys to come."""
        renamed = move.index_name if self.is_index else move.vault_name
        new = key
        for offset, length in self.names:
            at = len(self.prefix) + offset
            new = new[:at] + renamed(new[at : at + length]) + new[at + length :]
        if self.derive is not None:
            return new, move.encrypt_anew(self.derive, key, new, value)
        return new, value if self.value is None else self.value(move, key, new, value)


def _of(use: bytes) -> Derive:
    return lambda key: use_key(key, use)


def _sealed(move: Move, old: bytes, new: bytes, value: bytes) -> bytes:
    """A value with a checksum over key and value."""
    try:
        return seal(new, unseal(old, value))
    except StoreDamaged:
        move.unreadable += 1
        return value


def _order(move: Move, old: bytes, new: bytes, value: bytes) -> bytes:
    """The two names of a question, in the order of questions."""
    try:
        names = unseal(old, value)
    except StoreDamaged:
        move.unreadable += 1
        return value
    tag, asker = names[: questions.NAME], names[questions.NAME :]
    return seal(new, move.index_name(tag) + move.index_name(asker))


def _idempotency(move: Move, old: bytes, new: bytes, value: bytes) -> bytes:
    """time8 | keyed hash of the body 32 | outcome."""
    return value[:8] + move.index_name(value[8:40]) + value[40:]


def _version(move: Move, old: bytes, new: bytes, value: bytes) -> bytes:
    return move.vault_name(value)


def _shelf_value(move: Move, old: bytes, new: bytes, value: bytes) -> bytes:
    return value if value == NO_VALUE else move.vault_name(value)


_EXCHANGE, _TAXII = _of(b"exchange"), _of(b"taxii")
_API_KEYS, _WEBHOOKS = _of(b"api-keys"), _of(b"push-webhooks")
_ACCUSATIONS = _of(b"accusations")
TABLES: tuple[Table, ...] = (
    Table(vault.KEYS, derive=lambda key: vault.derived(key, b"wrap")),
    Table(vault.FACTS, derive=lambda key: vault.derived(key, b"facts")),
    Table(vault.PERSONS, names=((0, 32),)),
    *(
        Table(prefix, names=((0, 32),), derive=lambda key: casebook.derived(key, b"seal"))
        for prefix in (casebook.BY_CODE, casebook.BY_DISPUTE)
    ),
    Table(FIGURES, derive=_of(b"interaction/figures")),
    *(
        Table(INTERACTION + sort + b"k", derive=_of(b"interaction/" + sort.hex().encode()))
        for sort in SORTS
    ),
    *(Table(INTERACTION + sort + b"n", names=((0, 16),), value=_shelf_value) for sort in SORTS),
    Table(book.ENTRIES, names=((0, 16),), derive=_EXCHANGE),
    Table(book.SAID, names=((32, 16),)),
    Table(book.SOURCES, names=((0, 16),), derive=_EXCHANGE),
    Table(book.SHOWN, names=((0, 16),), derive=_EXCHANGE),
    Table(inbox.OBJECTS, derive=_TAXII),
    Table(inbox.STATUSES, derive=_TAXII),
    Table(inbox.VERSIONS, names=((0, 16),), value=_version),
    Table(journal.PLACES, names=((1, 16),)),
    Table(accesslog.ENTRIES, derive=_of(b"access-log")),
    Table(claims.CLAIMS, derive=_of(b"slot-claims")),
    Table(accuser.OWN, derive=_ACCUSATIONS),
    Table(accuser.HANDED, derive=_ACCUSATIONS),
    Table(RESULTS, derive=_of(b"openings")),
    Table(keyuse.USED, derive=_API_KEYS),
    Table(keyuse.TOLD, derive=_API_KEYS),
    Table(JOBS, derive=_of(b"screening-jobs")),
    Table(hits.ENTRIES, derive=_of(b"own-hits")),
    Table(hits.NAMES, names=((0, 16),), is_index=True),
    Table(queue.RECALLS, derive=_of(b"recalls")),
    Table(queue.SEEN, names=((0, 16),), is_index=True, value=_sealed),
    Table(eventlog.EVENTS, derive=_of(b"push-events")),
    Table(eventlog.NAMES, names=((0, 16),), is_index=True, value=_sealed),
    Table(subscriptions.SUBSCRIPTIONS, derive=_WEBHOOKS),
    Table(subscriptions.DEAD, derive=_WEBHOOKS),
    Table(subscriptions.ATTEMPTS, derive=_WEBHOOKS),
    Table(
        questions.QUESTIONS, names=((0, 16), (16, 8)), is_index=True, derive=_of(b"own-questions")
    ),
    Table(questions.ORDER, is_index=True, value=_order),
    Table(questions.MARKS, names=((0, 16),), is_index=True),
    Table(IDEMPOTENCY, names=((0, 32),), is_index=True, value=_idempotency),
    Table(TAGS, names=((8, 16),), is_index=True, derive=_of(b"tag-cache")),
)
"""No prefix begins with another one."""
