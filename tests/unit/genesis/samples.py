"""A seeded source of randomness and alliances made from it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from api.auth import generate_api_keys
from genesis.alliance import Alliance
from genesis.generator import Generated, generate

EXAMPLES = Path(__file__).resolve().parents[3] / "genesis" / "examples"
NOW_MS = 1_790_000_000_000


def seeded(seed: bytes) -> Callable[[int], bytes]:
    """Bytes of SHAKE-256 over seed and a counter; never ends."""
    count = 0

    def draw(length: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(seed + count.to_bytes(8, "big")).digest(length)

    return draw


def passphrase_of(name: str) -> bytes:
    return f"passphrase of {name}".encode()


def make(alliance: Alliance, out: Path, *, unattended: bool = False) -> Generated:
    return generate(
        alliance,
        out,
        random_bytes=seeded(b"golden"),
        now_ms=NOW_MS,
        passphrase_of=passphrase_of,
        new_api_keys=generate_api_keys,
        unattended=unattended,
    )
