"""Compares two histories of one alliance: the first block at which they part, and who signed both.

Rules: a header fixes everything before it by its parent hash, so equal hashes at the last common
height are equal histories, and a binary search finds the first difference. Nobody is believed: what
a node shows counts only under a certificate that leads from the genesis document. Two certified
headers of one height need validators that signed both; the signers say which.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import rfc8785

from bulwark.ledger import jsonfields as jf
from bulwark.ledger.epochs import follow
from bulwark.ledger.errors import LedgerError, ProofInvalid
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Height, MemberId
from bulwark.ledger.proofs import MAX_PROOF_BYTES, SealedHeader

FORK_FORMAT: Final = "bulwark-fork/1"
MAX_FORK_BYTES: Final = 2 * MAX_PROOF_BYTES
"""Evidence of a fork: two certified headers with what leads to each."""
MAX_UNCERTIFIED: Final = 1_024
"""Blocks between two certificates that a comparison follows; an alliance certifies every 64th."""


class History(Protocol):
    """What one side shows; nothing of it is believed."""

    @property
    def name(self) -> str:
        """For the verdict."""
        ...

    @property
    def first(self) -> Height:
        """First block that it can show."""
        ...

    @property
    def last(self) -> Height:
        """Last final block that it can show."""
        ...

    async def header(self, height: Height) -> Header:
        """The header of a block between the two."""
        ...

    async def sealed(self, height: Height) -> SealedHeader | None:
        """The lowest certified header at or above a height, None if there is none."""
        ...


class Outcome(StrEnum):
    """What a comparison comes to."""

    SAME = "same"
    """Equal at every common height."""
    APART = "no-common-height"
    """They show no height in common."""
    FORK = "fork"
    """Both sides are certified and differ: more than f validators signed twice."""
    ONE_SIDE = "one-side-uncertified"
    """They differ, and one side shows no valid certificate for its part."""


@dataclass(frozen=True, slots=True)
class Fork:
    """Two certified headers of one height."""

    height: Height
    one: SealedHeader
    other: SealedHeader
    equivocators: tuple[MemberId, ...]
    """Validators whose signatures both certificates hold."""
    faulty: int
    """f of the validator set: how many the alliance tolerates."""

    def to_json(self, genesis: Genesis) -> bytes:
        """Evidence that anyone can check with genesis.json."""
        document: dict[str, object] = {
            "format": FORK_FORMAT,
            "genesis_hash": genesis.hash.hex(),
            "height": self.height,
            "one": self.one.document(),
            "other": self.other.document(),
            "equivocators": list(self.equivocators),
        }
        return rfc8785.dumps(document)  # type: ignore[arg-type]  # JSON by construction


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two histories have in common and where they part."""

    outcome: Outcome
    first: Height
    last: Height
    """Common heights."""
    differs: Height | None = None
    """First height with two different headers."""
    fork: Fork | None = None
    uncertified: str | None = None
    """Name of the side whose part no valid certificate covers."""
    reason: str = ""


async def compare(one: History, other: History, genesis: Genesis) -> Comparison:
    """Compare two histories; raises what the histories raise."""
    first, last = Height(max(one.first, other.first)), Height(min(one.last, other.last))
    if first > last:
        return Comparison(Outcome.APART, first, last)
    for side in (one, other):
        reason = await _unproven(side, genesis, last)
        if reason is not None:
            return Comparison(Outcome.ONE_SIDE, first, last, uncertified=side.name, reason=reason)
    if await _same(one, other, last):
        return Comparison(Outcome.SAME, first, last)
    differs = await _first_difference(one, other, first, last)
    for side in (one, other):
        if differs > first and not await _chains(side, differs):
            reason = f"its block {differs} does not follow its block {differs - 1}"
            return Comparison(
                Outcome.ONE_SIDE, first, last, differs, uncertified=side.name, reason=reason
            )
    return await _forked(one, other, genesis, (first, last, differs))


