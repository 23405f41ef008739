"""The catalogue: complete in every language, plain to read, and honest about what it lacks."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from bulwark.advice.advice import DUTIES, HELD_BACK, Advice, Level
from bulwark.advice.texts import LANGUAGES, Catalogue, TextFault, placeholders, shipped
from bulwark.advice.wording import RIGHTS, Sender, Speaker
from node.interaction.reportport import ReportState

LONGEST_SENTENCE = {"en": 24, "de": 24, "fr": 26, "es": 26}
"""Words; plain-language guides ask for 15 to 20 on average."""
AVERAGE_SENTENCE = {"en": 14.0, "de": 14.0, "fr": 15.0, "es": 15.0}
LONGEST_WORD = {"en": 16, "de": 24, "fr": 18, "es": 18}
ZH_LONGEST = 45
LAW_MATRIX = Path(__file__).resolve().parents[3] / "docs" / "law-matrix.md"
ENGLISH = {"language": "en", "name": "English", "messages": {"a": "Hello {name}.", "b": "Bye."}}


def sentences(text: str, language: str) -> list[str]:
    ends = "。！？" if language == "zh" else ".!?"
    found = re.split(f"[{re.escape(ends)}]", text)
    return [each.strip() for each in found if each.strip()]


def messages(language: str) -> list[tuple[str, str]]:
    return list(shipped().messages(language).items())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything(language: str) -> None:
    assert shipped().missing(language) == frozenset()
    assert shipped().language(language) == language


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_that_the_product_uses_has_a_text(language: str) -> None:
    codes = shipped().codes
    levels = {f"{who}.{level.label}" for who in ("customer", "agent") for level in Level}
    duties = {f"agent.duty.{code}" for code in DUTIES} | {f"agent.{HELD_BACK}"}
    reports = {f"{at}.report.{s.value}" for at in ("status", "next") for s in ReportState}
    rulings = ("sent", "open", "upheld", "rejected", "corrected", "moot", "refused")
    disputes = {f"{at}.dispute.{s}" for at in ("status", "next") for s in rulings}
    assert levels | duties | set(RIGHTS) | reports | disputes <= codes
    used = {f"letter.{n}" for n in ("opening", "not_alone", "protect", "delay", "block")}
    page = {code for code in codes if code.startswith("status.") and code.count(".") == 1}
    known = levels | duties | set(RIGHTS) | reports | disputes | used | page
    others = {"customer.remedy", "agent.secret", "contact.default"}
    assert codes == known | others, "no text that nobody says"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_language_is_another_one_copied(language: str) -> None:
    own = dict(messages(language))
    for other in set(LANGUAGES) - {language}:
        same = [code for code, text in messages(other) if text == own[code]]
        assert same == [], f"{language} and {other}"


@pytest.mark.parametrize("language", list(LONGEST_SENTENCE))
def test_sentences_and_words_are_short(language: str) -> None:
    lengths = []
    for code, text in messages(language):
        for sentence in sentences(text, language):
            words = sentence.split()
            lengths.append(len(words))
            assert len(words) <= LONGEST_SENTENCE[language], f"{code}: {sentence}"
            longest = max(words, key=len)
            assert len(longest) <= LONGEST_WORD[language], f"{code}: {longest}"
    assert sum(lengths) / len(lengths) <= AVERAGE_SENTENCE[language]


def test_chinese_sentences_are_short_and_have_chinese_signs() -> None:
    for code, text in messages("zh"):
        for sentence in sentences(text, "zh"):
            assert len(sentence) <= ZH_LONGEST, f"{code}: {sentence}"
        assert not set(text) & set(",;?!"), code


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_for_customers_use_no_word_of_the_trade_and_name_no_source(language: str) -> None:
    trade = re.compile(r"ledger|blockchain|hash|score|indicator|token|OPRF|IBAN", re.IGNORECASE)
    for code, text in messages(language):
        if code.startswith(("customer.", "letter.", "status.", "next.", "right.")):
            assert trade.search(text) is None, f"{code}: {text}"


@pytest.mark.parametrize(("language", "level"), list(itertools.product(LANGUAGES, Level)))
def test_every_advice_has_its_words_in_every_language(language: str, level: Level) -> None:
    speaker = Speaker(shipped(), Sender("Bank A", "0800 555 111"))
    wording = speaker.wording(Advice(level, (HELD_BACK, *DUTIES)), language)
    assert (wording.language, wording.is_fallback) == (language, False)
    assert wording.customer and wording.agent
    said = f"{wording.customer} {wording.agent} {wording.letter}"
    assert "{" not in said
    assert (wording.letter is not None) == (level in (Level.PROTECT, Level.DELAY, Level.BLOCK))
    if level in (Level.WARN, Level.DELAY, Level.BLOCK):
        assert "0800 555 111" in wording.customer, "the channel of remedy"
    if wording.letter is not None:
        assert "Bank A" in wording.letter and "0800 555 111" in wording.letter
        assert wording.letter.count("\n\n") == len(RIGHTS) + 2, "every right is told"


def test_every_right_of_a_letter_answers_a_row_of_the_law_matrix() -> None:
    rows = LAW_MATRIX.read_text("utf-8")
    for code, row in RIGHTS.items():
        assert f"| {row} |" in rows, code


def test_a_language_that_is_not_there_is_english_and_says_so() -> None:
    found = Speaker(shipped(), Sender("Bank A")).wording(Advice(Level.WARN), "pt-BR")
    assert (found.language, found.is_fallback) == ("en", True)
    assert shipped().language("pt") is None
    assert shipped().language("de-AT") == "de" and shipped().language("zh_Hans") == "zh"


def test_a_message_that_a_language_lacks_is_english_and_says_so() -> None:
    partial = {"language": "de", "name": "Deutsch", "messages": {"a": "Hallo {name}."}}
    catalogue = Catalogue({"en": ENGLISH, "de": partial})
    assert catalogue.missing("de") == {"b"}
    assert catalogue.text("a", "de", name="Ada").text == "Hallo Ada."
    fallen = catalogue.text("b", "de")
    assert (fallen.text, fallen.language, fallen.is_fallback) == ("Bye.", "en", True)
    assert catalogue.messages("de") == {"a": "Hallo {name}.", "b": "Bye."}


def test_what_is_filled_in_is_never_read_as_a_template() -> None:
    catalogue = Catalogue({"en": ENGLISH})
    assert catalogue.text("a", "en", name="{other} {0.__class__}").text == (
        "Hello {other} {0.__class__}."
    )
    with pytest.raises(KeyError):
        catalogue.text("a", "en")


@pytest.mark.parametrize(
    ("messages_of_de", "fault"),
    [
        ({"a": "Hallo."}, "de: a: its placeholders have to be: name"),
        ({"a": "Hallo {name} {more}."}, "de: a: its placeholders have to be: name"),
        ({"c": "Neu."}, "de: c: is no code of en"),
        ({"a": "Hallo {name!r}."}, "a plain name"),
        ({"a": "Hallo {name.x}."}, "a plain name"),
        ({"a": "Hallo {name"}, "expected '}'"),
        ({"a": ""}, "text of 1 to 600 characters"),
        ({"a": "x" * 601}, "text of 1 to 600 characters"),
    ],
)
def test_a_catalogue_that_breaks_a_rule_is_refused_with_the_place(
    messages_of_de: dict[str, str], fault: str
) -> None:
    document = {"language": "de", "name": "Deutsch", "messages": messages_of_de}
    with pytest.raises(TextFault) as caught:
        Catalogue({"en": ENGLISH, "de": document})
    assert fault in str(caught.value)


def test_a_catalogue_needs_english_and_its_own_name() -> None:
    with pytest.raises(TextFault, match="has no en"):
        Catalogue({"de": {"language": "de", "messages": {"a": "Hallo."}}})
    with pytest.raises(TextFault, match="fr: wants its own language"):
        Catalogue({"en": ENGLISH, "fr": {"language": "de", "messages": {}}})
    assert placeholders("plain") == frozenset()
