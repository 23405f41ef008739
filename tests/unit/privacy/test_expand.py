"""expand_message_xmd against RFC 9380 appendix K and its bounds."""

from __future__ import annotations

import json
from hashlib import sha512
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.privacy.errors import InputRefused
from bulwark.privacy.expand import expand_message_xmd

FOLDER = Path(__file__).parents[2] / "vectors/hash_to_curve"
NAMES = {"SHA256": "sha256", "SHA512": "sha512"}


def cases() -> list[tuple[str, str, dict[str, Any]]]:
    found = []
    for path in sorted(FOLDER.glob("expand_message_xmd_*.json")):
        suite = json.loads(path.read_text(encoding="utf-8"))
        found += [(NAMES[suite["hash"]], suite["DST"], case) for case in suite["tests"]]
    return found


def test_all_thirty_cases_are_there() -> None:
    assert len(cases()) == 30


@pytest.mark.parametrize(("hash_name", "dst", "case"), cases())
def test_expansion_equals_the_rfc(hash_name: Any, dst: str, case: dict[str, Any]) -> None:
    length = int(case["len_in_bytes"], 16)
    expanded = expand_message_xmd(case["msg"].encode(), dst.encode(), length, hash_name)
    assert expanded.hex() == case["uniform_bytes"]


@pytest.mark.parametrize("length", [0, -1, 255 * 64 + 1])
def test_length_outside_the_rfc_is_refused(length: int) -> None:
    with pytest.raises(InputRefused, match="expanded length"):
        expand_message_xmd(b"", b"dst", length)


def test_longest_expansion_is_allowed() -> None:
    assert len(expand_message_xmd(b"", b"dst", 255 * 64)) == 255 * 64


def test_empty_dst_is_refused() -> None:
    with pytest.raises(InputRefused, match="domain separation"):
        expand_message_xmd(b"message", b"", 64)


@settings(deadline=None)
@given(st.binary(max_size=300), st.binary(min_size=1, max_size=300))
def test_expansion_of_one_block_equals_the_formula_of_the_rfc(message: bytes, dst: bytes) -> None:
    assert expand_message_xmd(message, dst, 64) == one_block(message, dst)


@pytest.mark.parametrize("length", [1, 254, 255, 256, 257])
def test_dst_of_255_bytes_is_used_as_it_is_and_one_more_is_hashed(length: int) -> None:
    dst = b"d" * length
    assert expand_message_xmd(b"m", dst, 64) == one_block(b"m", dst)


def one_block(message: bytes, dst: bytes) -> bytes:
    """RFC 9380 section 5.3.1 and 5.3.3 written out for SHA-512 and 64 bytes."""
    if len(dst) > 255:
        dst = sha512(b"H2C-OVERSIZE-DST-" + dst).digest()
    dst_prime = dst + len(dst).to_bytes(1, "big")
    b_0 = sha512(bytes(128) + message + b"\x00\x40" + b"\x00" + dst_prime).digest()
    return sha512(b_0 + b"\x01" + dst_prime).digest()
