"""Every spelling of one identifier comes to one canonical form: a table for each kind."""

from __future__ import annotations

import pytest

from bulwark.indicators.normalise import PROFILES, normalise
from bulwark.indicators.vocabulary import Kind

GB_PHONE = "+442079460958"
GENESIS = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
SEGWIT = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
EIP55 = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
ALICE_KEY = "0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d"
MONERO = (
    "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb9"
    "8uNbr2VBBEt7f2wfn3RVGQBEP3A"
)

SPELLINGS: dict[tuple[Kind, str, str | None], list[str]] = {
    (Kind.PHONE, GB_PHONE, None): [
        "+44 20 7946 0958",
        "+44 (0)20 7946 0958",
        "0044 20 7946 0958",
        "+44-20-7946-0958 ext. 12",
        "+44 20 7946 0958x12",
        "tel:+44-20-7946-0958;ext=12",
        "\u202a+44 20 7946\u00a00958\u202c",
        "＋４４ ２０ ７９４６ ０９５８",
        "  +442079460958\n",
    ],
    (Kind.PHONE, GB_PHONE, "GB"): ["020 7946 0958", "(020) 7946-0958", "0044 20 7946 0958"],
    (Kind.PHONE, "+12025550123", "US"): [
        "2025550123",
        "(202) 555-0123",
        "1-202-555-0123",
        "011 1 202 555 0123",
        "+1.202.555.0123",
    ],
    (Kind.PHONE, "+8613800138000", "CN"): ["13800138000", "138 0013 8000", "+86 138 0013 8000"],
    (Kind.PHONE, "+390612345678", "IT"): ["06 1234 5678", "+39 06 12345678"],
    (Kind.EMAIL, "johndoe@gmail.com", None): [
        "johndoe@gmail.com",
        "John.Doe@GMail.com",
        "j.o.h.n.d.o.e+offers@googlemail.com",
        "johndoe+a+b@gmail.com.",
        "mailto:john.doe@gmail.com?subject=hi",
        "John Doe <john.doe@gmail.com>",
        "johndoe(at)gmail[.]com",
        "johndoe [at] gmail (dot) com",
    ],
    (Kind.EMAIL, "a.b+x@corp.example", None): ["A.B+X@Corp.Example", "a.b+x@corp[.]example"],
    (Kind.EMAIL, "name@proton.me", None): ["n.a-m_e@protonmail.com", "name+1@pm.me"],
    (Kind.EMAIL, "first-last@yandex.ru", None): ["first.last@ya.ru", "First-Last+x@yandex.com"],
    (Kind.EMAIL, "user@xn--exmple-cua.com", None): ["user@exämple.com", "USER@EXÄMPLE.COM"],
    (Kind.EMAIL, "jörg@corp.example", None): ["Jo\u0308rg@corp.example", "JÖRG@corp.example"],
    (Kind.DOMAIN, "xn--exmple-cua.com", None): [
        "exämple.com",
        "EXÄMPLE.COM.",
        "exa\u0308mple[.]com",
        "XN--EXMPLE-CUA.COM",
        "exämple。com",
        "exämple(dot)com",
    ],
    (Kind.DOMAIN, "xn--fa-hia.de", None): ["faß.de", "FAß.de"],
    (Kind.DOMAIN, "a_b.evil.com", None): ["A_B.Evil.Com", "a_b[.]evil[.]com", "a_b[.evil.]com"],
    (Kind.URL, "http://evil.com/~a?q=1", None): [
        "http://evil.com/~a?q=1",
        "hxxp://evil[.]com/%7Ea?q=1",
        "hXXp[:]//user:secret@EVIL.com:80/%7ea?utm_source=x&q=1&fbclid=2#frag",
        "evil.com/~a?q=1",
        "//evil.com/x/../~a?q=1&",
        "http://evil.com./~a?q=1",
        "http[://]evil(.)com/~a?%71=1",
    ],
    (Kind.URL, "https://xn--exmple-cua.com/", None): [
        "HTTPS://EXÄMPLE.com",
        "hxxps://exämple.com:443",
    ],
    (Kind.URL, "http://127.0.0.1/", None): ["http://0x7f.1", "http://2130706433/"],
    (Kind.URL, "http://[2001:db8::1]:8080/", None): ["http://[2001:DB8:0::1]:8080"],
    (Kind.IP, "198.51.100.7", None): [
        "198[.]51[.]100[.]7",
        "::ffff:198.51.100.7",
        "::FFFF:c633:6407",
    ],
    (Kind.IP, "2001:db8::1", None): ["2001:DB8:0:0:0:0:0:1", "[2001:db8::1]", "2001:0db8::0001"],
    (Kind.IBAN, "DE89370400440532013000", None): [
        "DE89 3704 0044 0532 0130 00",
        "de89370400440532013000",
        "IBAN: DE89-3704-0044-0532-0130-00",
        "iban DE89 3704 0044 0532 0130 00",
    ],
    (Kind.BANK_ACCOUNT, "GB:200000::05577991", None): [
        "GB:20-00-00::05577991",
        "gb:200000:5577991",
        "GB:20 00 00::0557 7991",
    ],
    (Kind.BANK_ACCOUNT, "US:021000021::123456789", "US"): [
        "021000021:123456789",
        "us:021-000-021::123456789",
    ],
    (Kind.BANK_ACCOUNT, "CA:003:00012:1234567", None): ["ca:003:00012:1234-567"],
    (Kind.WALLET, f"btc:{GENESIS}", None): [
        GENESIS,
        f"bitcoin:{GENESIS}?amount=1",
        f"BTC:{GENESIS}",
    ],
    (Kind.WALLET, f"btc:{SEGWIT}", None): [SEGWIT, SEGWIT.upper(), f"bitcoin:{SEGWIT.upper()}"],
    (Kind.WALLET, f"evm:{EIP55.lower()}", None): [
        EIP55,
        EIP55.lower(),
        "0x" + EIP55[2:].upper(),
        f"ethereum:{EIP55}@1?value=0",
        f"eip155:1:{EIP55}",
        f"bsc:{EIP55.lower()}",
    ],
    (Kind.WALLET, f"ss58:{ALICE_KEY}", None): [
        "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY",
        "15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5",
        f"substrate:{ALICE_KEY}",
    ],
    (Kind.WALLET, f"xmr:{MONERO}", None): [MONERO, f"monero:{MONERO}?tx_amount=1"],
    (Kind.WALLET, "bch:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a", None): [
        "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
        "QPM2QSZNHKS23Z7629MMS6S4CWEF74VCWVY22GDX6A",
        "bch:1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu",
    ],
    (Kind.DEVICE_ID, "ios:idfv:6ba7b810-9dad-11d1-80b4-00c04fd430c8", None): [
        "iOS:IDFV:{6BA7B810-9DAD-11D1-80B4-00C04FD430C8}",
        "ios:idfv:6ba7b8109dad11d180b400c04fd430c8",
        " ios : idfv : 6BA7B810-9dad-11d1-80b4-00c04fd430c8 ",
    ],
    (Kind.IMEI, "35209900176148", None): [
        "352099001761481",
        "35-209900-176148-1",
        "35209900 176148",
        "3520990017614823",
    ],
}
CASES = [
    pytest.param(kind, given, region, form, id=f"{kind.label}-{number}")
    for number, (kind, form, region, given) in enumerate(
        (kind, form, region, given)
        for (kind, form, region), spellings in SPELLINGS.items()
        for given in [form, *spellings]
    )
]


@pytest.mark.parametrize(("kind", "given", "region", "form"), CASES)
def test_spelling_comes_to_the_canonical_form(
    kind: Kind, given: str, region: str | None, form: str
) -> None:
    outcome = normalise(kind, given, region)
    assert (outcome.value, outcome.kind, outcome.profile) == (form, kind, PROFILES[kind])


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (Kind.EMAIL, "a.b@corp.example", "ab@corp.example"),
        (Kind.EMAIL, "a+x@corp.example", "a@corp.example"),
        (Kind.EMAIL, "ab@icloud.com", "a.b@icloud.com"),
        (Kind.DOMAIN, "faß.de", "fass.de"),
        (Kind.DOMAIN, "www.evil.com", "evil.com"),
        (Kind.URL, "https://evil.com/", "http://evil.com/"),
        (Kind.URL, "http://evil.com/A", "http://evil.com/a"),
        (Kind.URL, "http://evil.com/a%2Fb", "http://evil.com/a/b"),
        (Kind.BANK_ACCOUNT, "DE:10020030::0123", "DE:10020030::123"),
    ],
)
def test_different_identifiers_stay_apart(kind: Kind, one: str, other: str) -> None:
    assert normalise(kind, one).value != normalise(kind, other).value
