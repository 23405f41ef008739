"""No byte of a pack can change unnoticed, and what is no pack is refused and does nothing else."""

from __future__ import annotations

import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulwark.audit.packfiles import (
    ANCHORS,
    BATCHES,
    CERTIFICATES,
    CUSTODY,
    EPOCHS,
    FRONTIER,
    HEADERS,
    SIGNATURE,
)
from bulwark.ledger.ids import Height
from bulwark.verifier.codes import PackRefused
from bulwark.verifier.pack import verify_pack
from node.audit.packport import PackWish
from tests.unit.verifier.forging import Files, archived, files_of, signed
from tests.unit.verifier.scene import packed, scene, verified

SEARCH = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
LATER = PackWish(from_height=Height(scene().epoch_end + 2))
LEDGER_FILES = (ANCHORS, BATCHES, CERTIFICATES, EPOCHS, FRONTIER, HEADERS)


def changed(content: bytes, at: int, how: str, value: int) -> bytes:
    """The content with one byte changed, cut out or put in."""
    at %= len(content)
    if how == "flip":
        return content[:at] + bytes([content[at] ^ value]) + content[at + 1 :]
    return content[:at] + content[at + 1 :] if how == "cut" else content[:at] + content[at - 1 :]


CHANGES = {
    "at": st.integers(0, 1 << 20),
    "how": st.sampled_from(("flip", "flip", "flip", "cut", "double")),
    "value": st.integers(1, 255),
}


@SEARCH
@given(**CHANGES)
def test_no_byte_of_the_archive_can_change(at: int, how: str, value: int) -> None:
    with pytest.raises(PackRefused):
        verified(changed(packed(), at, how, value))


@SEARCH
@given(name=st.sampled_from(LEDGER_FILES), **CHANGES)
def test_no_byte_that_the_ledger_fixes_can_change_though_a_member_signs_it(
    name: str, at: int, how: str, value: int
) -> None:
    files: Files = files_of(packed(LATER))
    forged = changed(files[name], at, how, value)
    if forged == files[name]:
        return
    with pytest.raises(PackRefused):
        verified(signed({**files, name: forged}))


@SEARCH
@given(name=st.sampled_from((SIGNATURE, CUSTODY)), **CHANGES)
def test_no_byte_of_signature_and_custody_can_change(
    name: str, at: int, how: str, value: int
) -> None:
    files: Files = files_of(packed(LATER))
    forged = changed(files[name], at, how, value)
    if forged == files[name]:
        return
    with pytest.raises(PackRefused):
        verified(archived({**files, name: forged}))


@SEARCH
@given(data=st.binary(max_size=400))
def test_what_is_no_pack_is_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(PackRefused):
        verify_pack(io.BytesIO(data), scene().node.genesis)
