"""Reference codes for persons: 16 random characters and one that shows a typing mistake.

Rules: the alphabet is Crockford's base 32 (no letter that is read as a digit; O, I and L are read
as 0, 1 and 1); the last character makes the weighted sum of all over GF(32) zero, with the powers
of a generator as weights, so every single wrong character and every swap of two different ones is
seen. 80 random bits: nobody guesses a code. A code says nothing about what it leads to.
"""

from __future__ import annotations

from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM_BYTES: Final = 10
CODE_CHARS: Final = 17
"""Characters without hyphens, the check character included."""
DISPUTE_CHARS: Final = 16
"""Characters of a dispute's code, which has no check character."""
MAX_TYPED: Final = 40
"""Characters of what a person may type for a code."""
_LOOKALIKE: Final = str.maketrans("OIL", "011", " -\u2010\u2011\u2013\u00a0")
_VALUE: Final = {character: value for value, character in enumerate(ALPHABET)}
_GROUP: Final = 4
_POLYNOMIAL: Final = 0b100101
"""x^5 + x^2 + 1, primitive over GF(2)."""


class MistypedCode(ValueError):
    """The text is no reference code: its length, a character or the check character is wrong."""


def make_code(random_bytes: bytes) -> str:
    """The code of 10 random bytes, in groups of four and the check character at the end."""
    if len(random_bytes) != RANDOM_BYTES:
        raise ValueError(f"a code is made of {RANDOM_BYTES} bytes, not {len(random_bytes)}")
    number = int.from_bytes(random_bytes, "big")
    digits = [number >> 5 * place & 31 for place in range(CODE_CHARS - 1)]
    text = "".join(ALPHABET[digit] for digit in (*digits, _check_digit(digits)))
    return "-".join(text[at : at + _GROUP] for at in range(0, CODE_CHARS, _GROUP))


def plain_code(typed: str) -> str:
    """A code as it is looked up, from what a person typed.

    16 characters are a dispute's code, 17 one with a check character. Raises MistypedCode.
    """
    text = typed[: MAX_TYPED + 1].upper().translate(_LOOKALIKE)
    if len(typed) > MAX_TYPED or not set(text) <= set(ALPHABET):
        raise MistypedCode("a code is of letters and digits")
    if len(text) == DISPUTE_CHARS:
        return text
    if len(text) != CODE_CHARS:
        raise MistypedCode(f"a code has {DISPUTE_CHARS} or {CODE_CHARS} characters")
    digits = [_VALUE[character] for character in text]
    if _check_digit(digits[:-1]) != digits[-1]:
        raise MistypedCode("the check character does not fit the others")
    return text


def _check_digit(digits: list[int]) -> int:
    """The digit that makes the sum of digit * g^(places from the right) zero in GF(32)."""
    total = 0
    for digit in digits:
        total = _doubled(total ^ digit)
    return total


def _doubled(value: int) -> int:
    """A value of GF(32) times the generator x."""
    value <<= 1
    return value ^ _POLYNOMIAL if value & 32 else value
