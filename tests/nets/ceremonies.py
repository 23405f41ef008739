"""The life of an alliance's keys with dishonest members: made, refreshed, handed to a new member
and taken from one that leaves, all on the ledger of real processes.

Rules: the first f validators are dishonest (`tests.nets.crook`), each time in other ways; an honest
member is killed in the middle of each ceremony; tags are never cached (`cache_entries = 0`), so
whatever is found was computed with the shares in force. Waits are for events of the ledger. Time
that has to pass is made to pass by all nodes' clocks at once, with the product's own bounds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bulwark.ledger.genesis import ConsensusParameters
from contracts.privacy.ceremony import CeremonyPhase, KeyPurpose
from contracts.privacy.keys import PRIVACY_KEYS
from genesis.home import NODE_FILE
from tests.nets import crook, custody
from tests.nets.access import Unreachable
from tests.nets.checks import CheckFailed
from tests.nets.manifest import Manifest
from tests.nets.net import Net
from tests.nets.newcomer import Newcomer, carry
from tests.nets.witness import Seen, Witness

REFRESH_SECONDS: Final = 3_600
EPOCH_SECONDS: Final = 600
NEW: Final = "newbank"
ASK_S: Final = 120.0
WHY: Final = {"purpose": "fraud_prevention", "lawful_basis": "legitimate_interests"}
Tell = Callable[[str], None]
Words = Mapping[str, str]
"""What one dishonest member does: by key, `tag` or `council`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run."""

    validators: int = 4
    words: Mapping[str, Sequence[Words]] = field(default_factory=dict)
    """By step `generate`, `refresh`, `join`, `leave`: for each dishonest member in order."""
    steps: Sequence[str] = ("generate", "refresh", "join", "leave")
    values: int = 200
    """Reported after the generation; a tenth of it after each later step."""
    phase_seconds: int = 8
    kills: bool = True
    patience_s: float = 600.0
    """Most that one step takes."""


@dataclass(slots=True)
class Step:
    """What a step showed."""

    name: str
    seconds: float
    """Of the whole step on the wall, questions included."""
    sessions: list[Seen]
    words: Sequence[Words]
    killed: str
    """Who was killed in the middle of it, and when."""
    found: int
    """Values found, by all askers together."""
    askers: int


class Run:
    """An alliance under way; a context manager."""

    def __init__(self, folder: Path, plan: Plan, tell: Tell) -> None:
        given = ConsensusParameters()
        manifest = Manifest(
            name=f"ceremonies of {plan.validators}",
            validators=plan.validators,
            consensus={name: getattr(given, name) for name in given.__struct_fields__},
            privacy={
                "ceremony_phase_seconds": plan.phase_seconds,
                "refresh_seconds": REFRESH_SECONDS,
                "epoch_seconds": EPOCH_SECONDS,
            },
        )
        self._folder, self._plan, self._tell = folder, plan, tell
        self.net = Net(manifest, folder, clocks=True)
        self._offset_s = 0.0
        faults = (plan.validators - 1) // 3
        self.crooks = self.net.names[:faults]
        self.honest = self.net.names[faults:]
        self.askers = list(self.net.names)
        self.voters = list(self.honest)
        self.leaver, self.victim = self.honest[-2], self.honest[-1]
        self.witness = Witness(self.net.access[self.honest[0]])
        self.custody = custody.Custody(self.net.homes)
        self.values: list[str] = []
        self.steps: list[Step] = []
        for name in self.net.names:
            _without_cache(self.net.homes[name])
            # As if a crash had cut off a write of the shares: a start has to remove it.
            (self.net.homes[name] / "keys" / ".shares.1.new").write_bytes(b"left over")
        for name in self.crooks:
            self.net.runs_as(name, "tests.nets.crook")

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *error: object) -> None:
        self.net.close()

    def all(self) -> list[Step]:
        """Every step of the plan; raises CheckFailed, NetFailed."""
        for name in self._plan.steps:
            getattr(self, f"_{name}")()
        return self.steps

    # Steps

    def _generate(self) -> None:
        began = self._begin("generate")
        self.net.start(self.net.names)
        killed = self._until_in_force(0, self.honest)
        self._report(self._plan.values)
        self._end("generate", began, killed)

    def _refresh(self) -> None:
        began = self._begin("refresh")
        epoch = self._next_epoch()
        self._pass_time(REFRESH_SECONDS)
        self._finish("refresh", began, epoch)

    def _join(self) -> None:
        began = self._begin("join")
        epoch = self._next_epoch()
        new = Newcomer(NEW, self._folder, dict(self.net.homes))
        _without_cache(new.home)
        self.net.admit(NEW, new.home, new.url)
        self.net.clocks.set(NEW, self._offset_s)
        self.net.start([NEW])
        self._vote(new.join_action())
        self._tell(f"  {NEW} is voted in")
        self.askers.append(NEW)
        self.voters.append(NEW)
        self.custody.homes[NEW] = new.home
        self._until(self._newcomer_has_keys, f"{NEW} registers its keys")
        self._pass_time(EPOCH_SECONDS)
        self._finish("join", began, epoch)

    def _leave(self) -> None:
        began = self._begin("leave")
        epoch = self._next_epoch()
        action = {"kind": "set_roles", "id": self.leaver, "roles": ["reporter"]}
        self._vote(action)
        self._tell(f"  {self.leaver} votes no more, deals for the last time")
        self.voters.remove(self.leaver)
        self._finish("leave", began, epoch)
        self._vote({"kind": "remove_member", "id": self.leaver})
        self.net.terminate([self.leaver])
        self.askers.remove(self.leaver)
        self._report(3)
        self._all_found()
        self._tell(f"  {self.leaver} is removed and gone; everything is still found")

    # Parts of a step

    def _vote(self, action: Mapping[str, object]) -> None:
        """The honest members carry it; the dishonest ones are counted and not asked."""
        voters = [self.net.access[name] for name in self.voters]
        carry(voters, action, len(voters) + len(self.crooks))

    def _begin(self, step: str) -> float:
        words = self._words(step)
        for name, one in zip(self.crooks, words, strict=True):
            crook.tell(self.net.homes[name], one)
            self._tell(f"{step}: {name} {dict(one)}")
        return time.monotonic()

    def _words(self, step: str) -> Sequence[Words]:
        return self._plan.words.get(step, [{}] * len(self.crooks))

    def _finish(self, step: str, began: float, epoch: int) -> None:
        killed = self._until_in_force(epoch, [n for n in self.voters if n not in self.crooks])
        self._all_found()
        self._report(max(3, self._plan.values // 10))
        self._end(step, began, killed)

    def _end(self, step: str, began: float, killed: str) -> None:
        found = self._all_found()
        known = {s.session for done in self.steps for s in done.sessions}
        new = [s for s in self.witness.sessions.values() if s.session not in known]
        seconds = time.monotonic() - began
        self.steps.append(
            Step(step, seconds, new, self._words(step), killed, found, len(self.askers))
        )
        self._tell(f"  {step} done in {seconds:.0f} s; {found} answers found their value")

    def _next_epoch(self) -> int:
        found = [self.witness.in_force(purpose) for purpose in KeyPurpose]
        epochs = {seen.share_epoch for seen in found if seen is not None}
        if len(epochs) != 1 or None in found:
            raise CheckFailed(f"the keys are of share epochs {epochs}")
        return epochs.pop() + 1

    def _pass_time(self, seconds: float) -> None:
        """All nodes' clocks go on by this at once; only while no session is open."""
        self._offset_s += seconds
        for name in self.net.names:
            self.net.clocks.set(name, self._offset_s)
        self._tell(f"  {seconds:.0f} s pass")

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        """Polls the ledger for an event; raises CheckFailed when the patience is over."""
        deadline = time.monotonic() + self._plan.patience_s
        while True:
            try:
                if condition():
                    return
            except Unreachable:
                pass
            surprising = self.net.ended_by_itself
            if surprising or time.monotonic() > deadline:
                raise CheckFailed(f"{what}: not in time; ended: {surprising}; {self._state()}")
            time.sleep(0.25)

    def _state(self) -> str:
        rows = [
            f"{s.purpose.name.lower()} {s.kind} {s.share_epoch} {s.phase.name} "
            f"{s.failed or ('published' if s.is_published else 'open')}"
            for s in self.witness.sessions.values()
        ]
        return "; ".join(rows[-4:])

    def _until_in_force(self, epoch: int, holders: Sequence[str]) -> str:
        """Both keys are of this share epoch, at honest holders too; who was killed meanwhile."""
        self._killed, self._phases = "", set[str]()
        self._until(lambda: self._advanced(epoch), f"share epoch {epoch}")
        self.net.until_ready([self.victim], healthy_only=True)
        sharings = {p.name.lower(): self.witness.in_force(p) for p in KeyPurpose}
        seen = {name: found for name, found in sharings.items() if found is not None}
        self._until(lambda: self.custody.took_over(seen, holders), f"all took share epoch {epoch}")
        for name in (*self.net.names,):
            if self.net.runs(name):
                custody.not_early(self.net.log(name), seen, self._offset_s)
        for line in self.custody.check(seen, holders):
            self._tell(f"  {line}")
        return self._killed

    def _advanced(self, epoch: int) -> bool:
        self.witness.look()
        for purpose in KeyPurpose:
            open_now = self.witness.open(purpose)
            if open_now is not None:
                self._follow(open_now)
        found = [self.witness.in_force(purpose) for purpose in KeyPurpose]
        return all(seen is not None and seen.share_epoch >= epoch for seen in found)

    def _follow(self, seen: Seen) -> None:
        mark = f"{seen.purpose.name.lower()} {seen.kind}: {seen.phase.name.lower()}"
        if mark not in self._phases:
            self._phases.add(mark)
            self._tell(f"  {mark}")
        late = CeremonyPhase.DEAL <= seen.phase < CeremonyPhase.CONFIRM
        if self._plan.kills and late and not self._killed:
            self._killed = f"{self.victim} in {seen.phase.name.lower()}"
            self.net.kill([self.victim])
            self.net.start([self.victim], wait=False)
            self._tell(f"  killed and started: {self._killed}")

    def _newcomer_has_keys(self) -> bool:
        where = {"fromBlock": "0x1", "address": f"0x{bytes(PRIVACY_KEYS).hex()}"}
        return bool(self.witness.access.rpc("eth_getLogs", where, timeout_s=20.0))

    # Values

    def _report(self, count: int) -> None:
        """Through three members in turn, a dishonest one among them; at least 3 values."""
        first = len(self.values)
        members = [*self.crooks[:1], *self.voters[-2:]]
        new = [f"key{first + i}@scam-post.net" for i in range(count)]
        for at, member in enumerate(members):
            rows = [
                {"kind": "email", "value": value, "fraud_type": "vishing"}
                for value in new[at :: len(members)]
            ]
            path = "/v1/indicators/batches?wait=executed"
            self._send(member, path, rows, "reporter", "taken")
        self.values += new

    def _all_found(self) -> int:
        """Every asker finds every value; how many answers that were."""
        for name in self.askers:
            rows = [{"kind": "email", "value": value, **WHY} for value in self.values]
            self._send(name, "/v1/screenings/batches", rows, "analyst", "hits")
        return len(self.askers) * len(self.values)

    def _send(
        self, name: str, path: str, rows: Sequence[Mapping[str, str]], role: str, counted: str
    ) -> None:
        """Until a member answers for all rows; the shares may change under the question."""
        last = ""

        def done() -> bool:
            nonlocal last
            text = "\n".join(map(json.dumps, rows))
            answer = self.net.access[name].upload(path, text, ASK_S, role)
            last = answer.text[:600]
            body = answer.json() if answer.status_code in (200, 202) else {}
            return bool(body.get(counted) == len(rows))

        try:
            self._until(done, f"{name} {counted} {len(rows)}")
        except CheckFailed as error:
            raise CheckFailed(f"{error}; it answered {last}") from error


def _without_cache(home: Path) -> None:
    with (home / NODE_FILE).open("a", encoding="utf-8") as file:
        file.write("\n[tagging]\ncache_entries = 0\n")
