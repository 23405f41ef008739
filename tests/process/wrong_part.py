"""`bulwark` whose council member posts wrong parts of openings: another element, the same proof.

python -m tests.process.wrong_part node run --home HOME
"""

from __future__ import annotations

from dataclasses import replace

from bulwark.privacy.group import RandomBytes, multiply_base, random_scalar
from bulwark.privacy.opening import PartialOpening, partial
from bulwark.privacy.openingcase import OpeningCase
from bulwark.privacy.threshold import EvaluatorShare
from node.cli.main import main
from node.openings import council


def wrong(case: OpeningCase, share: EvaluatorShare, random_bytes: RandomBytes) -> PartialOpening:
    """A part whose element is not this share's."""
    good = partial(case, share, random_bytes)
    return replace(good, element=multiply_base(random_scalar(random_bytes)).encoding)


if __name__ == "__main__":
    council.partial = wrong  # type: ignore[attr-defined]
    main()
