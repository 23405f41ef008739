"""expand_message_xmd of RFC 9380 section 5.3.1: any message to a fixed number of uniform bytes.

Rules owned here: the separation of domains by DST (a DST longer than 255 bytes is hashed first, an
empty one is refused) and the bounds of the RFC on the output. It does not choose any DST and does
not map to a group.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from bulwark.privacy.errors import InputRefused

HashName = Literal["sha256", "sha512"]

_BLOCK = {"sha256": 64, "sha512": 128}
_SIZE = {"sha256": 32, "sha512": 64}
_OVERSIZE = b"H2C-OVERSIZE-DST-"
MAX_SHORT_DST = 255


def expand_message_xmd(
    message: bytes, dst: bytes, length: int, hash_name: HashName = "sha512"
) -> bytes:
    """`length` uniform bytes from `message` under the domain `dst` (RFC 9380, 5.3.1 and 5.3.3).

    `length` is 1 to 255 times the digest size. Raises `InputRefused`.
    """
    size = _SIZE[hash_name]
    blocks = -(-length // size)
    if not 1 <= blocks <= 255:
        raise InputRefused("expanded length", length, f"1 to {255 * size} bytes")
    if not dst:
        raise InputRefused("domain separation tag length", 0, "1 or more bytes")
    if len(dst) > MAX_SHORT_DST:
        dst = hashlib.new(hash_name, _OVERSIZE + dst).digest()
    digest = hashlib.sha512 if hash_name == "sha512" else hashlib.sha256
    suffix = dst + bytes((len(dst),))
    head = bytes(_BLOCK[hash_name]) + message + length.to_bytes(2, "big") + b"\x00" + suffix
    first = digest(head).digest()
    block = digest(first + b"\x01" + suffix).digest()
    if blocks == 1:
        return block[:length]
    output = [block]
    for counter in range(2, blocks + 1):
        mixed = bytes(a ^ b for a, b in zip(first, block, strict=True))
        block = digest(mixed + bytes((counter,)) + suffix).digest()
        output.append(block)
    return b"".join(output)[:length]
