"""Codes and labels of the vocabularies are stable, unique and readable by any spelling."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.indicators import vocabulary
from bulwark.indicators.country import COUNTRIES, country_code, country_from_code, parse_country
from bulwark.indicators.errors import GIVEN_MAX, FieldError
from bulwark.indicators.terms import Term, spellings
from bulwark.indicators.vocabulary import FraudType, Kind, LawfulBasis, Operation, Purpose, Tlp

VOCABULARIES = sorted(Term.__subclasses__(), key=lambda v: v.__name__)

PINNED: dict[str, str] = {
    "Kind": "1=phone 2=email 3=domain 4=url 5=ip 6=iban 7=bank_account 8=wallet 9=device_id"
    " 10=imei",
    "ObjectRole": "0=unknown 1=offender_controlled 2=mule 3=compromised_victim 4=impersonated"
    " 5=infrastructure 6=target",
    "EvidenceLevel": "0=unknown 1=suspected 2=reported_by_customer 3=confirmed 4=adjudicated"
    " 5=authority",
    "Tlp": "0=unknown 1=clear 2=green 3=amber 4=amber_strict 5=red",
    "Channel": "0=unknown 1=voice_call 2=sms 3=email 4=web 5=mobile_app 6=messenger 7=social_media"
    " 8=marketplace 9=online_banking 10=branch 11=atm 12=pos 13=ecommerce 14=in_person 15=post"
    " 255=other",
    "LossBand": "0=unknown 1=none 2=under_100 3=under_1k 4=under_10k 5=under_100k 6=under_1m"
    " 7=from_1m",
    "LawfulBasis": "0=unknown 1=consent 2=contract 3=legal_obligation 4=vital_interests"
    " 5=public_interest 6=legitimate_interests 7=statutory_gateway 8=published_data"
    " 9=law_enforcement",
    "Purpose": "0=unknown 1=fraud_prevention 2=counter_money_laundering 3=maintain_fraud_database"
    " 4=fraud_investigation 5=consumer_protection 6=legal_claims 7=supervision",
    "Operation": "1=add 2=sight 3=dispute 4=rule 5=retract 6=expire 7=erase 8=confirm",
    "DisputeGround": "0=unknown 1=mistaken_identity 2=reassigned 3=victim 4=recovered 5=wrong_data"
    " 6=unlawful 255=other",
    "Ruling": "0=unknown 1=upheld 2=rejected 3=corrected",
    "Band": "0=none 1=low 2=medium 3=high 4=very_high",
    "FraudType": "0=unknown 1=task_rebate 2=investment 3=crypto_investment 4=purchase"
    " 5=imp_customer_service 6=loan_fee 7=credit_repair 8=imp_boss_acquaintance 9=imp_authority"
    " 10=romance 11=game_trade 12=imp_bank 13=tech_support 14=family_friend 15=lottery 16=charity"
    " 17=rental 18=job 19=invoice_redirect 20=extortion 21=account_takeover 22=sim_swap"
    " 23=call_forwarding 24=remote_access 25=phishing 26=smishing 27=vishing 28=malware"
    " 29=identity_theft 30=synthetic_id 31=application_fraud 32=first_party 33=facility_misuse"
    " 34=mule_account 35=money_laundering 36=structuring 37=card_not_present 38=card_present"
    " 39=card_testing 40=chargeback_abuse 41=subscription_fraud 42=irsf 43=wangiri 44=simbox"
    " 45=prs 46=dealer 47=gambling 48=content_abuse 255=other",
}


@pytest.mark.parametrize("terms", VOCABULARIES, ids=lambda v: v.__name__)
def test_codes_written_to_the_ledger_never_change(terms: type[Term]) -> None:
    assert " ".join(f"{entry.code}={entry.label}" for entry in terms) == PINNED[terms.__name__]


@pytest.mark.parametrize("terms", VOCABULARIES, ids=lambda v: v.__name__)
def test_every_entry_has_a_byte_a_label_and_a_meaning(terms: type[Term]) -> None:
    for entry in terms:
        assert 0 <= entry.code <= 255
        assert entry.label == entry.label.lower().strip() and entry.meaning
        assert terms.from_code(entry.code) is entry
        assert terms.parse(entry.label, "x") is entry
        assert terms.parse(f" {entry.label.upper().replace('_', '-')} ", "x") is entry
    stated = [entry.label for entry in terms]
    aliases = [alias for entry in terms for alias in entry.aliases]
    assert len(spellings(terms)) == len(stated) + len(aliases), "an alias is given twice"


def test_foreign_names_are_read() -> None:
    assert Purpose.parse("dpv:FraudPreventionAndDetection", "purpose") is Purpose.FRAUD_PREVENTION
    assert Tlp.parse("TLP:AMBER+STRICT", "tlp") is Tlp.AMBER_STRICT
    assert Kind.parse("Phone Number", "kind") is Kind.PHONE
    assert LawfulBasis.parse("dpv:LegitimateInterest", "b") is LawfulBasis.LEGITIMATE_INTERESTS


@given(st.text(max_size=200) | st.integers() | st.none() | st.floats() | st.lists(st.text()))
@settings(deadline=None)
def test_unknown_words_are_refused_with_field_bounded_copy_and_choices(given_: object) -> None:
    try:
        entry = FraudType.parse(given_, "fraud_type")
    except FieldError as error:
        assert error.field == "fraud_type" and len(error.given) <= GIVEN_MAX
        assert error.given.isprintable()
        assert error.allowed.startswith("one of unknown, task_rebate")
    else:
        assert isinstance(given_, str) and entry in FraudType


@pytest.mark.parametrize("code", [-1, 0, 9, 255, 256, 10**40])
def test_unassigned_operation_codes_are_refused(code: int) -> None:
    assert Operation.find(code) is None
    with pytest.raises(FieldError):
        Operation.from_code(code)


def test_usage_flags_are_single_bits_of_a_16_bit_field() -> None:
    assert [int(flag) for flag in vocabulary.Usage] == [1, 2, 4, 8]


def test_countries_round_trip_through_their_two_letters() -> None:
    assert len(COUNTRIES) == 250
    assert country_code(parse_country("uk", "country")) == 0x4742
    for country in COUNTRIES:
        parsed = parse_country(country.lower(), "country")
        assert country_from_code(country_code(parsed)) == country
    assert country_from_code(0) == ""


@pytest.mark.parametrize("given_", ["XX", "", "GBR", 44, None, "G\x00", "🇬🇧"])
def test_what_is_no_country_is_refused(given_: object) -> None:
    with pytest.raises(FieldError, match="ISO 3166"):
        parse_country(given_, "country")


@pytest.mark.parametrize("code", [1, 0x5858, 0xFFFF, 1 << 16, -5])
def test_number_that_is_no_country_is_refused(code: int) -> None:
    with pytest.raises(FieldError, match="ISO 3166"):
        country_from_code(code)
