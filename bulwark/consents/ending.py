"""Why a consent ended, as a code on the ledger and as a word of the API.

Rules: codes are part of the ledger and never change; a code that is not in this list still ends
the consent, so a node that does not know it stops the processing too.
"""

from __future__ import annotations

from enum import IntEnum


class Ending(IntEnum):
    """Reason code of a withdrawal event."""

    WITHDRAWN = 1
    """The person took the consent back (GDPR article 7(3), PIPL article 15)."""
    EXPIRED = 2
    """The issuer says that its time is over, before or after the last day."""
    INVALIDATED = 3
    """The issuer found that it was never valid, as given by the wrong person."""
    OBJECTED = 4
    """The person objects to a processing that rests on another basis (GDPR article 21)."""

    @property
    def label(self) -> str:
        """Name in the API: withdrawn, expired, invalidated, objected."""
        return self.name.lower()

    @classmethod
    def of_label(cls, label: str) -> Ending | None:
        """The ending with this label, None for any other text."""
        return next((each for each in cls if each.label == label), None)

    @classmethod
    def of_code(cls, code: int) -> Ending | None:
        """The ending with this code on the ledger, None for a code that is not known here."""
        return next((each for each in cls if each == code), None)
