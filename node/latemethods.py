"""Dataclasses whose methods are written when they are first called, all but `__init__`.

Rules: inside `late_methods()` a dataclass gets stand-ins for the methods that `dataclasses` of
Python would compile for it, five of six of a frozen one; the first call has the library write the
method, from the same text, and it takes the stand-in's place in the class. It changes when code is
compiled, never what it does (ADR-0014). From Python 3.13 on the library compiles the methods of a
class in one go, and nothing is done.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

_WRITER: Final = "_create_fn"
"""The function of `dataclasses` that writes a method: its name, parameters and lines."""

Method = Callable[..., Any]


@contextmanager
def late_methods() -> Iterator[None]:
    """For imports at a start: dataclasses defined within get their methods late."""
    if not hasattr(dataclasses, _WRITER):
        yield
        return
    write: Method = getattr(dataclasses, _WRITER)

    def write_late(name: str, *given: Any, **named: Any) -> Method:
        if name == "__init__":  # nearly all are called, and its signature makes the docstring
            method: Method = write(name, *given, **named)
            return method
        return _late(name, lambda: write(name, *given, **named))

    setattr(dataclasses, _WRITER, write_late)
    try:
        yield
    finally:
        setattr(dataclasses, _WRITER, write)


def _late(name: str, write: Callable[[], Method]) -> Method:
    """A stand-in for a method; two threads that call it first both write it, to the same end."""

    def late(self: Any, *given: Any) -> Any:
        method = write()
        method.__qualname__ = late.__qualname__
        for owner in type(self).__mro__:
            if owner.__dict__.get(name) is late:
                setattr(owner, name, method)
        return method(self, *given)

    late.__name__ = name
    return late
