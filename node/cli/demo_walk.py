"""The demo's walk: what a newcomer should see of an alliance, each step checked as it goes.

Rules: every step goes through the REST API of real nodes with real keys, as any integrator would; a
step whose outcome is not the one that was promised ends the demo with one line that says so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

from bulwark.client import Block, BulwarkClient, Consent, Screening, Stage, VerifiedRecord
from bulwark.client.verify import verify_consent_proof, verify_record_proof
from node.cli.connection import Target, read_key
from node.cli.demo_data import DemoData, Fields, respelled
from node.cli.demo_nodes import WalkNode
from node.cli.faults import Failed

CHUNK: Final = 200
"""Rows of one upload, small enough to show progress."""
CORROBORATED: Final = 21
"""Every so many rows, a second member reports the same."""
QUESTIONS: Final = 200
SINGLE: Final = 40
WAIT_S: Final = 30.0
_LAWFUL: Final = {"purpose": "fraud_prevention", "lawful_basis": "legitimate_interests"}
Tick = Callable[[int, int], None]
"""Told (done, all)."""


@dataclass(slots=True)
class Found:
    """What the walk saw; durations in seconds."""

    reported: dict[str, int] = field(default_factory=dict)
    """Member to records."""
    records: int = 0
    report_s: float = 0.0
    final_s: float = 0.0
    asked: int = 0
    hits: int = 0
    misses: int = 0
    examples: list[tuple[str, Fields, Screening]] = field(default_factory=list)
    """Asked member, question, answer."""
    latencies_ms: list[float] = field(default_factory=list)
    given: Consent | None = None
    withdrawn: Consent | None = None
    proof: bytes = field(default=b"", repr=False)
    verified: VerifiedRecord | None = None
    verify_ms: float = 0.0
    heights: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Node to (executed, finalized)."""
    agreed: Block | None = None


