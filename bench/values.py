"""Values to report and to ask about: deterministic, valid for the normaliser, never twice.

Rules: a seed gives the same values on every machine; the mix is phones, domains, wallets and IBANs
as a member would hold them, spelt canonically, so that the cost of odd spellings is not in the
numbers. The phones are of a real numbering plan and may exist: benchmarks stay on this machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import product
from typing import Final

import orjson

from bulwark.indicators.vocabulary import FraudType, ObjectRole

PHONE_SPACE: Final = 300_000_000
"""British mobile numbers +447 1.. to 3.., all of them valid by plan."""
_PHONE_STEP: Final = 179_424_673
"""A prime that does not divide the space: stepping by it visits every number once."""
_TYPES: Final = tuple(term.label for term in FraudType if term)
_ROLES: Final = tuple(term.label for term in ObjectRole if term)
COMBINATIONS: Final = tuple(product(_TYPES, _ROLES))
"""A member holds one record for each of these of one value."""


@dataclass(frozen=True, slots=True)
class Value:
    """An identifier in clear."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One report."""

    value: Value
    fraud_type: str
    object_role: str

    def encode(self) -> bytes:
        """The report as one JSON object without a newline."""
        return orjson.dumps(
            {
                "kind": self.value.kind,
                "value": self.value.text,
                "fraud_type": self.fraud_type,
                "object_role": self.object_role,
                "confidence": 80,
            }
        )


class Values:
    """An endless supply of distinct values."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._next = 0

    def take(self, count: int) -> list[Value]:
        """The next `count` values; five phones, two domains, two wallets and an IBAN in ten."""
        first, self._next = self._next, self._next + count
        return [self._make(number) for number in range(first, first + count)]

    def _make(self, number: int) -> Value:
        place = number % 10
        if place < 5:
            return Value("phone", _phone(self._seed, number))
        digest = blake2b(b"%d/%d" % (self._seed, number), digest_size=20).digest()
        if place < 7:
            return Value("domain", f"pay-{digest[:8].hex()}.example")
        if place < 9:
            return Value("wallet", f"0x{digest.hex()}")
        return Value("iban", _iban(int.from_bytes(digest, "big") % 10**18))


def _phone(seed: int, number: int) -> str:
    at = (seed * 7_919 + number * _PHONE_STEP) % PHONE_SPACE
    return f"+447{100_000_000 + at}"


def _iban(account: int) -> str:
    """German IBAN of an 18-digit account; ISO 13616 check digits over `DE00` as 131400."""
    check = 98 - (account * 1_000_000 + 131_400) % 97
    return f"DE{check:02d}{account:018d}"


class KnownValues:
    """Values whose tags a member holds, and the reports of them that were not made yet."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._rounds: list[tuple[list[Value], Iterator[tuple[str, str]]]] = []

    def add(self, values: Sequence[Value]) -> None:
        """Values that the member asked for or reported under the first combination."""
        combinations = iter(COMBINATIONS)
        next(combinations)
        self._rounds.append((list(values), combinations))

    def __len__(self) -> int:
        return sum(len(values) for values, _ in self._rounds)

    def values(self, count: int) -> list[Value]:
        """The first `count` of them."""
        return [value for values, _ in self._rounds for value in values][:count]

    def rows(self, count: int) -> list[Row]:
        """`count` reports that this member never made; raises ValueError when none are left."""
        while len(self._rows) < count:
            grown = False
            for values, combinations in self._rounds:
                found = next(combinations, None)
                if found is not None:
                    self._rows += [Row(value, *found) for value in values]
                    grown = True
            if not grown:
                raise ValueError(f"{len(self)} known values are too few for {count} more reports")
        taken, self._rows = self._rows[:count], self._rows[count:]
        return taken


def first_rows(values: Sequence[Value]) -> list[Row]:
    """The first report of each value."""
    return [Row(value, *COMBINATIONS[0]) for value in values]


def ndjson(rows: Sequence[Row]) -> bytes:
    """An upload of these rows."""
    return b"".join(row.encode() + b"\n" for row in rows)


def question(value: Value) -> bytes:
    """A screening of one value as a JSON object."""
    return orjson.dumps(
        {
            "kind": value.kind,
            "value": value.text,
            "purpose": "fraud_prevention",
            "lawful_basis": "legitimate_interests",
        }
    )


def questions(values: Sequence[Value]) -> bytes:
    """An upload of screenings."""
    return b"".join(question(value) + b"\n" for value in values)
