"""Keys of a test alliance with a cheap signature scheme: a hash that only its holder would make.

Anyone could compute such a signature; tests sign with keys they may use. What counts is that the
protocol's checks run as in production, through the seam `Terms.check`.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from bulwark.ledger.errors import SignatureInvalid
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Address, Digest, Epoch, Height, MemberId
from bulwark.ledger.signing import SIGNATURE_BYTES, SigningDomain
from bulwark.ledger.validators import Validator, ValidatorSet
from bulwark.ledger.votes import VoteSubject
from consensus.terms import GENESIS, Terms

CHAIN_ID = 7331
GENESIS_DOCUMENT = sha256(b"test genesis")


def cheap_signature(signer: Address, digest: Digest) -> bytes:
    """65 bytes that bind a signer and a digest."""
    return blake2b(digest, key=signer, digest_size=64).digest() + b"\x00"


def cheap_check(signer: Address, digest: Digest, signature: bytes, what: str) -> None:
    """The scheme's `Check`; raises SignatureInvalid."""
    if len(signature) != SIGNATURE_BYTES or signature != cheap_signature(signer, digest):
        raise SignatureInvalid(what, "is not the signer's")


class CheapKeyring:
    """A Keyring of the cheap scheme; can be copied with a whole net."""

    __slots__ = ("address", "domain")

    def __init__(self, address: Address, domain: SigningDomain) -> None:
        self.address = address
        self.domain = domain

    def sign(self, tag: bytes, body: bytes) -> bytes:
        """Signature over domain, tag and body."""
        return cheap_signature(self.address, self.domain.digest(tag, body))

    def sign_vote(self, subject: VoteSubject) -> bytes:
        """Signature that casts a vote."""
        return cheap_signature(self.address, subject.signing_digest(self.domain))


def address_of(member: int) -> Address:
    """The vote key address of a member."""
    return Address(sha256(b"test validator %d" % member)[:20])


@lru_cache
def make_terms(
    members: tuple[int, ...], window: int, epoch: int = 0, start: Height = GENESIS
) -> Terms:
    """The terms of an epoch with these members, in this order."""
    domain = SigningDomain(CHAIN_ID, GENESIS_DOCUMENT, Epoch(epoch))
    validators = tuple(Validator(MemberId(f"m{i}"), address_of(i)) for i in members)
    return Terms(ValidatorSet(Epoch(epoch), validators), domain, window, start, cheap_check)


def make_keyring(member: int, terms: Terms) -> CheapKeyring:
    """The key of a member in an epoch."""
    return CheapKeyring(address_of(member), terms.domain)
