"""Erasure on real nodes: no byte stays on a disk, every proof holds, every member signs for it."""

from __future__ import annotations

import pytest

from tests.process.conftest import MakeAlliance
from tests.process.erasing import play

pytestmark = pytest.mark.process


def test_erased_records_leave_no_byte_on_any_disk_and_break_no_proof(
    make_alliance: MakeAlliance,
) -> None:
    play(make_alliance(), records=1_000, erase=100)
