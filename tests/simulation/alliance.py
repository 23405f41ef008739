"""Validators with keys for simulated worlds and unit tests; the same for the same n.

`make_alliance` has real secp256k1 keys. `Crowd` is the simulator's cheap scheme behind the same
seams (`Keyring`, `Terms.check`): a signature is a keyed hash under a secret that only the signer's
keyring and the checking function hold, so an adversary with its own keyring can not forge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from bulwark.ledger.errors import SignatureInvalid
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Address, Digest, Epoch, Height, MemberId
from bulwark.ledger.signing import SigningDomain, SigningKey
from bulwark.ledger.validators import Validator, ValidatorSet
from bulwark.ledger.votes import VoteSubject
from consensus.config import Config
from consensus.keyring import LocalKeyring
from consensus.terms import Terms

GENESIS_HASH = sha256(b"simulated genesis")
CHAIN_ID = 7331


@dataclass(frozen=True)
class Alliance:
    """A validator set with everybody's keys."""

    validators: ValidatorSet
    domain: SigningDomain
    keyrings: tuple[LocalKeyring, ...]
    genesis_hash: Digest

    @property
    def terms(self) -> Terms:
        """The first epoch, with the default window."""
        return Terms(self.validators, self.domain, Config().window)


@lru_cache
def make_alliance(n: int) -> Alliance:
    """n validators whose keys are hashes of their numbers."""
    keys = [SigningKey(sha256(b"simulated validator %d" % i)) for i in range(n)]
    domain = SigningDomain(CHAIN_ID, GENESIS_HASH, Epoch(0))
    members = tuple(Validator(MemberId(f"m{i}"), k.address) for i, k in enumerate(keys))
    validators = ValidatorSet(Epoch(0), members)
    return Alliance(
        validators, domain, tuple(LocalKeyring(k, domain) for k in keys), sha256(b"genesis header")
    )


class FastDomain(SigningDomain):
    """The signing domain with a cheap hash: same inputs, every one of them bound."""

    __slots__ = ()

    def digest(self, tag: bytes, body: bytes) -> Digest:
        """32 bytes over chain, genesis, epoch, tag and body."""
        key = self.genesis_hash[:24] + self.epoch.to_bytes(8, "big")
        return Digest(blake2b(b"%b\x00%b" % (tag, body), digest_size=32, key=key).digest())


class FastKeyring:
    """Signs for one validator key in one epoch by a keyed hash."""

    __slots__ = ("_domain", "_secret", "address")

    def __init__(self, secret: bytes, address: Address, domain: SigningDomain) -> None:
        self._secret = secret
        self._domain = domain
        self.address = address

    def sign(self, tag: bytes, body: bytes) -> bytes:
        """65 bytes over domain, tag and body."""
        return _mac(self._secret, self._domain.digest(tag, body))

    def sign_vote(self, subject: VoteSubject) -> bytes:
        """65 bytes that cast a vote."""
        return _mac(self._secret, subject.signing_digest(self._domain))


def _mac(secret: bytes, digest: Digest) -> bytes:
    return blake2b(digest, digest_size=64, key=secret).digest() + b"\x00"


class Crowd:
    """Everybody's cheap keys, all generations of them: (node, generation) is one key."""

    def __init__(self) -> None:
        self._secrets: dict[Address, bytes] = {}

    def key(self, node: int, generation: int = 0) -> tuple[bytes, Address]:
        """Secret and address of one key."""
        secret = sha256(b"cheap %d %d" % (node, generation))
        address = Address(sha256(secret)[:20])
        self._secrets[address] = secret
        return secret, address

    def domain(self, epoch: int) -> SigningDomain:
        """The signing domain of an epoch."""
        return FastDomain(CHAIN_ID, GENESIS_HASH, Epoch(epoch))

    def keyring(self, node: int, generation: int, epoch: int) -> FastKeyring:
        """The keyring of one node in one epoch."""
        return FastKeyring(*self.key(node, generation), self.domain(epoch))

    def terms(self, epoch: int, generations: tuple[int, ...], window: int, start: int) -> Terms:
        """The terms of an epoch in which validator i is node i with its key of a generation."""
        members = tuple(
            Validator(MemberId(f"m{i}"), self.key(i, g)[1]) for i, g in enumerate(generations)
        )
        validators = ValidatorSet(Epoch(epoch), members)
        return Terms(validators, self.domain(epoch), window, Height(start), self.check)

    def check(self, signer: Address, digest: Digest, signature: bytes, what: str) -> None:
        """Whether `signer` made `signature`; raises SignatureInvalid."""
        secret = self._secrets.get(signer)
        if secret is None or signature != _mac(secret, digest):
            raise SignatureInvalid(what, "is not the signer's")
