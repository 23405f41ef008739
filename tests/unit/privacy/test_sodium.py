"""Finding libsodium: order, refusal with reasons, and the traps of the raw library itself."""

from __future__ import annotations

import ctypes
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from bulwark.privacy import sodium
from bulwark.privacy.errors import GroupUnavailable
from bulwark.privacy.group import GENERATOR, ORDER

Buffer = ctypes.c_char * 32


def only(name: str) -> sodium.Sodium:
    return sodium.load([pair for pair in sodium.openers() if pair[0] == name])


def test_system_library_is_tried_before_rbcl() -> None:
    names = [name for name, _ in sodium.openers()]
    assert names == ["libsodium.so.23", "libsodium.so.26", "rbcl"]


def test_importing_the_package_loads_no_library() -> None:
    folder = Path(sodium.__file__).parent
    modules = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    assert "threshold" in modules
    program = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module('bulwark.privacy.' + name)\n"
        "from bulwark.privacy import sodium\n"
        "assert sodium.library.cache_info().currsize == 0\n"
        "assert 'rbcl' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_library_is_loaded_once_per_process() -> None:
    assert sodium.library() is sodium.library()
    assert sodium.library().version.startswith("1.0.")


def test_next_library_is_used_where_the_first_is_missing() -> None:
    missing = ("nowhere", lambda: sodium.open_system("libbulwark-missing.so.0"))
    assert sodium.load([missing, *sodium.openers()]).source == "libsodium.so.23"


def test_without_any_library_the_refusal_lists_what_was_tried_and_why() -> None:
    missing = ("nowhere", lambda: sodium.open_system("libbulwark-missing.so.0"))
    lacking = ("libc", lambda: sodium.open_system("libc.so.6"))
    with pytest.raises(GroupUnavailable) as caught:
        sodium.load([missing, lacking])
    assert [name for name, _ in caught.value.attempts] == ["nowhere", "libc"]
    assert "cannot open" in caught.value.attempts[0][1]
    assert "sodium_version_string" in caught.value.attempts[1][1]
    assert "libsodium23" in str(caught.value)


def test_library_whose_start_fails_is_not_used() -> None:
    class NeverStarts(ctypes.CDLL):
        def sodium_init(self) -> int:
            return -1

    with pytest.raises(GroupUnavailable, match="sodium_init failed"):
        sodium.load([("broken", lambda: NeverStarts("libsodium.so.23"))])


def test_nothing_to_try_is_said_plainly() -> None:
    with pytest.raises(GroupUnavailable, match="Tried nothing"):
        sodium.load([])


def test_temporary_file_of_rbcl_is_removed_after_loading_and_loading_twice_works() -> None:
    assert only("rbcl").version == only("rbcl").version
    assert not Path(importlib.import_module("rbcl._sodium").lib_path).exists()


def test_declarations_do_not_touch_the_handle_of_rbcl() -> None:
    only("rbcl")
    raw = importlib.import_module("rbcl._sodium")._sodium
    assert raw.crypto_core_ristretto255_add.argtypes is None


@pytest.mark.parametrize("name", ["libsodium.so.23", "rbcl"])
class TestTrapsOfTheRawLibrary:
    """Why `group` checks what it checks: what libsodium 1.0.18 was found to let pass.

    A libsodium that mends one of the first three may be met with joy: only then change the test.
    """

    def test_raw_point_check_lets_bit_255_pass(self, name: str) -> None:
        tampered = GENERATOR.encoding[:31] + bytes((GENERATOR.encoding[31] | 0x80,))
        assert only(name).is_valid_point(tampered) == 1

    def test_raw_point_check_takes_the_identity(self, name: str) -> None:
        assert only(name).is_valid_point(bytes(32)) == 1

    def test_raw_multiplication_takes_scalars_of_l_and_more_and_a_set_top_bit(
        self, name: str
    ) -> None:
        results = set()
        for value in (7, 7 + ORDER, 7 + 2**255):
            out = Buffer()
            scalar = value.to_bytes(32, "little")
            assert only(name).multiply(out, scalar, GENERATOR.encoding) == 0
            results.add(out.raw)
        assert len(results) == 1

    def test_raw_addition_of_an_invalid_point_reports_only_by_its_return_code(
        self, name: str
    ) -> None:
        out = Buffer()
        assert only(name).add(out, b"\x01" + bytes(31), GENERATOR.encoding) == -1
        assert out.raw == bytes(32)

    def test_raw_multiplication_fails_where_the_result_is_the_identity(self, name: str) -> None:
        assert only(name).multiply(Buffer(), bytes(32), GENERATOR.encoding) == -1
        assert only(name).multiply_base(Buffer(), bytes(32)) == -1


def test_ed25519_core_calls_are_not_used() -> None:
    names = set(sodium.Sodium.__struct_fields__)
    assert not any("ed25519" in name for name in names)
    code = Path(sodium.__file__).read_text(encoding="utf-8")
    assert "crypto_core_ed25519" not in code
