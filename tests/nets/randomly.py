"""Random manifests from a seed: the same seed is the same manifest, on every machine.

Rules: what is disturbed is undone before the end, so that every net has to recover; at most f nodes
lose their memory (wiped, torn) in one net, and they have to come back before the next one may, as
more is outside what the protocol promises; anything else may hit any number of nodes.
"""

from __future__ import annotations

import random
from typing import Final

from bulwark.ledger.validators import max_faulty
from node.devnet.layout import member_name
from tests.nets.manifest import FAST, Expect, Link, LoadProfile, Manifest, Step

WEIGHTS: Final = {
    "kill": 4,
    "restart": 3,
    "terminate": 2,
    "stop": 4,
    "disconnect": 3,
    "partition": 3,
    "link": 2,
    "clock": 2,
    "wipe": 1,
    "tear": 1,
}
MOST_STEPS: Final = 5
_CLOCK_S: Final = (3_600.0, -3_600.0, 2.0, -2.0)


def random_manifest(seed: int, *, clocks: bool = True) -> Manifest:
    """The manifest of a seed."""
    rng = random.Random(seed)
    count = rng.choice((4, 4, 4, 5, 6, 7))
    names = [member_name(i) for i in range(count)]
    links: tuple[Link, ...] = ()
    if rng.random() < 0.5:
        links = tuple(
            Link(
                source=name,
                latency_ms=float(rng.randint(5, 80)),
                loss_percent=rng.choice((0.0, 0.0, 1.0)),
            )
            for name in names
        )
    steps = _Steps(rng, names, clocks).make()
    return Manifest(
        name=f"seed {seed}",
        validators=count,
        consensus={**FAST, "base_timeout_ms": 1_000, "heartbeat_ms": rng.choice((300, 600))},
        links=links,
        load=LoadProfile(
            members=tuple(rng.sample(names, 2)), wait=rng.choice(("executed", "finalized"))
        ),
        steps=tuple(steps),
        expect=Expect(recover_s=30.0),
    )


class _Steps:
    """Draws steps one after another; each undoes itself."""

    def __init__(self, rng: random.Random, names: list[str], clocks: bool) -> None:
        self._rng = rng
        self._names = names
        self._f = max_faulty(len(names))
        self._steps: list[Step] = []
        self._now = 1.0
        self._forgetful = 0
        self._weights = {k: w for k, w in WEIGHTS.items() if clocks or k != "clock"}

    def make(self) -> list[Step]:
        for _ in range(self._rng.randint(2, MOST_STEPS)):
            kinds = list(self._weights)
            kind = self._rng.choices(kinds, [self._weights[k] for k in kinds])[0]
            self._draw(kind)
        return self._steps

    def _add(self, do: str, **fields: object) -> None:
        self._steps.append(Step(at_s=round(self._now, 1), do=do, **fields))  # type: ignore[arg-type]

    def _pass(self, least: float, most: float) -> None:
        self._now += self._rng.uniform(least, most)

    def _some(self) -> tuple[str, ...]:
        """One node mostly, else f, f + 1 or all."""
        n = len(self._names)
        size = self._rng.choice((1, 1, 1, max(1, self._f), self._f + 1, n))
        return tuple(sorted(self._rng.sample(self._names, min(size, n))))

    def _draw(self, kind: str) -> None:
        match kind:
            case "kill" | "terminate":
                nodes = self._some()
                self._around(kind, "start", nodes, 0.2, 4.0)
            case "restart":
                self._add("restart", nodes=self._some())
            case "stop":
                self._around("stop", "cont", self._some(), 0.5, 6.0)
            case "disconnect":
                self._around("disconnect", "reconnect", self._some(), 0.5, 6.0)
            case "partition":
                mixed = self._rng.sample(self._names, len(self._names))
                cut = self._rng.randint(1, len(mixed) - 1)
                self._add("partition", groups=(tuple(mixed[:cut]), tuple(mixed[cut:])))
                self._pass(0.5, 6.0)
                self._add("heal")
            case "link":
                self._slow_link()
            case "clock":
                self._wrong_clock()
            case _:
                self._forget(kind)
        self._pass(0.5, 3.0)

    def _around(
        self, do: str, undo: str, nodes: tuple[str, ...], least: float, most: float
    ) -> None:
        self._add(do, nodes=nodes)
        self._pass(least, most)
        self._add(undo, nodes=nodes)

    def _slow_link(self) -> None:
        nodes = self._some()[:1]
        self._add(
            "link",
            nodes=nodes,
            latency_ms=float(self._rng.randint(50, 200)),
            loss_percent=self._rng.choice((0.0, 1.0, 5.0)),
        )
        self._pass(1.0, 4.0)
        self._add("link", nodes=nodes)

    def _wrong_clock(self) -> None:
        nodes = self._some()[: max(1, self._f)]
        self._add("clock", nodes=nodes, offset_s=self._rng.choice(_CLOCK_S))
        self._pass(1.0, 3.0)
        self._add("clock", nodes=nodes)

    def _forget(self, kind: str) -> None:
        if self._forgetful >= self._f:
            return
        self._forgetful += 1
        node = (self._rng.choice(self._names),)
        self._add("kill", nodes=node)
        if kind == "wipe":
            self._add("wipe", nodes=node)
        else:
            self._add("tear", nodes=node, bytes=self._rng.randint(1, 3_000))
        self._add("start", nodes=node)
