"""Lifetime: how long a statement about an identifier of a kind holds, and how its weight decays.

Rules: the life spans are starting points from MISP's decaying models, OpenCTI and Pix DICT: numbers
are recycled within days, accounts and wallets stay with their holder for long. Weight follows the
MISP polynomial 1 - (t / life)^(1 / speed), in exact integers so that every machine agrees. It knows
no evidence, roles or members.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from msgspec import Struct

from bulwark.indicators.vocabulary import Kind

DAY_MS: Final = 86_400_000
FULL: Final = 1000
"""The weight of a fresh statement, in thousandths."""


class Lifetime(Struct, frozen=True):
    """Life span in days and decay speed as a fraction (23/10 falls fast at first, 1 evenly)."""

    days: int
    speed: tuple[int, int]


FAST: Final = (23, 10)
EVEN: Final = (1, 1)

LIFETIMES: Final[dict[Kind, Lifetime]] = {
    Kind.PHONE: Lifetime(10, FAST),
    Kind.EMAIL: Lifetime(90, FAST),
    Kind.DOMAIN: Lifetime(60, FAST),
    Kind.URL: Lifetime(30, FAST),
    Kind.IP: Lifetime(7, FAST),
    Kind.IBAN: Lifetime(365, EVEN),
    Kind.BANK_ACCOUNT: Lifetime(365, EVEN),
    Kind.WALLET: Lifetime(365, EVEN),
    Kind.DEVICE_ID: Lifetime(180, EVEN),
    Kind.IMEI: Lifetime(180, EVEN),
}


@lru_cache(maxsize=8192)
def remaining(age_days: int, life_days: int, speed: tuple[int, int]) -> int:
    """Thousandths of its weight that a statement keeps: FULL when fresh, 0 from life_days on.

    The lost part is the largest integer r with r <= FULL * (age / life)^(1 / speed), found by
    comparing integer powers: no floating point, so the result is the same everywhere.
    """
    if age_days <= 0:
        return FULL
    if age_days >= life_days:
        return 0
    power, root = speed
    bound = FULL**power * age_days**root
    low, high = 0, FULL
    while low < high:
        middle = (low + high + 1) // 2
        if middle**power * life_days**root <= bound:
            low = middle
        else:
            high = middle - 1
    return FULL - low
