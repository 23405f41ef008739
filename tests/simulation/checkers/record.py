"""Record: what the checkers of one world share: the chain, the terms, and how they fail.

A checker sees what nodes send, write and hand out, and `snapshot()`; no replica internals. Nodes in
`world.byzantine` owe nothing and are left out before any checker is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from consensus.terms import Terms

if TYPE_CHECKING:
    from tests.simulation.ledger import Block
    from tests.simulation.node import SimNode
    from tests.simulation.world import World


class Violation(AssertionError):
    """A rule that must hold for honest nodes was broken."""


class Record:
    """Facts that more than one invariant needs."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.began_ms = world.now
        self.chain: dict[int, Block] = {}
        """The first block that an honest node wrote, by height."""
        self.top = 0
        """The highest of them."""
        self.first_fresh: dict[tuple[int, int], int] = {}
        """n0 by epoch and view, from the NEW-VIEWs that honest nodes entered."""
        self.voted: dict[int, int] = {}
        """The highest height each node ever voted at."""

    def fail(self, number: int, rule: str, detail: str) -> NoReturn:
        """Stop the world: invariant `number` of the plan (0: none of the fourteen)."""
        at_ms = self.world.now - self.began_ms
        raise Violation(f"invariant {number} {rule} at {at_ms} ms: {detail}")

    def epoch(self, node: SimNode) -> int:
        """The epoch in which the node votes."""
        return node.span.number

    def terms(self, node: SimNode) -> Terms:
        """What the node's messages are checked against."""
        return self.world.terms_of(node.span)

    def after_gst(self) -> bool:
        """Whether the bad phase is over."""
        return not self.world.storm

    def calm(self) -> bool:
        """Whether nothing bad can happen in this world at all."""
        options = self.world.options
        return not self.world.byzantine and options.gst_ms == 0 and options.weather.loss == 0.0
