"""`python -m tests.nets.misevaluator --home HOME`: a node that signs wrong evaluations when told.

Rules: it is the product's node in all else; it is wrong while the file `misevaluate` is in its
home, so that a run can begin and end it. Only tests start it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from bulwark.privacy.group import RandomBytes, multiply_base, random_scalar
from bulwark.privacy.threshold import Evaluation, EvaluatorShare
from node.guarded import evaluator
from node.process import run_node

WRONG_FILE: Final = "misevaluate"
_honest = evaluator.evaluate


def wrong(evaluation: Evaluation, random_bytes: RandomBytes) -> Evaluation:
    """The same answer with another last element: its proof does not fit it."""
    bent = multiply_base(random_scalar(random_bytes)).encoding
    return replace(evaluation, elements=(*evaluation.elements[:-1], bent))


def main(home: Path) -> int:
    """Run the node of a home; its exit code."""

    def evaluate(
        share: EvaluatorShare, blinded: Sequence[bytes], random_bytes: RandomBytes
    ) -> Evaluation:
        made = _honest(share, blinded, random_bytes)
        return wrong(made, random_bytes) if (home / WRONG_FILE).exists() else made

    evaluator.evaluate = evaluate
    return run_node(home)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[-1])))