async def _unproven(side: History, genesis: Genesis, last: Height) -> str | None:
    """Why a side's chain at the last common height is not proven, None if it is.

    Headers up to the certified one above are followed from parent to parent.
    """
    sealed = await side.sealed(last)
    if sealed is None:
        return f"it shows no certificate at or above block {last}"
    try:
        sealed.verify(genesis)
    except ProofInvalid as error:
        return str(error)
    expected, height = sealed.header.hash(), sealed.header.height
    if height - last > MAX_UNCERTIFIED:
        return f"the next certificate behind block {last} is of block {height}"
    for at in range(height, last - 1, -1):
        header = await side.header(Height(at))
        if header.hash() != expected:
            return f"its block {at} is not the one that its certificate of block {height} covers"
        expected = header.parent_hash
    return None


async def _same(one: History, other: History, height: Height) -> bool:
    return (await one.header(height)).hash() == (await other.header(height)).hash()


async def _first_difference(one: History, other: History, low: Height, high: Height) -> Height:
    """The first height that differs; `high` does."""
    if not await _same(one, other, low):
        return low
    while high - low > 1:
        middle = Height((low + high) // 2)
        if await _same(one, other, middle):
            low = middle
        else:
            high = middle
    return high


async def _chains(side: History, height: Height) -> bool:
    before, at = await side.header(Height(height - 1)), await side.header(height)
    return at.parent_hash == before.hash()


async def _forked(
    one: History, other: History, genesis: Genesis, heights: tuple[Height, Height, Height]
) -> Comparison:
    """Find the lowest height from the difference on that both sides have certified."""
    first, last, at = heights
    differs = at
    while at <= last:
        left, right = await one.sealed(at), await other.sealed(at)
        if left is None or right is None:
            break
        if left.header.height == right.header.height:
            fork = _fork(left, right, genesis)
            return Comparison(Outcome.FORK, first, last, differs, fork)
        at = Height(max(left.header.height, right.header.height))
    reason = f"no height from {differs} to {last} is certified on both sides"
    return Comparison(Outcome.ONE_SIDE, first, last, differs, reason=reason)


def _fork(one: SealedHeader, other: SealedHeader, genesis: Genesis) -> Fork:
    """Two seals of one height as evidence; raises ProofInvalid if one of them does not hold."""
    signed = [_signers(sealed, genesis) for sealed in (one, other)]
    both = tuple(member for key, member in signed[0].items() if key in signed[1])
    faulty = follow(genesis, one.epochs).validators.faulty
    return Fork(one.header.height, one, other, both, faulty)


def _signers(sealed: SealedHeader, genesis: Genesis) -> dict[bytes, MemberId]:
    """Who signed: vote key to member. Raises ProofInvalid."""
    terms = follow(genesis, sealed.epochs)
    terms.verify(sealed.header, sealed.certificate)
    chosen = [terms.validators.validators[index] for index, _ in sealed.certificate.signatures]
    return {bytes(validator.address): validator.member for validator in chosen}


def read_fork(data: bytes, genesis: Genesis) -> Fork:
    """Check evidence of a fork against the genesis document alone; raises ProofInvalid."""
    names = ("format", "genesis_hash", "height", "one", "other", "equivocators")
    try:
        doc = jf.fields(jf.parse(data, MAX_FORK_BYTES), "", names)
        if doc["format"] != FORK_FORMAT or doc["genesis_hash"] != genesis.hash.hex():
            raise ProofInvalid("fork", f"{FORK_FORMAT} of genesis {genesis.hash.hex()} is needed")
        one = SealedHeader.read(doc["one"], "one")
        other = SealedHeader.read(doc["other"], "other")
        fork = _fork(one, other, genesis)
    except jf.FieldInvalid as error:
        raise ProofInvalid(error.path, error.detail) from error
    except ProofInvalid:
        raise
    except LedgerError as error:
        raise ProofInvalid("fork", str(error)) from error
    same_height = one.header.height == other.header.height
    if not same_height or one.header == other.header:
        raise ProofInvalid("fork", "two different headers of one height are needed")
    if doc["equivocators"] != list(fork.equivocators) or doc["height"] != fork.height:
        raise ProofInvalid("fork", "height or members are not those of the certificates")
    return fork
