"""What a secret may look like in a heap of bytes: its spellings, encodings and plain hashes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator

from bulwark.ledger.hashing import keccak256


def spellings(value: str) -> set[str]:
    """The value as given and in the forms that normalising brings about."""
    bare = "".join(character for character in value if character.isalnum())
    return {value, value.lower(), value.upper(), bare, bare.lower(), value.replace(" ", "")}


def _texts(value: str) -> Iterator[bytes]:
    for text in spellings(value):
        for shown in (text, text[::-1]):
            for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
                yield shown.encode(encoding)


def _base64(data: bytes) -> Iterator[bytes]:
    """Inner parts of the three alignments in which data may stand inside a longer base64 text."""
    for shift in range(3):
        padded = base64.b64encode(bytes(shift) + data)
        inner = padded[4 if shift else 0 : -4]
        if len(inner) >= 12:
            yield inner
            yield inner.replace(b"+", b"-").replace(b"/", b"_")


def _shown(data: bytes) -> Iterator[bytes]:
    """Bytes as they are, in hexadecimal and in base64."""
    yield data
    yield data.hex().encode()
    yield data.hex().upper().encode()
    yield from _base64(data)


def of_value(value: str, *, tag_inputs: tuple[bytes, ...] = ()) -> dict[bytes, str]:
    """Everything to look for, with words for what it is."""
    found: dict[bytes, str] = {}
    for text in _texts(value):
        for data in _shown(text):
            if len(data) >= 6:
                found[data] = f"{value!r} in clear"
    hashed = {text.encode() for text in spellings(value)} | set(tag_inputs)
    for data in hashed:
        for name, digest in (
            ("SHA-1", hashlib.sha1(data).digest()),
            ("SHA-256", hashlib.sha256(data).digest()),
            ("SHA-512", hashlib.sha512(data).digest()),
            ("MD5", hashlib.md5(data).digest()),
            ("BLAKE2b-256", hashlib.blake2b(data, digest_size=32).digest()),
            ("Keccak-256", keccak256(data)),
            ("double SHA-256", hashlib.sha256(hashlib.sha256(data).digest()).digest()),
        ):
            for shown in _shown(digest):
                found[shown] = f"{name} of {value!r}"
    return found


def of_tag(tag: bytes) -> dict[bytes, str]:
    """A tag, shown in any way."""
    return {shown: f"tag {tag.hex()[:8]}.." for shown in _shown(tag)}


def of_digest(digest: bytes, words: str) -> dict[bytes, str]:
    """A digest, shown in any way."""
    return dict.fromkeys(_shown(digest), words)


def search(haystack: bytes, needles: dict[bytes, str]) -> list[str]:
    """Words for each needle that is in there, without repetitions."""
    return sorted({words for needle, words in needles.items() if needle in haystack})