class Walk:
    """The demo's steps against running nodes; use it as an async context manager."""

    def __init__(self, nodes: Sequence[WalkNode], data: DemoData, genesis: bytes) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._data = data
        self._genesis = genesis
        self._stack = AsyncExitStack()
        self._writers: dict[str, BulwarkClient] = {}
        self._readers: dict[str, BulwarkClient] = {}
        self._owners: list[str] = []
        """Member that reported each row first."""
        self._first_record = ""
        self.found = Found()

    async def __aenter__(self) -> Walk:
        for node in self._nodes.values():
            reader = Target(node.rest_url, read_key(node.keys, ("auditor",))).client()
            self._readers[node.name] = await self._stack.enter_async_context(reader)
            if node.is_validator:
                writer = Target(node.rest_url, read_key(node.keys, ("reporter",))).client()
                self._writers[node.name] = await self._stack.enter_async_context(writer)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def report(self, tick: Tick) -> None:
        """Each member reports its share of the rows; some rows are reported by two."""
        members = list(self._writers)
        shares: dict[str, list[Fields]] = {name: [] for name in members}
        for at, row in enumerate(self._data.rows):
            self._owners.append(members[at % len(members)])
            shares[members[at % len(members)]].append(row)
            if at % CORROBORATED == 0:
                shares[members[(at + 1) % len(members)]].append(row)
        total = sum(map(len, shares.values()))
        done = 0

        async def one(name: str) -> int:
            nonlocal done
            highest = 0
            for start in range(0, len(shares[name]), CHUNK):
                chunk = shares[name][start : start + CHUNK]
                answer = await self._writers[name].report_many(chunk)
                if answer.refused:
                    refused = next(row.problem for row in answer.rows if row.problem)
                    raise Failed(f"{name} refused {answer.refused} rows: {refused.detail}")
                if not self._first_record:
                    self._first_record = answer.rows[0].record_id or ""
                taken = self.found.reported.get(name, 0) + answer.taken
                self.found.reported[name] = taken
                highest = max(highest, answer.height or 0)
                done += len(chunk)
                tick(done, total)
            return highest

        begun = time.monotonic()
        heights = await asyncio.gather(*map(one, members))
        self.found.report_s = time.monotonic() - begun
        self.found.records = sum(self.found.reported.values())
        finals = [c.wait_final_height(max(heights), WAIT_S) for c in self._readers.values()]
        await asyncio.gather(*finals)
        self.found.final_s = time.monotonic() - begun - self.found.report_s

    async def screen(self, tick: Tick) -> None:
        """Members ask about what others reported, in another spelling, and about true misses."""
        members = list(self._writers)
        work = [(name, self._questions(name, members)) for name in members]
        total = sum(len(hits) + len(misses) for _, (hits, misses) in work)
        for name, (hits, misses) in work:
            await self._ask(name, hits, True)
            await self._ask(name, misses, False)
            tick(self.found.asked, total)
        await self._ask_one_by_one(members[-1])

    async def _ask(self, name: str, questions: list[Fields], expected: bool) -> None:
        answers = await self._writers[name].screen_many(questions)
        self.found.asked += len(questions)
        for question, row in zip(questions, answers.rows, strict=True):
            answer = row.answer
            if answer is None or not answer.complete:
                why = answer.incomplete_reason if answer else "the value was refused"
                raise Failed(f"{name} could not answer a question in full: {why}")
            if answer.hit is not expected:
                wanted = "a hit" if expected else "no hit"
                raise Failed(f"{name} should have had {wanted} for a {question['kind']}")
            self.found.hits += answer.hit
            self.found.misses += not answer.hit
            self._keep_example(name, question, answer)

    def _questions(self, name: str, members: list[str]) -> tuple[list[Fields], list[Fields]]:
        """What others reported and this member did not, and what nobody did."""
        second = {m: members[(at + 1) % len(members)] for at, m in enumerate(members)}
        foreign = []
        for at, (row, owner) in enumerate(zip(self._data.rows, self._owners, strict=True)):
            if owner != name and not (at % CORROBORATED == 0 and second[owner] == name):
                foreign.append(row)
        step = max(1, len(foreign) // (QUESTIONS // len(members)))
        hits = [_question(row) for row in foreign[::step]]
        own = members.index(name)
        return hits, [_question(row) for row in self._data.misses[own :: len(members)]]

    async def _ask_one_by_one(self, name: str) -> None:
        """How long one answer takes for identifiers whose tag the node knows by now."""
        hits, _ = self._questions(name, list(self._writers))
        for question in hits[:SINGLE]:
            begun = time.monotonic()
            await self._writers[name].screen(question)
            self.found.latencies_ms.append((time.monotonic() - begun) * 1000)

    def _keep_example(self, name: str, question: Fields, answer: Screening) -> None:
        known = [(q["kind"], a.hit) for _, q, a in self.found.examples]
        corroborated = len({record.reporter for record in answer.records}) > 1
        again = any(len(a.records) > 1 for _, _, a in self.found.examples)
        fresh = (question["kind"], answer.hit) not in known
        hits = sum(hit for _, hit in known)
        misses = len(known) - hits
        wanted = hits < 6 if answer.hit else misses < 2
        if (fresh and wanted) or (corroborated and not again):
            self.found.examples.append((name, question, answer))

    async def consent(self) -> None:
        """A consent is given, anchored, withdrawn, and the withdrawal anchored."""
        name, client = next(iter(self._writers.items()))
        document = {
            "subject": "customer-4711",
            "personal_data": ["pd:TelephoneNumber"],
            "purpose": "fraud_prevention",
            "method": "checkbox",
            "jurisdiction": "GB",
            "language": "en",
            "notice": f"https://{name}.example/privacy",
            "controller": {"contact": f"dpo@{name}.example", "address": "1 High Street, London"},
            "storage": {"locations": ["GB"], "retention": "P1Y"},
            "withdrawal": f"https://{name}.example/consent",
        }
        given = await client.give_consent(document, wait=Stage.FINALIZED)
        if given.status != "given" or given.height is None:
            raise Failed(f"{name} did not anchor the consent")
        withdrawn = await client.withdraw_consent(given.consent_id, wait=Stage.FINALIZED)
        if withdrawn.status != "withdrawn" or withdrawn.withdrawn_height is None:
            raise Failed(f"{name} did not anchor the withdrawal")
        proof = await client.consent_proof(given.consent_id)
        anchored = verify_consent_proof(proof, self._genesis)
        if anchored.anchor.reference.hex() != given.anchor_id:
            raise Failed("the proof of the consent is of another anchor")
        self.found.given, self.found.withdrawn = given, withdrawn

    async def prove(self) -> None:
        """A record's proof from the regulator's node, checked with genesis.json alone."""
        observers = [n for n, node in self._nodes.items() if not node.is_validator]
        client = self._readers[observers[0] if observers else next(iter(self._readers))]
        await client.wait_final(self._first_record, WAIT_S)
        self.found.proof = await client.record_proof(self._first_record)
        begun = time.monotonic()
        self.found.verified = verify_record_proof(self.found.proof, self._genesis)
        self.found.verify_ms = (time.monotonic() - begun) * 1000
        if self.found.verified.record_id.hex() != self._first_record:
            raise Failed("the proof is of another record")

    async def compare(self) -> None:
        """All nodes have the same final block."""
        blocks: Mapping[str, tuple[Block, Block]] = {
            name: (await client.block("latest"), await client.block("finalized"))
            for name, client in self._readers.items()
        }
        self.found.heights = {n: (b[0].height, b[1].height) for n, b in blocks.items()}
        common = min(final.height for _, final in blocks.values())
        same = {n: await client.block(common) for n, client in self._readers.items()}
        if len({block.hash for block in same.values()}) != 1:
            raise Failed(f"the nodes do not agree on block {common}")
        self.found.agreed = next(iter(same.values()))


def _question(row: Fields) -> Fields:
    kind = str(row["kind"])
    return {"kind": kind, "value": respelled(kind, str(row["value"])), **_LAWFUL}
