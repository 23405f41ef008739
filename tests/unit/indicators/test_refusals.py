"""What cannot be normalised is refused under a stable rule id, without repeating the value."""

from __future__ import annotations

import pytest

from bulwark.indicators.errors import NormalisationError
from bulwark.indicators.normalise import MAX_LENGTH, RULES, normalise
from bulwark.indicators.vocabulary import Kind

EIP55_BROKEN = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD"

REFUSED: list[tuple[Kind, str, str]] = [
    (Kind.PHONE, "020 7946 0958", "phone.region-needed"),
    (Kind.PHONE, "hello there", "phone.not-a-number"),
    (Kind.PHONE, "+44 20 7946", "phone.not-a-valid-number"),
    (Kind.PHONE, "+999123456789", "phone.not-a-number"),
    (Kind.PHONE, "9" * 65, "value.too-long"),
    (Kind.PHONE, "   ", "value.empty"),
    (Kind.PHONE, "+44\x0020 7946 0958", "value.control-character"),
    (Kind.EMAIL, "nobody", "email.syntax"),
    (Kind.EMAIL, "a b@corp.example", "email.syntax"),
    (Kind.EMAIL, '"a b"@corp.example', "email.syntax"),
    (Kind.EMAIL, "a..b@corp.example", "email.syntax"),
    (Kind.EMAIL, "a@localhost", "email.domain"),
    (Kind.EMAIL, "a@192.0.2.1", "email.domain"),
    (Kind.EMAIL, "+tag@gmail.com", "email.empty-mailbox"),
    (Kind.EMAIL, "a" * 65 + "@corp.example", "email.length"),
    (Kind.EMAIL, "a@" + "b." * 130 + "com", "email.domain"),
    (Kind.DOMAIN, "localhost", "domain.single-label"),
    (Kind.DOMAIN, "192.0.2.1", "domain.numeric-suffix"),
    (Kind.DOMAIN, "https://evil.com", "domain.not-a-domain"),
    (Kind.DOMAIN, "*.evil.com", "domain.not-a-domain"),
    (Kind.DOMAIN, "evil.com:443", "domain.not-a-domain"),
    (Kind.DOMAIN, "evil..com", "domain.syntax"),
    (Kind.DOMAIN, "-evil.com", "domain.syntax"),
    (Kind.DOMAIN, "a" * 64 + ".com", "domain.syntax"),
    (Kind.DOMAIN, "xn--a.com", "domain.idna"),
    (Kind.DOMAIN, "evil\udcff.com", "value.control-character"),
    (Kind.URL, "javascript:alert(1)", "url.scheme"),
    (Kind.URL, "mailto:a@evil.com", "url.scheme"),
    (Kind.URL, "http://localhost/", "url.host"),
    (Kind.URL, "http://evil com/", "url.syntax"),
    (Kind.URL, "http://", "url.syntax"),
    (Kind.URL, "http://evil.com/" + "a" * 2048, "value.too-long"),
    (Kind.URL, "http://evil.com/" + "ä" * 1000, "value.too-long"),
    (Kind.IP, "1.2.3", "ip.syntax"),
    (Kind.IP, "01.2.3.4", "ip.syntax"),
    (Kind.IP, "1.2.3.4:80", "ip.syntax"),
    (Kind.IP, "1.2.3.0/24", "ip.syntax"),
    (Kind.IP, "fe80::1%eth0", "ip.syntax"),
    (Kind.IP, "10.1.2.3", "ip.not-global"),
    (Kind.IP, "100.64.0.1", "ip.not-global"),
    (Kind.IP, "::ffff:192.168.0.1", "ip.not-global"),
    (Kind.IP, "224.0.0.1", "ip.not-global"),
    (Kind.IP, "::1", "ip.not-global"),
    (Kind.IP, "fd00::1", "ip.not-global"),
    (Kind.IBAN, "DE", "iban.syntax"),
    (Kind.IBAN, "XX89370400440532013000", "iban.country"),
    (Kind.IBAN, "DE8937040044053201300", "iban.structure"),
    (Kind.IBAN, "DE88370400440532013000", "iban.checksum"),
    (Kind.BANK_ACCOUNT, "DE", "bank_account.syntax"),
    (Kind.BANK_ACCOUNT, "ZZ:1:2:3", "bank_account.country"),
    (Kind.BANK_ACCOUNT, "GB:2000::05577991", "bank_account.structure"),
    (Kind.BANK_ACCOUNT, "US:021000022::123456789", "bank_account.checksum"),
    (Kind.WALLET, "not an address", "wallet.unknown-format"),
    (Kind.WALLET, "0x" + "ab" * 32, "wallet.unknown-format"),
    (Kind.WALLET, EIP55_BROKEN, "wallet.checksum"),
    (Kind.WALLET, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "wallet.checksum"),
    (Kind.WALLET, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "wallet.checksum"),
    (Kind.WALLET, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7KV8F3T4", "wallet.checksum"),
    (Kind.WALLET, "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", "wallet.testnet"),
    (Kind.WALLET, "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", "wallet.testnet"),
    (Kind.WALLET, "ltc:1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "wallet.chain-mismatch"),
    (Kind.WALLET, "btc:0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", "wallet.chain-mismatch"),
    (Kind.DEVICE_ID, "justanid", "device_id.syntax"),
    (Kind.DEVICE_ID, "toaster:x:abcd", "device_id.platform"),
    (Kind.DEVICE_ID, "ios:idfa:00000000-0000-0000-0000-000000000000", "device_id.placeholder"),
    (Kind.IMEI, "1234567", "imei.syntax"),
    (Kind.IMEI, "352099001761482", "imei.checksum"),
    (Kind.IMEI, "00000000000000", "imei.placeholder"),
]


@pytest.mark.parametrize(("kind", "given", "rule"), REFUSED, ids=lambda part: str(part)[:24])
def test_value_is_refused_under_its_rule(kind: Kind, given: str, rule: str) -> None:
    with pytest.raises(NormalisationError) as caught:
        normalise(kind, given)
    error = caught.value
    assert (error.kind, error.rule, error.message) == (kind.label, rule, RULES[rule])
    assert error.__cause__ is None
    if len(given.strip()) > 3:
        assert given not in str(error)


@pytest.mark.parametrize("region", ["", "G", "GBR", "ZZ", "🇬🇧", "x" * 10_000])
def test_unknown_region_is_refused_for_every_kind(region: str) -> None:
    for kind in Kind:
        with pytest.raises(NormalisationError, match=r"value\.region"):
            normalise(kind, "+442079460958", region)


def test_lower_case_region_is_understood() -> None:
    assert normalise(Kind.PHONE, "020 7946 0958", "gb").value == "+442079460958"


@pytest.mark.parametrize("kind", list(Kind))
def test_very_long_value_is_refused_before_it_is_read(kind: Kind) -> None:
    with pytest.raises(NormalisationError, match=r"value\.too-long"):
        normalise(kind, "1" * (MAX_LENGTH[kind] + 1))


def test_never_issued_check_digits_do_not_give_a_second_spelling() -> None:
    digits = normalise(Kind.IBAN, "GB82WEST12345698765432").value
    for check in range(100):
        spelling = f"GB{check:02}" + digits[4:]
        if spelling != digits:
            with pytest.raises(NormalisationError, match=r"iban\.checksum"):
                normalise(Kind.IBAN, spelling)
