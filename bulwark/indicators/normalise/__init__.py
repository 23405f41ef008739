"""Normalisation of indicators: every spelling of one identifier to one canonical form.

Use ``normalise(kind, value, region)``. One module a family of kinds; ``outcome`` holds the rule ids
and profiles. Pure: nothing is resolved, fetched or looked up outside the packaged tables.
"""

from bulwark.indicators.errors import NormalisationError
from bulwark.indicators.normalise.dispatch import normalise
from bulwark.indicators.normalise.outcome import MAX_LENGTH, PROFILES, RULES, Normalised

__all__ = ["MAX_LENGTH", "PROFILES", "RULES", "NormalisationError", "Normalised", "normalise"]
