"""The order in which a member spends its slots: random to everybody else, kept in one counter.

A sequential slot number would tell evaluators how much the asker has asked before. So the i-th
request of a member in an epoch takes slot `SlotOrder.slot(i)`, a permutation of 0..quota-1 under a
key that only the member has: a balanced Feistel network over the next power of four, walked until
the value is in range (Black and Rogaway 2002, "Ciphers with arbitrary finite domains"). Eight
rounds of keyed BLAKE2b; what it hides is an order, not a message.

Rules: the counter is the caller's and must be durable before a request leaves, since a slot that
is used for two different requests is refused everywhere and shows that both came from one member.
"""

from __future__ import annotations

import hashlib

from bulwark.privacy.errors import InputRefused

MAX_QUOTA = 1 << 32
ROUNDS = 8


class SlotOrder:
    """A secret permutation of 0..quota-1. Raises `InputRefused` for a quota outside 1..2^32."""

    __slots__ = ("_half_bits", "_key", "_mask", "quota")

    def __init__(self, key: bytes, context: bytes, quota: int) -> None:
        """`key` is the member's secret; `context` tells epochs and scopes apart."""
        if not 1 <= quota <= MAX_QUOTA:
            raise InputRefused("quota", quota, f"1 to {MAX_QUOTA}")
        self._key = hashlib.blake2b(
            context + quota.to_bytes(8, "big"), key=key[:64], person=b"Bulwark-v1-slots"
        ).digest()
        self.quota = quota
        self._half_bits = max(1, ((quota - 1).bit_length() + 1) // 2)
        self._mask = (1 << self._half_bits) - 1

    def __repr__(self) -> str:
        return f"SlotOrder(quota={self.quota})"

    def slot(self, count: int) -> int:
        """Slot of the request number `count`, from 0. Raises `InputRefused` past the quota."""
        if not 0 <= count < self.quota:
            raise InputRefused("request number", count, f"0 to {self.quota - 1}")
        value = self._permuted(count)
        while value >= self.quota:
            value = self._permuted(value)
        return value

    def _permuted(self, value: int) -> int:
        left, right = value >> self._half_bits, value & self._mask
        for number in range(ROUNDS):
            data = bytes((number,)) + right.to_bytes(4, "big")
            mixed = hashlib.blake2b(data, digest_size=4, key=self._key).digest()
            left, right = right, left ^ (int.from_bytes(mixed, "big") & self._mask)
        return left << self._half_bits | right
