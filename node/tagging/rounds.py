"""What the tagger needs of whoever asks evaluators: rounds, and the reasons why one fails.

Rules: a round belongs to one sharing of one key and to one list of blinded elements; what it costs
(a slot of the quota, a proof) is paid at most once, and not at all if nobody else is asked. Reasons
are made for people: they name no element and nothing that a peer chose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bulwark.privacy.query import RefusalCode
from bulwark.privacy.threshold import Evaluation
from node.guarded.ports import LiveKey


class EvaluatorUnavailable(Exception):
    """An evaluator did not answer, or its answer is no evaluation."""

    def __init__(self, index: int, reason: str) -> None:
        self.index = index
        self.reason = reason
        super().__init__(f"evaluator {index}: {reason}")


class EvaluatorRefused(EvaluatorUnavailable):
    """An evaluator answered with a code that says why it does not evaluate."""

    def __init__(self, index: int, code: RefusalCode) -> None:
        self.code = code
        super().__init__(index, f"refused: {code.name.lower().replace('_', ' ')}")


class NoRelay(EvaluatorUnavailable):
    """No third member is connected that could pass the question on."""

    def __init__(self, index: int) -> None:
        super().__init__(index, "no third member is connected to pass the question on")


class CannotAsk(Exception):
    """No evaluator but the own one can be asked now, for a reason of this member."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class QuotaUsed(CannotAsk):
    """This member has no slot left for a request of this size."""


class Round(Protocol):
    """One list of blinded elements on its way to the evaluators of one key."""

    def preferred(self) -> list[int]:
        """Indices of all evaluators, those that should be asked first at the front."""
        ...

    async def ask(self, index: int) -> Evaluation:
        """One evaluator's answer; raises EvaluatorUnavailable, CannotAsk."""
        ...

    def wrong(self, index: int, reason: str) -> None:
        """An evaluator's answer proved wrong against its share key."""
        ...


class Evaluators(Protocol):
    """Opens rounds."""

    async def open(self, live: LiveKey, blinded: Sequence[bytes]) -> Round:
        """A round for 1 to 256 blinded elements with the shares of `live`."""
        ...
