"""Completeness of access logs: what evaluators served against what members' logs account for.

Rules (ADR-0026). Every guarded question spends a slot; its nullifier is in the logs of t - 1
evaluators, whose roots are on the ledger. A member shows its log and its claims: for each slot that
it spent the proof that the nullifier is its own and the entries that asked. A served question that
no member claims was asked past every log; a claim without an entry, or with more slots than its
entries can need, is an access that a log does not show. Nothing here depends on who asks whom: what
is not claimed is named by epoch, scope, slot and evaluators, and it takes an opening case, or
exculpations of all others, to say whose it was.

It reads no file and no ledger: logs, claims, statements and owners of keys are handed in.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bulwark.ledger.accesslog import AccessEntry, AccessKind
from bulwark.ledger.ids import MemberId
from bulwark.privacy.errors import ClaimRefused
from bulwark.privacy.slotclaim import SlotClaim, check_claim

IDENTIFIERS: Final = 256
"""Identifiers that one question holds at most."""
ROUNDS: Final = 4
"""Questions for one lot of IDENTIFIERS: the first, two more tries, one made anew."""
EPOCHS_OFF: Final = 1
"""Quota epochs by which an entry's wall clock and its question's may differ."""


ASKING: Final = frozenset(
    {
        AccessKind.SCREENING,
        AccessKind.SCREENING_BATCH,
        AccessKind.REPORT,
        AccessKind.REPORT_BATCH,
        AccessKind.TAGGING,
    }
)
"""Kinds of requests that ask evaluators."""


class Kind(StrEnum):
    """What a finding is; the value is its word in reports."""

    LOG_GAP = "log-gap"
    """A log is not as it was anchored."""
    UNCLAIMED = "unclaimed"
    """Evaluators served a question that no member accounts for."""
    NO_ENTRY = "no-entry"
    """A member claims a question that no entry of its log asked."""
    MISSING_ENTRY = "missing-entry"
    """A claim names an entry that its member's log does not have."""
    EXCESS = "excess"
    """More questions than the entries that they are claimed for can need."""
    OTHER_TIME = "other-time"
    """A question of another quota epoch than its entries."""
    BAD_CLAIM = "bad-claim"
    """A claim that does not show what it says."""
    HIDDEN_STATEMENTS = "hidden-statements"
    """An evaluator shows fewer statements than it anchored."""
    BAD_STATEMENT = "bad-statement"
    """An evaluator shows a statement that does not hold."""


