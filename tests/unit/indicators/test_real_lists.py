"""Real indicator lists are accepted as far as they are right, and refused by the expected rules."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from bulwark.indicators.errors import NormalisationError
from bulwark.indicators.normalise import normalise
from bulwark.indicators.vocabulary import Kind

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("BULWARK_TEST_DATA") or ROOT / ".." / "shared" / "data")

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(
        not (DATA / "README.md").is_file(),
        reason="no folder of real lists: set BULWARK_TEST_DATA or put shared/data beside the tree",
    ),
]

LISTS: list[tuple[str, str, Kind, str | None, int, dict[str, int]]] = [
    (
        "phones/ftc_dnc_complaints_2019-12-16.csv",
        *("Company_Phone_Number", Kind.PHONE, "US", 12_446),
        {"value.empty": 554, "phone.not-a-valid-number": 564, "phone.not-a-number": 13},
    ),
    (
        "phones/ch_telemarketing_numbers.csv",
        *("number", Kind.PHONE, None, 4_209),
        {"phone.not-a-valid-number": 4},
    ),
    ("phones/tr_spam_numbers.csv", "number", Kind.PHONE, None, 123, {}),
    (
        "domains/polkadot_phishing_domains.csv",
        *("domain", Kind.DOMAIN, None, 35_653),
        {"domain.numeric-suffix": 4},
    ),
    (
        "domains/scamsniffer_domains.csv",
        *("domain", Kind.DOMAIN, None, 10_045),
        {"domain.numeric-suffix": 8},
    ),
    ("emails/disposable_email_domains.csv", "domain", Kind.DOMAIN, None, 5_453, {}),
    ("domains/etherscamdb_legit_urls.csv", "url", Kind.URL, None, 68, {}),
    ("reports/etherscamdb_reports.csv", "url", Kind.URL, None, 4_474, {"url.host": 1}),
    ("urls/urls_from_misp_events.csv", "url", Kind.URL, None, 132, {}),
    (
        "wallets/graphsense_abuse_addresses.csv",
        *("address", Kind.WALLET, None, 20_544),
        {"wallet.checksum": 2, "wallet.unknown-format": 2},
    ),
    (
        "wallets/graphsense_exchange_addresses.csv",
        *("address", Kind.WALLET, None, 824),
        {"wallet.unknown-format": 48, "wallet.checksum": 3},
    ),
    ("wallets/ofac_sanctioned_addresses.csv", "address", Kind.WALLET, None, 433, {}),
    ("wallets/scamsniffer_addresses.csv", "address", Kind.WALLET, None, 1_666, {}),
    ("links/polkadot_site_address.csv", "address", Kind.WALLET, None, 185, {}),
    ("emails/scammer_emails.csv", "email", Kind.EMAIL, None, 906, {}),
    ("emails/antispam_it_emails.csv", "email", Kind.EMAIL, None, 135, {}),
    ("emails/sefinek_spam_senders.csv", "email", Kind.EMAIL, None, 24, {}),
    ("ips/ipsum_blacklisted_ips.csv", "ip", Kind.IP, None, 25_809, {}),
]
"""File, column, kind, region, rows accepted, rows refused by rule; slack below for new metadata."""


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def form_or_rule(kind: Kind, text: str, region: str | None = None) -> str:
    try:
        return normalise(kind, text, region).value
    except NormalisationError as error:
        return error.rule


def outcomes(
    kind: Kind, texts: list[str], region: str | None = None
) -> tuple[Counter[str], set[str]]:
    tally: Counter[str] = Counter()
    forms: set[str] = set()
    for text in texts:
        try:
            forms.add(normalise(kind, text, region).value)
            tally["accepted"] += 1
        except NormalisationError as error:
            tally[error.rule] += 1
    return tally, forms


@pytest.mark.parametrize(("name", "column", "kind", "region", "accepted", "refused"), LISTS)
def test_list_is_accepted_but_for_its_known_mistakes(
    name: str, column: str, kind: Kind, region: str | None, accepted: int, refused: dict[str, int]
) -> None:
    tally, _ = outcomes(kind, [row[column] for row in rows(name)], region)
    # Numbering plans change with each release of the library, so the tally of phones may move.
    slack = accepted // 200 if kind is Kind.PHONE else 0
    assert abs(tally.pop("accepted") - accepted) <= slack
    assert set(tally) <= set(refused)
    assert slack or dict(tally) == refused


def test_disposable_numbers_are_nearly_all_valid() -> None:
    texts = ["+" + row["number"] for row in rows("phones/disposable_numbers.csv")]
    tally, forms = outcomes(Kind.PHONE, texts)
    assert tally["accepted"] >= 0.999 * len(texts) and len(forms) >= tally["accepted"] - 5


def test_three_spellings_of_every_example_number_are_one() -> None:
    for row in rows("phones/libphonenumber_examples.csv"):
        region = None if row["region"] == "001" else row["region"]
        for column in ("e164", "international", "national"):
            assert form_or_rule(Kind.PHONE, row[column], region) == row["e164"]


def test_hundreds_of_gmail_spellings_are_a_few_mailboxes() -> None:
    listed = [row["email"] for row in rows("emails/scammer_emails.csv")]
    tally, forms = outcomes(Kind.EMAIL, listed)
    assert tally == {"accepted": 906} and len(set(listed)) > 800 and len(forms) == 8


def test_sample_ibans_are_judged_as_their_sources_say() -> None:
    # These two are valid for an older library only: the registry has longer numbers for them.
    superseded = {"BI41123456789012", "DZ8612345678901234567890"}
    for row in rows("ibans/iban_examples.csv"):
        form = form_or_rule(Kind.IBAN, row["iban"])
        refused = row["expected"] == "invalid" or row["iban"] in superseded
        assert form.startswith("iban.") == refused, row["note"]


def test_canonical_forms_of_real_lists_stay_as_they_are() -> None:
    for name, column, kind, region, _, _ in LISTS:
        _, forms = outcomes(kind, [row[column] for row in rows(name)][:1_500], region)
        assert all(normalise(kind, form).value == form for form in forms)


def test_bank_warninglist_hosts_are_domains() -> None:
    path = DATA / "misp" / "warninglists"
    hosts = next(
        json.loads(file.read_text(encoding="utf-8"))["list"]
        for file in sorted(path.glob("*bank*.json"))
    )
    # The list writes a dot in front to say "and all below".
    tally, _ = outcomes(Kind.DOMAIN, [host.removeprefix(".") for host in hosts])
    assert tally["accepted"] >= 0.99 * len(hosts)
