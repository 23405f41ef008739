"""Strict JSON: one meaning a document, and every refusal names its field."""

from __future__ import annotations

import json

import pytest
import rfc8785

from bulwark.ledger import jsonfields as jf


def test_library_gives_the_published_canonical_forms(load_vectors):
    cases = load_vectors("jcs/cases.json")
    assert len(cases) == 6
    for case in cases:
        assert rfc8785.dumps(json.loads(case["input"])).hex() == case["outhex"], case["case"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a":1,"a":1}', "one name"),
        (b'{"a":1.0}', "no integer"),
        (b'{"a":1e3}', "no integer"),
        (b'{"a":NaN}', "no integer"),
        (b'{"a":-Infinity}', "no integer"),
        (b'{"a":', "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"\xef\xbb\xbf{}", "no JSON"),
        (b"9" * 5_000, "no JSON"),
        (b"[" * 200_000, " deep"),
        (b'{"a":' * 17 + b"1" + b"}" * 17, " deep"),
        (b'["\\"', "no JSON"),
        (b'"' + b'\\"' * 90_000, "no JSON"),
        (b" " * 200_001, "at most"),
    ],
)
def test_document_with_more_than_one_reading_is_refused(data, message):
    with pytest.raises(jf.FieldInvalid, match=message):
        jf.parse(data, 200_000)


def test_missing_and_unknown_fields_are_named():
    with pytest.raises(jf.FieldInvalid, match=r"^at\.b: is missing"):
        jf.fields({"a": 1}, "at", ("a", "b"))
    with pytest.raises(jf.FieldInvalid, match=r"^c: is unknown"):
        jf.fields({"a": 1, "c": 2}, "", ("a",))
    assert jf.fields({"a": 1}, "", ("a",)) == {"a": 1}


def test_values_of_another_type_are_refused():
    with pytest.raises(jf.FieldInvalid, match="an object"):
        jf.mapping([], "at")
    with pytest.raises(jf.FieldInvalid, match="a list"):
        jf.items({}, "at", 1, jf.integer)
    with pytest.raises(jf.FieldInvalid, match="an integer"):
        jf.integer(True, "at")
    with pytest.raises(jf.FieldInvalid, match="an integer"):
        jf.integer("1", "at")
    with pytest.raises(jf.FieldInvalid, match="a string"):
        jf.text(1, "at", 1)


@pytest.mark.parametrize("value", [-1, 2**53])
def test_integers_are_exact_in_canonical_form(value):
    with pytest.raises(jf.FieldInvalid, match=r"2\*\*53-1"):
        jf.integer(value, "at")


def test_lists_and_strings_are_bounded_and_items_are_named():
    with pytest.raises(jf.FieldInvalid, match="at most 1"):
        jf.items([1, 2], "at", 1, jf.integer)
    with pytest.raises(jf.FieldInvalid, match=r"^at\[1\]"):
        jf.items([1, ""], "at", 2, jf.integer)
    with pytest.raises(jf.FieldInvalid, match="at most 1"):
        jf.text("ab", "at", 1)
    assert jf.items([1, 2], "at", 2, jf.integer) == (1, 2)


def test_hex_has_one_spelling():
    assert jf.hexadecimal("0aff", "at", exactly=2) == b"\x0a\xff"
    assert jf.hexadecimal("", "at", most=2) == b""
    for text in ("0aFF", "0af", "0x0a", "zz", "0a\n"):
        with pytest.raises(jf.FieldInvalid):
            jf.hexadecimal(text, "at", most=8)
    with pytest.raises(jf.FieldInvalid, match="1 bytes given, 2 needed"):
        jf.hexadecimal("0a", "at", exactly=2)


def test_prefixed_hex_needs_its_prefix():
    assert jf.prefixed("0x0a", "at", exactly=1) == b"\x0a"
    for text in ("0a", "0X0a", "0x0a00"):
        with pytest.raises(jf.FieldInvalid):
            jf.prefixed(text, "at", exactly=1)


def test_quantities_have_no_leading_zero():
    assert jf.quantity("0x0", "at", 64) == 0
    assert jf.quantity("0xff", "at", 64) == 255
    for text in ("0x", "0x00", "0x01", "0xFF", "ff", "-0x1", "0x" + "f" * 17):
        with pytest.raises(jf.FieldInvalid):
            jf.quantity(text, "at", 64)


def test_brackets_in_strings_do_not_count_as_nesting():
    assert jf.parse(b'["[[[[[[[[[[[[[[[[[[\\"{{{{"]', 100) == ['[[[[[[[[[[[[[[[[[["{{{{']
    assert jf.parse(b"[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]", 100) == [[]] * 18
