"""STIX patterns: what they say about identifiers, and what of them is told as not carried."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stix2patterns.validator import validate

from bulwark.indicators.vocabulary import Kind
from bulwark.interop.stix.patterns import PatternInvalid, read_pattern
from bulwark.interop.stix.selection import Selection, select


def of(pattern: str) -> Selection:
    return select(read_pattern(pattern))


def values(pattern: str) -> list[tuple[str, str]]:
    return [(one.kind.label, one.value) for one in of(pattern).identifiers]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[domain-name:value = 'a.example']", [("domain", "a.example")]),
        ("[ email-addr:value='o\\'neil@x.example' ]", [("email", "o'neil@x.example")]),
        ("[url:value = 'https://a.example/' OR url:value == 'https://b.example/']",
         [("url", "https://a.example/"), ("url", "https://b.example/")]),
        ("[ipv4-addr:value IN ('203.0.113.1', '203.0.113.2')]",
         [("ip", "203.0.113.1"), ("ip", "203.0.113.2")]),
        ("[ipv4-addr:value = '203.0.113.1/32']", [("ip", "203.0.113.1")]),
        ("[ipv6-addr:value ISSUBSET '2001:db8::1/128']", [("ip", "2001:db8::1")]),
        ("[phone-number:value = '447911123456']", [("phone", "+447911123456")]),
        ("[bank-account:iban = 'DE89 3704 0044 0532 0130 00' AND bank-account:bic = 'COBADEFF']",
         [("iban", "DE89 3704 0044 0532 0130 00")]),
        ("[bank-account:iban = 'DE89370400440532013000' AND bank-account:account_number = '1']",
         [("iban", "DE89370400440532013000")]),
        ("[cryptocurrency-wallet:address = 'bc1q']", [("wallet", "bc1q")]),
        ("[email-message:sender_ref.value = 'a@x.example']", [("email", "a@x.example")]),
        ("[network-traffic:dst_ref.value = '203.0.113.1' AND network-traffic:dst_port = 443]",
         [("ip", "203.0.113.1")]),
        ("[bulwark-identifier:value = '490154203237518' AND "
         "bulwark-identifier:identifier_kind = 'imei']", [("imei", "490154203237518")]),
        ("([domain-name:value = 'a.example'] OR [domain-name:value = 'b.example']) REPEATS 2 TIMES",
         [("domain", "a.example"), ("domain", "b.example")]),
    ],
)  # fmt: skip
def test_identifiers_of_known_kinds_are_found(
    pattern: str, expected: list[tuple[str, str]]
) -> None:
    assert values(pattern) == expected
    assert not of(pattern).left


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("[domain-name:value != 'a.example']", "no single identifier"),
        ("[domain-name:value NOT = 'a.example']", "no single identifier"),
        ("[url:value LIKE 'https://%']", "no single identifier"),
        ("[url:value MATCHES '^https']", "no single identifier"),
        ("[ipv4-addr:value = '203.0.113.0/24']", "a network"),
        ("[payment-card:value = '4111111111111111']", "PAN"),
        ("[file:hashes.'SHA-256' = 'ab']", "files have no kind"),
        ("[domain-name:value = 'a.example' AND file:name = 'x.exe']", "the whole is not carried"),
        ("[domain-name:value = 'a.example'] FOLLOWEDBY [file:name = 'x.exe']", "not carried"),
        ("[x-custom:thing = 'a']", "have no kind"),
    ],
)
def test_what_names_no_identifier_is_left_with_its_reason(pattern: str, why: str) -> None:
    found = of(pattern)
    assert not found.identifiers
    assert any(why in told for told in found.left), found.left


def test_a_branch_of_an_or_that_is_not_carried_is_told_beside_the_others() -> None:
    found = of("[domain-name:value = 'a.example' OR file:name = 'x.exe']")
    assert [one.kind for one in found.identifiers] == [Kind.DOMAIN]
    assert len(found.left) == 1 and "file" in found.left[0]


def test_what_an_and_means_besides_its_parts_is_told_as_lost() -> None:
    found = of("[domain-name:value = 'a.example' AND domain-name:resolves_to_refs[0].value = "
               "'203.0.113.1'] WITHIN 60 SECONDS")  # fmt: skip
    assert [one.kind for one in found.identifiers] == [Kind.DOMAIN, Kind.IP]
    assert "that they occur together" in found.losses
    assert "the qualifier WITHIN" in found.losses


@pytest.mark.parametrize(
    "text",
    ["", "[", "[]", "[a:b]", "[a:b = ]", "[a:b = 'x'", "a:b = 'x'", "[a:b = 'x'] junk",
     "[a:b = 'x'] REPEATS 0 TIMES", "[a:b = 'x'] WITHIN 'y' SECONDS", "[a:b ~ 'x']",
     "[a:b[x] = 'y']", "[a:b = 'unclosed]", "[a:b IN 'x']", "(" * 99 + "[a:b = 'x']" + ")" * 99],
)  # fmt: skip
def test_what_is_no_pattern_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(PatternInvalid) as caught:
        read_pattern(text)
    assert 0 <= caught.value.at <= len(text) and caught.value.allowed


def test_a_pattern_is_bounded() -> None:
    with pytest.raises(PatternInvalid, match="characters"):
        read_pattern("[a:b = '" + "x" * 20_000 + "']")
    with pytest.raises(PatternInvalid, match="words"):
        read_pattern("[" + " OR ".join(["a:b=1"] * 1_200) + "]")


_leaf = st.sampled_from(
    ["domain-name:value = 'a.example'", "ipv4-addr:value = '203.0.113.9'", "file:name = 'x'",
     "url:value LIKE '%x%'", "network-traffic:dst_port > 3", "email-addr:value IN ('a', 'b')",
     "NOT EXISTS windows-registry-key:values", "x:y[*].'z-1' MATCHES '^a'", "file:size >= 5"]
)  # fmt: skip
_test = st.recursive(
    _leaf,
    lambda inner: st.builds(
        lambda a, word, b: f"({a} {word} {b})", inner, st.sampled_from(["AND", "OR"]), inner
    ),
    max_leaves=6,
)
_observation = st.recursive(
    _test.map(lambda test: f"[{test}]"),
    lambda inner: st.builds(
        lambda a, word, b, tail: f"({a} {word} {b}){tail}",
        inner,
        st.sampled_from(["AND", "OR", "FOLLOWEDBY"]),
        inner,
        st.sampled_from(["", " WITHIN 5 SECONDS", " REPEATS 2 TIMES"]),
    ),
    max_leaves=4,
)


@given(_observation)
def test_what_the_standard_s_own_parser_reads_is_read(pattern: str) -> None:
    is_valid, _ = validate(pattern, stix_version="2.1", ret_errs=True)
    if is_valid:
        found = of(pattern)
        assert found.identifiers or found.left or found.is_detail


@given(st.text(alphabet="[]()'=:.*, aANDORtIN<>!0123456789", max_size=60))
def test_any_text_gives_a_tree_or_a_place(text: str) -> None:
    try:
        select(read_pattern(text))
    except PatternInvalid as fault:
        assert 0 <= fault.at <= len(text)