WHAT_NOW: Final[Mapping[Kind, str]] = {
    Kind.LOG_GAP: "ask the member for the whole log; the anchor on the ledger is the evidence",
    Kind.UNCLAIMED: "ask each member to clear itself (bulwark opening exculpate), or open a case "
    "(bulwark opening request)",
    Kind.NO_ENTRY: "ask the member which request this question belonged to",
    Kind.MISSING_ENTRY: "ask the member for the entry; anchored entries can not be made later",
    Kind.EXCESS: "ask the member why these entries took so many questions",
    Kind.OTHER_TIME: "ask the member for the entry of the question's own time",
    Kind.BAD_CLAIM: "the member's file is wrong; what it should cover counts as unclaimed",
    Kind.HIDDEN_STATEMENTS: "ask the evaluator for the rest; the count is on the ledger",
    Kind.BAD_STATEMENT: "the statement is evidence against its evaluator",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not fit."""

    kind: Kind
    member: str
    """Whom it is held against: a member or evaluator, empty where nobody is named."""
    text: str
    epoch: int | None = None
    evaluators: tuple[str, ...] = ()
    statement: str = ""
    """Hash of the statement, hex: what a case would be about."""


@dataclass(frozen=True, slots=True)
class Served:
    """One statement that an evaluator showed, verified by the auditor's own node."""

    evaluator: str
    nullifier: bytes
    epoch: int
    scope: int
    slot: int
    statement: str
    anchored_epoch: int | None
    """Quota epoch of the interval that it is anchored in, None where it is in none."""
    obstacle: str | None
    """Why it does not hold, None if it does."""


@dataclass(slots=True)
class MemberLog:
    """What one member handed over, entry by entry."""

    member: MemberId
    first: int = 1
    """Number of the oldest entry that is there."""
    counts: array[int] = field(default_factory=lambda: array("L"))
    epochs: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, entry: AccessEntry, epoch_seconds: int) -> None:
        """Take the next entry."""
        if not self.counts:
            self.first = entry.number
        self.counts.append(entry.count if entry.kind in ASKING else 0)
        self.epochs.append(entry.time_ms // 1000 // epoch_seconds)

    def has(self, claim: SlotClaim) -> bool:
        """Whether all entries of a claim are there."""
        return self.first <= claim.first and claim.last < self.first + len(self.counts)

    def identifiers(self, first: int, last: int) -> int:
        """Identifiers that entries first to last asked about."""
        return sum(self.counts[first - self.first : last - self.first + 1])

    def is_of_its_time(self, claim: SlotClaim) -> bool:
        """Whether a claim's quota epoch is that of its entries."""
        found = self.epochs[claim.first - self.first : claim.last - self.first + 1]
        return any(abs(epoch - claim.epoch) <= EPOCHS_OFF for epoch in found)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the comparison came to."""

    findings: tuple[Finding, ...]
    questions: int
    """Different questions that evaluators served in the epochs compared."""
    claimed: int
    """Of them, claimed by a member."""
    not_served: int
    """Claims of which no evaluator shows a statement: failed, or not anchored yet."""
    claims: Mapping[str, int]
    """Valid claims by member."""

    @property
    def complete(self) -> bool:
        """Whether every access is accounted for."""
        return not self.findings


class Comparison:
    """Takes members' claims and evaluators' statements, and says what does not fit."""

    def __init__(
        self,
        *,
        chain_id: int,
        genesis_hash: bytes,
        epochs: range,
        owner_of: Callable[[bytes], MemberId | None],
    ) -> None:
        """`epochs`: quota epochs that are compared; `owner_of`: whose ring key this is or was."""
        self._chain_id = chain_id
        self._genesis_hash = genesis_hash
        self._epochs = epochs
        self._owner_of = owner_of
        self._claimed: dict[bytes, MemberId] = {}
        self._served: dict[bytes, list[Served]] = {}
        self._shown: Counter[tuple[str, int]] = Counter()
        self._claims: Counter[str] = Counter()
        self._findings: list[Finding] = []

    def log_gap(self, member: MemberId, number: int, reason: str) -> None:
        """A member's log is not as it was anchored."""
        self._find(Kind.LOG_GAP, member, f"entry {number}: {reason}")

    def member(self, log: MemberLog, claims: Iterable[SlotClaim]) -> None:
        """A member's claims against its log."""
        spent: Counter[tuple[int, int]] = Counter()
        for claim in claims:
            if claim.epoch not in self._epochs:
                continue
            name = f"epoch {claim.epoch}, scope {claim.scope}, slot {claim.slot}"
            refused = self._refusal(log.member, claim)
            if refused is not None:
                self._find(Kind.BAD_CLAIM, log.member, f"{name}: {refused}", claim.epoch)
                continue
            self._claimed[claim.nullifier] = log.member
            self._claims[log.member] += 1
            if not claim.first:
                self._find(Kind.NO_ENTRY, log.member, name, claim.epoch)
            elif claim.last < log.first:
                continue  # older than what the member keeps; the ledger vouches for their number
            elif not log.has(claim):
                text = f"{name}: entries {claim.first} to {claim.last}"
                self._find(Kind.MISSING_ENTRY, log.member, text, claim.epoch)
            else:
                spent[claim.first, claim.last] += 1
                if not log.is_of_its_time(claim):
                    text = f"{name}: entries {claim.first} to {claim.last}"
                    self._find(Kind.OTHER_TIME, log.member, text, claim.epoch)
        self._weigh(log, spent)

    def _refusal(self, member: MemberId, claim: SlotClaim) -> str | None:
        try:
            check_claim(claim, self._chain_id, self._genesis_hash)
        except ClaimRefused as error:
            return error.reason
        if self._owner_of(claim.ring_key) != member:
            return "the ledger has this ring key for another member, or for none"
        if claim.nullifier in self._claimed:
            return "it is claimed twice"
        return None

    def _weigh(self, log: MemberLog, spent: Counter[tuple[int, int]]) -> None:
        for first, last, slots, is_shared in _joined(spent):
            asked = log.identifiers(first, last)
            lots = -(-asked // IDENTIFIERS)
            most = ROUNDS * (lots + (last - first + 1 if is_shared else 0))
            if slots > most:
                text = (
                    f"entries {first} to {last}: {slots} questions for {asked} identifiers, "
                    f"at most {most} are needed"
                )
                self._find(Kind.EXCESS, log.member, text)

    def statement(self, served: Served) -> None:
        """A statement of an evaluator's log."""
        if served.obstacle is not None:
            self._find(
                Kind.BAD_STATEMENT,
                served.evaluator,
                f"statement {served.statement}: {served.obstacle}",
                served.epoch,
                (served.evaluator,),
                served.statement,
            )
            return
        if served.anchored_epoch is not None:
            self._shown[served.evaluator, served.anchored_epoch] += 1
        if served.epoch in self._epochs:
            self._served.setdefault(served.nullifier, []).append(served)

    def anchored(self, evaluator: str, epoch: int, count: int) -> None:
        """How many statements an evaluator anchored in a quota epoch; after its statements."""
        shown = self._shown[evaluator, epoch]
        if epoch in self._epochs and shown < count:
            text = f"{shown} of {count} anchored statements are shown"
            self._find(Kind.HIDDEN_STATEMENTS, evaluator, text, epoch, (evaluator,))

    def outcome(self) -> Outcome:
        """All findings, once everything was handed in."""
        found = list(self._findings)
        claimed = 0
        for nullifier, copies in sorted(self._served.items(), key=_place):
            if nullifier in self._claimed:
                claimed += 1
                continue
            first = copies[0]
            evaluators = tuple(sorted({copy.evaluator for copy in copies}))
            text = (
                f"epoch {first.epoch}, scope {first.scope}, slot {first.slot}, "
                f"served by {', '.join(evaluators)}"
            )
            found.append(
                Finding(Kind.UNCLAIMED, "", text, first.epoch, evaluators, first.statement)
            )
        return Outcome(
            findings=tuple(found),
            questions=len(self._served),
            claimed=claimed,
            not_served=sum(nullifier not in self._served for nullifier in self._claimed),
            claims=dict(self._claims),
        )

    def _find(
        self,
        kind: Kind,
        member: str,
        text: str,
        epoch: int | None = None,
        evaluators: tuple[str, ...] = (),
        statement: str = "",
    ) -> None:
        self._findings.append(Finding(kind, member, text, epoch, evaluators, statement))


def _joined(spent: Mapping[tuple[int, int], int]) -> Iterator[tuple[int, int, int, bool]]:
    """Ranges of entries with their questions; those that overlap are weighed together.

    Entries of an upload may have those of other requests between them; without this a member could
    claim every question for nearly its whole log.
    """
    at: tuple[int, int, int, bool] | None = None
    for (first, last), slots in sorted(spent.items()):
        if at is not None and first <= at[1]:
            at = (at[0], max(at[1], last), at[2] + slots, True)
            continue
        if at is not None:
            yield at
        at = (first, last, slots, False)
    if at is not None:
        yield at


def _place(item: tuple[bytes, list[Served]]) -> tuple[int, int, int, bytes]:
    first = item[1][0]
    return first.epoch, first.scope, first.slot, item[0]
