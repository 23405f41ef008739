"""Samples that nobody chose: which block seeds a draw, the delayed seed, and the draw itself.

Rules (ADR-0025). The population is what the ledger had at a final block H. The seed comes from the
first block S above H that comes right after something that nobody could know: within WINDOW_MS
before it, S included, the ledger took transactions of f + 1 accounts, one of which is then honest,
in a stretch without a pause. The hash of S goes through DELAY_ITERATIONS of PBKDF2, which take
longer than anybody has between learning those transactions and having to publish S: whoever
proposes S can not look at what a candidate would draw. The draw is a partial Fisher-Yates shuffle
by rejection, so every subset of a size is equally likely, and a larger sample begins with the
smaller one. Two nodes with one ledger draw the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import pbkdf2_hmac, sha256
from typing import Final

from msgspec import Struct

from bulwark.audit.report import Basis, basis_document
from bulwark.ledger.ids import Address, Digest, Height, MemberId

FORMAT: Final = "bulwark-sample/1"
POPULATIONS: Final = ("records", "anchors", "access")
DELAY_ITERATIONS: Final = 1 << 28
"""Of PBKDF2-HMAC-SHA256 in all: 70 s of one core where this was measured (ADR-0025)."""
STAGES: Final = 64
"""Parts of the delay, so that progress shows and a stop is heard."""
WINDOW_MS: Final = 5_000
"""Ledger time before the seed's block in which the f + 1 accounts must have written."""
GAP_MS: Final = 4_000
"""Longest pause between two blocks of a calm stretch: no view timeout has grown in one."""
CALM_MS: Final = 10_000
"""Ledger time without a longer pause before a block counts: what waited through it is in."""
_DELAY_SALT: Final = b"bulwark/sampling/delay/1\x00"
_DRAW: Final = b"bulwark/sampling/draw/1\x00"
_WORD: Final = 1 << 64


class SeedBlock(Struct, frozen=True):
    """What the search for a seed's block reads of one block."""

    height: Height
    time_ms: int
    senders: frozenset[Address]
    """Accounts whose transactions it has."""


class SeedSearch:
    """Finds S: give it H, then the blocks above H one by one."""

    def __init__(self, at: Height, time_ms: int, accounts: int) -> None:
        """`accounts`: how many must have written, f + 1 of the validators at H."""
        self._height = at
        self._accounts = accounts
        self._last_ms = self._calm_ms = time_ms
        self._recent: list[tuple[int, frozenset[Address]]] = []

    def is_seed(self, block: SeedBlock) -> bool:
        """Whether this block is S. Raises ValueError for one that is not the next."""
        if block.height != self._height + 1:
            raise ValueError(f"block {block.height} does not follow {self._height}")
        if block.time_ms - self._last_ms > GAP_MS:
            self._calm_ms = block.time_ms
            self._recent.clear()
        self._height, self._last_ms = block.height, block.time_ms
        if block.time_ms - self._calm_ms < CALM_MS:
            return False
        self._recent.append((block.time_ms, block.senders))
        first_ms = block.time_ms - WINDOW_MS
        self._recent = [recent for recent in self._recent if recent[0] >= first_ms]
        heard = frozenset[Address]().union(*(senders for _, senders in self._recent))
        return len(heard) >= self._accounts


