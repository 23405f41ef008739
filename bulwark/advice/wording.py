"""Wording: the codes of an advice as texts for the customer, the agent and the letter of reasons.

Rules: whoever is advised gets a text in the language asked for, or English with a note; the letter
exists where something is done (protect, delay, block) and always names the reasons in general
words, the channel of remedy and the person's rights, never a reporter, a record or evidence. The
same advice gives the same texts, so they are made once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from msgspec import Struct

from bulwark.advice.advice import HELD_BACK, Advice, Level
from bulwark.advice.texts import Catalogue, Text

RIGHTS: Final = {
    "right.reason": "Anti-Telecom and Online Fraud Law art. 32: reason and remedy",
    "right.human": "GDPR art. 22: no solely automated decision",
    "right.dispute": "GDPR art. 18: restriction",
    "right.copy": "GDPR art. 13-15: information and access",
    "right.complaint": "GDPR art. 5(1)(d): accuracy",
    "right.remedy": "Anti-Telecom and Online Fraud Law art. 32: reason and remedy",
}
"""What a letter tells of a person's rights, and the row of docs/law-matrix.md that it answers."""
WITH_LETTER: Final = frozenset({Level.PROTECT, Level.DELAY, Level.BLOCK})
WITH_REMEDY: Final = frozenset({Level.WARN, Level.DELAY, Level.BLOCK})


class Wording(Struct, frozen=True):
    """The texts of an advice."""

    language: str
    """The language that the texts are in."""
    is_fallback: bool
    """Some text is in English because the language that was asked for lacks it."""
    customer: str
    agent: str
    letter: str | None
    """Paragraphs with an empty line between; None where nothing is done that needs one."""


class Sender(Struct, frozen=True):
    """Who speaks: the member's name and the channel of remedy."""

    member: str
    contact: str = ""
    """Telephone, address or page; '' for the catalogue's general words."""


class Speaker:
    """Texts of one member."""

    def __init__(self, catalogue: Catalogue, sender: Sender) -> None:
        self.catalogue = catalogue
        self._sender = sender
        self.wording = lru_cache(maxsize=512)(self._wording)
        """wording(advice, language) -> Wording, remembered."""

    def text(self, code: str, language: str, **values: str) -> Text:
        """One message with the member's name and channel filled in."""
        contact = self._sender.contact
        if not contact:
            named = {"member": self._sender.member}
            contact = self.catalogue.text("contact.default", language, **named).text
        known = {"member": self._sender.member, "contact": contact, **values}
        return self.catalogue.text(code, language, **known)

    def _wording(self, advice: Advice, language: str) -> Wording:
        name = advice.level.label
        customer = [f"customer.{name}"]
        if advice.level in WITH_REMEDY:
            customer.append("customer.remedy")
        agent = [f"agent.{name}"]
        agent += [
            "agent.held_back" if code == HELD_BACK else f"agent.duty.{code}"
            for code in advice.codes
        ]
        if advice.level >= Level.PROTECT:
            agent.append("agent.secret")
        letter: list[str] = []
        if advice.level in WITH_LETTER:
            letter = ["letter.opening", f"letter.{name}", "letter.not_alone", *RIGHTS]
        said = {code: self.text(code, language) for code in (*customer, *agent, *letter)}
        spoken = {text.language for text in said.values()}
        space = "" if spoken == {"zh"} else " "

        def joined(codes: list[str], between: str) -> str:
            return between.join(said[code].text for code in codes)

        is_fallback = any(text.is_fallback for text in said.values())
        return Wording(
            language=spoken.pop() if len(spoken) == 1 else "mixed",
            is_fallback=is_fallback,
            customer=joined(customer, space),
            agent=joined(agent, space),
            letter=joined(letter, "\n\n") if letter else None,
        )
