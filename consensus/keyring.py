"""The port through which the core signs: a deterministic call that never sees a clock or a disk.

`LocalKeyring` signs with one `Signer`, a key in memory or one inside a token. A key in memory signs
by RFC 6979, so the same message again yields the same bytes; a token may give other bytes, which
are as valid, and no rule of the protocol compares them.
"""

from __future__ import annotations

from typing import Protocol

from bulwark.ledger.ids import Address
from bulwark.ledger.signing import Signer, SigningDomain
from bulwark.ledger.votes import VoteSubject


class Keyring(Protocol):
    """Signs for one validator in one domain."""

    @property
    def address(self) -> Address:
        """Address of the vote key."""
        ...

    def sign(self, tag: bytes, body: bytes) -> bytes:
        """65-byte signature over domain, tag and body."""
        ...

    def sign_vote(self, subject: VoteSubject) -> bytes:
        """65-byte signature that casts a vote."""
        ...


class LocalKeyring:
    """A Keyring over one signer."""

    __slots__ = ("_domain", "_key")

    def __init__(self, key: Signer, domain: SigningDomain) -> None:
        self._key = key
        self._domain = domain

    @property
    def address(self) -> Address:
        """Address of the vote key."""
        return self._key.address

    def sign(self, tag: bytes, body: bytes) -> bytes:
        """65-byte signature over domain, tag and body."""
        return self._key.sign(self._domain.digest(tag, body))

    def sign_vote(self, subject: VoteSubject) -> bytes:
        """65-byte signature that casts a vote."""
        return self._key.sign(subject.signing_digest(self._domain))
