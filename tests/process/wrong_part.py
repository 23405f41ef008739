"""`bulwark` whose council member posts wrong parts of openings, or none.

    python -m tests.process.wrong_part wrong|none node run --home HOME

A wrong part has another element and the proof of the right one.
"""

from __future__ import annotations

import sys

from msgspec.structs import replace

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


async def nothing(member: council.CouncilMember) -> None:
    """Takes no part in any case."""


if __name__ == "__main__":
    if sys.argv.pop(1) == "wrong":
        council.partial = wrong  # type: ignore[attr-defined]
    else:
        council.CouncilMember.act = nothing  # type: ignore[assignment, method-assign]
    main()
