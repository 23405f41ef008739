"""Properties of normalise() over arbitrary text: total, idempotent, silent about the value."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import ada_url
import idna
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bulwark.indicators.errors import NormalisationError
from bulwark.indicators.normalise import MAX_LENGTH, RULES, mailbox, normalise
from bulwark.indicators.normalise import host as hosts
from bulwark.indicators.normalise import ip as ips
from bulwark.indicators.normalise import url as urls
from bulwark.indicators.normalise.text import clean
from bulwark.indicators.vocabulary import Kind

_spec = importlib.util.spec_from_file_location(
    "indicator_strategies", Path(__file__).with_name("strategies.py")
)
assert _spec is not None and _spec.loader is not None
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)

many = settings(deadline=None, max_examples=600)


def form_or_rule(kind: Kind, text: str) -> str:
    try:
        return normalise(kind, text).value
    except NormalisationError as error:
        return error.rule


@many
@given(made.kind_and_spelling(), st.sampled_from([None, "GB", "US", "CN", "DE"]))
def test_any_text_is_normalised_idempotently_or_refused_without_an_echo(
    case: tuple[Kind, str], region: str | None
) -> None:
    kind, text = case
    try:
        outcome = normalise(kind, text, region)
    except NormalisationError as error:
        assert error.message == RULES[error.rule]
        assert str(error) == f"{kind.label}: {error.rule}: {RULES[error.rule]}"
        assert error.__cause__ is None and error.__suppress_context__
        return
    assert len(outcome.value) <= MAX_LENGTH[kind]
    assert outcome.value.isprintable()
    assert normalise(kind, outcome.value, region) == outcome
    assert normalise(kind, outcome.value) == outcome


@many
@given(made.host_name())
def test_plain_domains_are_what_the_careful_way_makes_of_them(name: str) -> None:
    if hosts.is_plain_domain(name):
        assert hosts.canonical_domain(Kind.DOMAIN, clean(Kind.DOMAIN, name)) == name
        assert ada_url.URL(f"http://{name}/").hostname == name


@many
@given(made.host_name())
def test_domain_equals_uts46_of_another_library_and_the_host_of_a_url(name: str) -> None:
    form = form_or_rule(Kind.DOMAIN, name)
    assume(form not in RULES)
    assert form_or_rule(Kind.URL, f"http://{name}/") == f"http://{form}/"
    try:
        other = idna.encode(name, uts46=True, std3_rules=False, transitional=False).decode()
    except (idna.IDNAError, UnicodeError):
        return
    assert form == other.removesuffix(".")


@many
@given(
    st.from_regex(r"[a-z0-9.+_-]{1,12}", fullmatch=True),
    st.sampled_from(["gmail.com", "corp.example", "proton.me", "ya.ru", "a_b.example.org"]),
)
def test_ascii_mailboxes_are_accepted_exactly_where_email_validator_does(
    local: str, domain: str
) -> None:
    try:
        validate_email(f"{local}@mail.example.org", check_deliverability=False)
        valid = True
    except EmailNotValidError:
        valid = False
    form = form_or_rule(Kind.EMAIL, f"{local}@{domain}")
    assert (form != "email.syntax") == valid
    assert form == form_or_rule(Kind.EMAIL, f"  {local.upper()}@{domain.upper()}.")
    assert form_or_rule(Kind.EMAIL, f"{local}(at){domain}") == form


@many
@given(
    made.host_name(),
    st.text("abAB09._~-/", max_size=20),
    st.text("abq=&._-", max_size=12) | st.sampled_from(["utm_id=1&a=2", "a=1&GCLID=3"]),
)
def test_short_way_of_urls_equals_the_parser(name: str, path: str, query: str) -> None:
    text = f"https://{name}/{path}" + (f"?{query}" if query else "")
    try:
        careful = urls.by_parser(clean(Kind.URL, text))
    except NormalisationError as error:
        careful = error.rule
    assert form_or_rule(Kind.URL, text) == careful


@many
@given(st.lists(st.integers(0, 299), min_size=4, max_size=4), st.booleans())
def test_short_way_of_ipv4_equals_the_parser(octets: list[int], padded: bool) -> None:
    text = ".".join(f"{octet:02}" if padded else str(octet) for octet in octets)
    try:
        careful = ips.by_parser(text)
    except NormalisationError as error:
        careful = error.rule
    assert form_or_rule(Kind.IP, text) == careful


@given(st.binary(min_size=16, max_size=16))
@settings(deadline=None)
def test_every_global_ipv6_address_has_one_form(raw: bytes) -> None:
    long = ":".join(raw[i : i + 2].hex().upper() for i in range(0, 16, 2))
    form = form_or_rule(Kind.IP, long)
    assume(form not in RULES)
    assert form_or_rule(Kind.IP, f"[{long.lower()}]") == form


@pytest.mark.parametrize("provider", mailbox.PROVIDERS, ids=lambda p: p.domain)
def test_alias_domains_of_a_provider_reach_the_same_mailbox(provider: mailbox.Provider) -> None:
    forms = {
        form_or_rule(Kind.EMAIL, f"Someone+tag@{name}")
        for name in (provider.domain, *provider.alias)
    }
    assert forms == {f"someone@{provider.domain}"}
