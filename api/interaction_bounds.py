"""Bounds of what clients may say about customers and victims."""

from __future__ import annotations

from typing import Final

PERSON_MAX: Final = 128
"""Characters of the member's own pseudonym of a person, or of a payment."""
TEXT_MAX: Final = 8_000
"""Characters of what a person says."""
NOTE_MAX: Final = 2_000
"""Characters of an analyst's note."""
MAX_IDENTIFIERS: Final = 20
MAX_FRAUD_TYPES: Final = 5
DEFAULT_CONFIDENCE: Final = 70
PAUSE_MAX_S: Final = 2_592_000
"""Seconds of a pause that a client may ask for: 30 days."""
ID: Final = "^[0-9a-f]{32}$"
CURSOR: Final = "^[0-9a-f]{48}$"
