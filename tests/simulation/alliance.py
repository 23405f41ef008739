"""Validators with real keys for simulated worlds and unit tests; the same for the same n."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Epoch, MemberId
from bulwark.ledger.signing import SigningDomain, SigningKey
from bulwark.ledger.validators import Validator, ValidatorSet
from consensus.config import Config
from consensus.keyring import LocalKeyring
from consensus.terms import Terms


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
    genesis = sha256(b"simulated genesis")
    domain = SigningDomain(7331, genesis, Epoch(0))
    members = tuple(Validator(MemberId(f"m{i}"), k.address) for i, k in enumerate(keys))
    validators = ValidatorSet(Epoch(0), members)
    return Alliance(
        validators, domain, tuple(LocalKeyring(k, domain) for k in keys), sha256(b"genesis header")
    )
