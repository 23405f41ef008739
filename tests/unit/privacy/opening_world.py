"""A small alliance for the tests of openings: a ring, an opener, and committed queries."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from bulwark.ledger.ids import Digest
from bulwark.ledger.merkle import inclusion_path, leaf_hash, root_of
from bulwark.privacy.group import Element, hash_to_group, multiply, multiply_base, random_scalar
from bulwark.privacy.memberkeys import (
    RegulatorSecret,
    RingSecret,
    new_regulator_key,
    new_ring_key,
)
from bulwark.privacy.opening import PartialOpening, partial, regulator_part
from bulwark.privacy.openingcase import (
    Anchor,
    Anchorage,
    CommittedStatement,
    Opener,
    OpeningCase,
    sides_of_path,
    statement_leaf,
)
from bulwark.privacy.openingresult import LedgerFacts
from bulwark.privacy.sharing import Share, recover, split
from bulwark.privacy.threshold import EvaluatorShare, ThresholdKey

CHAIN = 7001
GENESIS = b"\x99" * 32
EVALUATOR = b"\x33" * 32
CASE_ID = b"\xca" * 32
SCOPE_POINT = hash_to_group(b"epoch 3, scope 1, slot 4", b"test scope")

RandomBytes = Callable[[int], bytes]


def stream(seed: str) -> RandomBytes:
    calls = iter(range(10**9))

    def random_bytes(count: int) -> bytes:
        return hashlib.shake_256(f"{seed}/{next(calls)}".encode()).digest(count)

    return random_bytes


def commit(
    statement_hash: bytes, nullifier: Element, e1: Element, e2: Element, place: int, count: int
) -> CommittedStatement:
    """The statement as leaf `place` of an evaluator's log of `count`."""
    leaves = [leaf_hash(bytes((number,))) for number in range(count)]
    leaves[place] = Digest(statement_leaf(statement_hash, nullifier, e1, e2))
    anchor = Anchor(EVALUATOR, 3, 17, root_of(leaves))
    path = tuple(inclusion_path(leaves, place))
    anchorage = Anchorage(anchor, sides_of_path(place, count), path)
    return CommittedStatement(statement_hash, nullifier, e1, e2, anchorage)


@dataclass(frozen=True)
class OpeningWorld:
    """n members with ring keys, a regulator, and a council key t of n shared among all members."""

    secrets: tuple[RingSecret, ...]
    regulator: RegulatorSecret
    shares: tuple[EvaluatorShare, ...]
    opener: Opener
    random_bytes: RandomBytes

    @classmethod
    def build(cls, threshold: int, holders: int, seed: str = "opening") -> OpeningWorld:
        random_bytes = stream(f"{seed} {threshold} of {holders}")
        dealing = split(random_scalar(random_bytes), threshold, holders, random_bytes)
        shares = tuple(
            EvaluatorShare(share.index, share.value, dealing.commitments.share_key(share.index))
            for share in dealing.shares
        )
        council = ThresholdKey(
            threshold, dealing.commitments.public_key, tuple(s.public_share for s in shares)
        )
        regulator = new_regulator_key(random_bytes)
        return cls(
            secrets=tuple(new_ring_key(random_bytes) for _ in range(holders)),
            regulator=regulator,
            shares=shares,
            opener=Opener(5, regulator.public, council),
            random_bytes=random_bytes,
        )

    def refreshed(self, seed: str) -> OpeningWorld:
        """The same keys with the council's shared anew, as a refresh leaves it."""
        council, random_bytes = self.opener.council, stream(seed)
        held = self.shares[: council.threshold]
        secret = recover([Share(share.index, share.secret_share) for share in held])
        dealing = split(secret, council.threshold, council.holders, random_bytes)
        shares = tuple(
            EvaluatorShare(share.index, share.value, dealing.commitments.share_key(share.index))
            for share in dealing.shares
        )
        key = ThresholdKey(
            council.threshold, council.public_key, tuple(s.public_share for s in shares)
        )
        opener = Opener(self.opener.epoch, self.opener.regulator, key)
        return replace(self, shares=shares, opener=opener, random_bytes=random_bytes)

    @property
    def ring(self) -> tuple[Element, ...]:
        return tuple(secret.public for secret in self.secrets)

    def statement(self, member: int, name: bytes = b"s", place: int = 2) -> CommittedStatement:
        """A query of `member` (from 0) as it stands in an evaluator's log of five."""
        r = random_scalar(self.random_bytes)
        secret = self.secrets[member]
        return commit(
            hashlib.sha256(name).digest(),
            multiply(secret.secret, SCOPE_POINT),
            multiply_base(r),
            secret.public + multiply(r, self.opener.public_key),
            place,
            5,
        )

    def case(self, member: int, case_id: bytes = CASE_ID) -> OpeningCase:
        return OpeningCase(CHAIN, GENESIS, case_id, self.statement(member), self.opener)

    def parts(self, case: OpeningCase, *indices: int) -> list[PartialOpening]:
        """The parts of the council members with these indices (from 1)."""
        return [partial(case, self.shares[index - 1], self.random_bytes) for index in indices]

    def regulators(self, case: OpeningCase) -> PartialOpening:
        return regulator_part(case, self.regulator, self.random_bytes)

    def facts(self, case: OpeningCase) -> LedgerFacts:
        """What the ledger says about this case."""
        return LedgerFacts(
            chain_id=CHAIN,
            genesis_hash=GENESIS,
            case_id=case.case_id,
            statement_hash=case.statement.statement_hash,
            opener=self.opener,
            anchor=case.statement.anchorage.anchor,
            ring=self.ring,
        )
