"""The port through which the core signs: a deterministic call that never sees a clock or a disk.

`LocalKeyring` holds the key in memory; an HSM would be another `Keyring`. Signing is RFC 6979, so
signing the same message again yields the same bytes.
"""

from __future__ import annotations

from typing import Protocol

from bulwark.ledger.ids import Address
from bulwark.ledger.signing import SigningDomain, SigningKey
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
    """A Keyring over a key in memory."""

    __slots__ = ("_domain", "_key")

    def __init__(self, key: SigningKey, domain: SigningDomain) -> None:
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
