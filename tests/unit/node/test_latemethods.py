"""Dataclasses whose methods are written late are the library's in all that can be seen of them."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from node.latemethods import late_methods

pytestmark = pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="from 3.13 on the library compiles a class in one go"
)


class _Plain:
    number: int
    name: str = "none"
    parts: tuple[int, ...] = dataclasses.field(default=(), compare=False)


def made(**options: Any) -> type[Any]:
    body = {key: value for key, value in vars(_Plain).items() if key not in ("__dict__",)}
    return dataclasses.dataclass(**options)(type("Made", (), body))


def late(**options: Any) -> type[Any]:
    with late_methods():
        return made(**options)


def is_written(cls: type[Any], name: str) -> bool:
    return vars(cls)[name].__code__.co_filename == "<string>"


KINDS: list[dict[str, bool]] = [
    {},
    {"frozen": True},
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "order": True},
    {"slots": True, "kw_only": True},
    {"frozen": True, "eq": False},
]


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_values_print_compare_hash_and_order_as_the_librarys_do(options: dict[str, bool]) -> None:
    ours, theirs = late(**options), made(**options)
    a, b, c = ({"number": 1}, {"number": 1, "parts": (2,)}, {"number": 2, "name": "two"})
    assert repr(ours(**c)) == repr(theirs(**c))
    for one, other in ((a, b), (a, c)):
        same = theirs(**one) == theirs(**other)
        assert (ours(**one) == ours(**other)) is same
        assert (ours(**one) == ours(**other)) is same, "once it is written"
    assert (ours(**a) == 1) is False
    if ours.__hash__ is None or options.get("eq") is False:
        assert (ours.__hash__ is None) is (theirs.__hash__ is None)
    else:
        assert hash(ours(**a)) == hash(theirs(**a)) == hash(ours(**b))
    if options.get("order"):
        assert sorted([ours(**c), ours(**a)])[0] == ours(**a)
        assert ours(**a) <= ours(**b) and not ours(**c) < ours(**a)
        with pytest.raises(TypeError):
            assert ours(**a) < 1
    assert ours.__doc__ == theirs.__doc__
    assert set(vars(ours)) == set(vars(theirs))


def test_a_frozen_value_refuses_to_be_changed_with_the_librarys_error() -> None:
    ours = late(frozen=True, slots=True)(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'number'"):
        ours.number = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'number'"):
        del ours.number
    assert ours.number == 1
    assert dataclasses.replace(ours, number=2).number == 2
    assert copy.copy(ours) == ours


with late_methods():

    @dataclasses.dataclass(frozen=True, slots=True)
    class _Base:
        one: int

    @dataclasses.dataclass(frozen=True, slots=True)
    class _Derived(_Base):
        two: int


def test_a_derived_class_has_its_own_methods_beside_those_of_its_base() -> None:
    derived = _Derived(1, 2)
    assert derived == _Derived(1, 2) != _Derived(1, 3)
    assert _Base(1) != derived
    assert hash(derived) == hash((1, 2)) and hash(_Base(1)) == hash((1,))
    assert pickle.loads(pickle.dumps(derived)) == derived
    assert repr(derived) == "_Derived(one=1, two=2)"


def test_a_method_is_written_at_its_first_call_and_only_that_one() -> None:
    ours = late(frozen=True, slots=True)
    assert is_written(ours, "__init__")
    assert not is_written(ours, "__eq__") and not is_written(ours, "__hash__")
    assert ours(1) == ours(1)
    assert is_written(ours, "__eq__") and not is_written(ours, "__hash__")
    assert vars(ours)["__eq__"].__qualname__ == "Made.__eq__"


def test_threads_that_call_a_method_first_all_get_its_result() -> None:
    ours = late(frozen=True, slots=True)
    start = Barrier(8)

    def hashed(_: int) -> int:
        start.wait(10)
        return hash(ours(1))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(hashed, range(8))) == {hash(ours(1))}


def test_dataclasses_defined_afterwards_are_written_at_once() -> None:
    late(frozen=True)
    with pytest.raises(RuntimeError), late_methods():
        raise RuntimeError("an import failed")
    assert is_written(made(frozen=True), "__eq__")
