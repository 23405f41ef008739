"""libsodium's ristretto255 calls, found and declared.

Rules owned here: the system library comes first, the copy inside the package `rbcl` second, and
nothing else is tried; a library that lacks one of the calls is not used at all; the argument types
are declared once, on handles of our own, so that no other user of the library can change them.
Calls through `ctypes.CDLL` release the interpreter lock, so threads run them side by side.

It does not check operands or return codes: `group` does, and nothing else calls this module.
The Ed25519 core calls are left out on purpose (their point validation had CVE-2025-69277).
"""

from __future__ import annotations

import ctypes
import functools
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from bulwark.privacy.errors import GroupUnavailable

SYSTEM_NAMES = ("libsodium.so.23", "libsodium.so.26")
"""Sonames of libsodium 1.0.18 and of 1.0.19 onwards."""

Octets = bytes | ctypes.Array[ctypes.c_char]
Unary = Callable[[Octets], int]
Binary = Callable[[Octets, Octets], int]
Ternary = Callable[[Octets, Octets, Octets], int]
Opener = Callable[[], ctypes.CDLL]


class Sodium(Struct, frozen=True):
    """One loaded libsodium. Every call writes its result into its first argument.

    Calls that can fail return 0 for success and -1 otherwise; `is_valid_point` returns 1 or 0; the
    calls `scalar_*` without inversion cannot fail and return None, which is not looked at.
    """

    source: str
    version: str
    is_valid_point: Unary
    add: Ternary
    subtract: Ternary
    from_hash: Binary
    multiply: Ternary
    multiply_base: Binary
    scalar_add: Ternary
    scalar_subtract: Ternary
    scalar_multiply: Ternary
    scalar_negate: Binary
    scalar_invert: Binary
    scalar_reduce: Binary


_CORE = "crypto_core_ristretto255_"
_MULT = "crypto_scalarmult_ristretto255"


def bind(handle: ctypes.CDLL, source: str) -> Sodium:
    """Declare the calls on `handle`.

    Raises `AttributeError` that names a missing call, `OSError` if libsodium cannot start.
    """

    def call(name: str, arguments: int, *, returns: bool = True) -> Callable[..., int]:
        found = getattr(handle, name)
        found.argtypes = [ctypes.c_char_p] * arguments
        found.restype = ctypes.c_int if returns else None
        declared: Callable[..., int] = found
        return declared

    handle.sodium_version_string.restype = ctypes.c_char_p
    handle.sodium_version_string.argtypes = []
    bound = Sodium(
        source=source,
        version=handle.sodium_version_string().decode("ascii"),
        is_valid_point=call(_CORE + "is_valid_point", 1),
        add=call(_CORE + "add", 3),
        subtract=call(_CORE + "sub", 3),
        from_hash=call(_CORE + "from_hash", 2),
        multiply=call(_MULT, 3),
        multiply_base=call(_MULT + "_base", 2),
        scalar_add=call(_CORE + "scalar_add", 3, returns=False),
        scalar_subtract=call(_CORE + "scalar_sub", 3, returns=False),
        scalar_multiply=call(_CORE + "scalar_mul", 3, returns=False),
        scalar_negate=call(_CORE + "scalar_negate", 2, returns=False),
        scalar_invert=call(_CORE + "scalar_invert", 2),
        scalar_reduce=call(_CORE + "scalar_reduce", 2, returns=False),
    )
    if handle.sodium_init() < 0:
        raise OSError("sodium_init failed")
    return bound


def open_system(name: str) -> ctypes.CDLL:
    """Load a library by the name the system's loader knows. Raises `OSError`."""
    return ctypes.CDLL(name)


def open_rbcl() -> ctypes.CDLL:
    """Load the copy inside `rbcl`. Raises `ImportError` or `OSError`.

    `rbcl` writes its copy to a temporary file at import and leaves it there; once mapped, the file
    is not needed and is removed. The handle is made anew so that its declarations are ours.
    """
    module = importlib.import_module("rbcl._sodium")
    Path(module.lib_path).unlink(missing_ok=True)
    return ctypes.CDLL(module.lib_path, handle=module._sodium._handle)


def openers() -> tuple[tuple[str, Opener], ...]:
    """Where libsodium is looked for, in order."""
    system = tuple((name, functools.partial(open_system, name)) for name in SYSTEM_NAMES)
    return (*system, ("rbcl", open_rbcl))


def load(openers: Sequence[tuple[str, Opener]]) -> Sodium:
    """The first library of `openers` that has every call.

    Raises `GroupUnavailable`, which lists what was tried and why each was not used.
    """
    attempts: list[tuple[str, str]] = []
    for name, opener in openers:
        try:
            return bind(opener(), name)
        except (AttributeError, ImportError, OSError) as error:
            attempts.append((name, str(error)))
    raise GroupUnavailable(tuple(attempts))


@functools.cache
def library() -> Sodium:
    """The libsodium of this process, loaded at the first call. Raises `GroupUnavailable`."""
    return load(openers())
