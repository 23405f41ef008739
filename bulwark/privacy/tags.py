"""What a tag is made of: the bytes that the threshold OPRF takes for an indicator.

    input = version (1 byte) | kind (ASCII) | 0x00 | normalised value (UTF-8)

Rules owned here: the encoding is injective (a kind holds no zero byte), so two indicators share a
tag only if they are the same; every member encodes alike or their tags never meet. It does not
normalise values: the indicators package does, and a new way of normalising is a new version.
"""

from __future__ import annotations

from functools import lru_cache

from bulwark.privacy.errors import InputRefused

TAG_BYTES = 32
"""A tag is the first 32 bytes of the 64-byte output of RFC 9497."""

MAX_KIND_BYTES = 64
MAX_TAG_INPUT_BYTES = 65535
"""Bound of RFC 9497 on an input of the OPRF."""


def tag_input(version: int, kind: str, normalised: str) -> bytes:
    """The OPRF input of an indicator.

    `version` is 0..255, `kind` 1 to 64 printable ASCII characters without space, `normalised` is
    not empty and the whole has at most 65535 bytes. Raises `InputRefused`, without the value.
    """
    head = _head(version, kind)
    try:
        value = normalised.encode("utf-8")
    except UnicodeEncodeError:
        raise InputRefused("normalised value", "not Unicode text", "UTF-8 text") from None
    room = MAX_TAG_INPUT_BYTES - len(head)
    if not 1 <= len(value) <= room:
        raise InputRefused("length of the normalised value", len(value), f"1 to {room} bytes")
    return head + value


@lru_cache(maxsize=64)
def _head(version: int, kind: str) -> bytes:
    """What stands before the value; an alliance has one version and a handful of kinds."""
    if not 0 <= version <= 255:
        raise InputRefused("version of the tag input", version, "0 to 255")
    if not 1 <= len(kind) <= MAX_KIND_BYTES:
        raise InputRefused("length of the indicator kind", len(kind), f"1 to {MAX_KIND_BYTES}")
    if not all("!" <= character <= "~" for character in kind):
        raise InputRefused("indicator kind", ascii(kind), "printable ASCII without space")
    return bytes((version,)) + kind.encode("ascii") + b"\x00"