def delay(
    block_hash: Digest, iterations: int = DELAY_ITERATIONS, stages: int = STAGES
) -> Iterator[Digest]:
    """The delay function stage by stage, each from the one before; the last value is the seed.

    `iterations` and `stages` are the defaults for every real draw. Raises ValueError for
    iterations that the stages do not divide.
    """
    if iterations < 1 or stages < 1 or iterations % stages:
        raise ValueError(f"{iterations} iterations are not divided by {stages} stages")
    state = bytes(block_hash)
    for _ in range(stages):
        state = pbkdf2_hmac("sha256", state, _DELAY_SALT, iterations // stages)
        yield Digest(state)


class Seed(Struct, frozen=True):
    """The seed of a draw."""

    basis: Basis
    """Block S."""
    value: Digest
    """Last value of the delay function over the hash of S."""


class Population(Struct, frozen=True):
    """What is drawn from."""

    kind: str
    """One of POPULATIONS."""
    basis: Basis
    """Block H."""
    member: MemberId | None = None
    """Whose, None: all members'."""


class Draw:
    """Numbers of one stratum of one population, by one seed."""

    def __init__(self, seed: Seed, population: Population, stratum: str = "") -> None:
        """`stratum`: the member of a stratum, empty for the whole population."""
        whose = population.member or ""
        parts = (population.kind, whose, stratum)
        named = b"".join(bytes((len(part),)) + part.encode("ascii") for part in parts)
        block = bytes(population.basis.block_hash)
        self._key = sha256(_DRAW + seed.value + block + named).digest()
        self._words = self._stream()

    def numbers(self, size: int, most: int) -> list[int]:
        """`most` different numbers below `size` in the order drawn, all of them if that is fewer.

        Raises ValueError for a negative size or count.
        """
        if size < 0 or most < 0:
            raise ValueError("a size or count is negative")
        moved: dict[int, int] = {}
        drawn: list[int] = []
        for at in range(min(size, most)):
            other = at + self._below(size - at)
            drawn.append(moved.get(other, other))
            moved[other] = moved.get(at, at)
        return drawn

    def _below(self, bound: int) -> int:
        """A uniform number under `bound`: words over the last whole multiple are thrown away."""
        limit = _WORD - _WORD % bound
        return next(word for word in self._words if word < limit) % bound

    def _stream(self) -> Iterator[int]:
        counter = 0
        while True:
            block = sha256(self._key + counter.to_bytes(8, "big")).digest()
            for at in range(0, 32, 8):
                yield int.from_bytes(block[at : at + 8], "big")
            counter += 1


class Item(Struct, frozen=True):
    """One drawn thing, to be opened by its member."""

    number: int
    """In the population (of its member, if drawn by member), from 0 in ledger order."""
    member: MemberId
    height: Height
    """Block that has it, or that anchors it."""
    name: str
    """Record id or anchored digest as hex, or the number of an access entry from 1."""


class Stratum(Struct, frozen=True):
    """What was drawn from one part of the population."""

    member: MemberId | None
    size: int
    items: tuple[Item, ...]


class Sample(Struct, frozen=True):
    """A sample with all that somebody else needs to draw it again."""

    population: Population
    seed: Seed
    strata: tuple[Stratum, ...]

    def to_json(self) -> dict[str, object]:
        """The JSON document."""
        return {
            "format": FORMAT,
            "population": {
                "kind": self.population.kind,
                "member": self.population.member,
                "size": sum(stratum.size for stratum in self.strata),
                "up_to": basis_document(self.population.basis),
            },
            "seed": {
                "block": basis_document(self.seed.basis),
                "iterations": DELAY_ITERATIONS,
                "value": self.seed.value.hex(),
            },
            "strata": [
                {
                    "member": stratum.member,
                    "size": stratum.size,
                    "items": [_item(item) for item in stratum.items],
                }
                for stratum in self.strata
            ],
        }

    def to_open(self) -> dict[str, list[str]]:
        """What each member is asked to open: names by member, in ledger order."""
        wanted: dict[str, list[tuple[int, str]]] = {}
        for stratum in self.strata:
            for item in stratum.items:
                wanted.setdefault(item.member, []).append((item.number, item.name))
        return {member: [name for _, name in sorted(wanted[member])] for member in sorted(wanted)}


def accounts_needed(validators: int) -> int:
    """f + 1 of so many validators: one of them is honest if at most f work together."""
    return (validators - 1) // 3 + 1


def _item(item: Item) -> dict[str, object]:
    return {
        "number": item.number,
        "member": item.member,
        "height": item.height,
        "name": item.name,
    }
