"""The desk of feedback: keeps what this member found about answers and records, and its figures.

Rules: an entry names records, never an identifier; entries are encrypted and go by age, counts
stay. Counts and entry are one write, so no feedback counts twice, over restarts; the same case on
the same records replaces what it said before. A disagreement with `dispute` goes through the
dispute desk first: what the lifecycle refuses is not taken as feedback either.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from msgspec import Struct

from bulwark.indicators.vocabulary import Band, LossBand
from bulwark.ledger.ids import RecordId
from bulwark.ledger.lifecycle import Operation
from node.disputes.port import DisputePage, DisputeView, Whose, Wish
from node.guarded.atrest import AtRest
from node.interaction.feedbackport import FeedbackSummary, FeedbackView, NewFeedback, Verdict
from node.interaction.figures import RECORD, Figures, percentile
from node.interaction.restating import Follow
from node.interaction.settings import InteractionConfig
from node.interaction.shelf import NO_VALUE, Puts, Shelf
from node.service import Caller, Forbidden, RecordView, Role, RuleRefused, Stage
from node.storage.durability import Durability
from node.storage.port import KeyValueStore
from node.storage.schema import INTERACTION

DAY_MS: Final = 86_400_000
FIGURES: Final = INTERACTION + b"\x00figures"
MAX_PAGES: Final = 20
"""Pages of disputes that a summary reads."""
Shares = Callable[[], Awaitable[tuple[list[int], bool]]]
"""Milliseconds from intake to record of customers' reports, and whether there are more."""


class FeedbackParts(Struct, frozen=True):
    """What the desk works with."""

    store: KeyValueStore
    shelf: Shelf
    at_rest: AtRest
    durability: Durability
    follow: Follow
    disputes: Callable[[bytes | None], Awaitable[DisputePage]]
    """A page of all disputes of the ledger, newest first."""
    shares: Shares
    view: Callable[[RecordId], RecordView]
    settings: InteractionConfig
    member: str
    now_ms: Callable[[], int]


class FeedbackDesk:
    """Feedback of one member."""

    def __init__(self, parts: FeedbackParts) -> None:
        """Raises StoreDamaged."""
        self._parts = parts
        held = parts.store.get(FIGURES)
        kept = None if held is None else orjson.loads(parts.at_rest.decrypt(FIGURES, held))
        self.figures = Figures(kept)

    async def give(self, feedback: NewFeedback, *, by: Caller, wait: Stage) -> FeedbackView:
        """See Feedback."""
        parts = self._parts
        views = [parts.view(record_id) for record_id in feedback.records]
        reference = await self._disputed(feedback, by, wait)
        pairs = sorted({(str(view.reporter), _kind_of(view)) for view in views})
        entry: dict[str, Any] = {
            "verdict": feedback.verdict.value,
            "finding": feedback.finding.value,
            "records": [record_id.hex() for record_id in feedback.records],
            "band": RECORD if feedback.band is None else feedback.band.label,
            "pairs": pairs,
            "loss": None
            if feedback.loss_prevented is LossBand.UNKNOWN
            else feedback.loss_prevented.label,
            "case_ref": feedback.case_ref,
            "by": by.key_id,
            "given_ms": parts.now_ms(),
            "dispute": reference,
        }
        identity, is_replaced = self._keep(feedback, entry)
        await parts.durability.barrier()
        return FeedbackView(
            feedback_id=identity.hex(),
            given_ms=entry["given_ms"],
            verdict=feedback.verdict,
            reporters=tuple(sorted({reporter for reporter, _ in pairs})),
            kinds=tuple(sorted({kind for _, kind in pairs})),
            replaced=is_replaced,
            dispute=reference,
            follow_up=self._follow_up(feedback, reference, views),
        )

    async def _disputed(self, feedback: NewFeedback, by: Caller, wait: Stage) -> str | None:
        if feedback.dispute is None:
            return None
        if by.role is not Role.REPORTER:
            raise Forbidden("a dispute goes to the ledger: a key of the role reporter sends it")
        if feedback.verdict is not Verdict.DISAGREED or len(feedback.records) != 1:
            raise RuleRefused("feedback.dispute_of_one", "disagree about one record to dispute it")
        wish = Wish(
            feedback.records[0],
            Operation.DISPUTE,
            int(feedback.dispute),
            case_ref=feedback.case_ref,
        )
        outcome = await self._parts.follow(wish, by=by, wait=wait, idempotency=None)
        return outcome.reference

    def _keep(self, feedback: NewFeedback, entry: dict[str, Any]) -> tuple[bytes, bool]:
        """Write entry and counts in one batch; the id, and whether it replaced another."""
        shelf, puts = self._parts.shelf, Puts()
        about = "/".join(sorted(entry["records"]))
        name = shelf.name("about", f"{feedback.case_ref}\x00{about}")
        before = shelf.named(name) if feedback.case_ref else []
        if before:
            identity = before[0][0]
            old = shelf.get(identity)
            if old is not None:
                self.figures.count(old, -1)
                puts |= shelf.removal(identity, old["given_ms"], {name: NO_VALUE})
        else:
            identity = shelf.new_id()
        entry["name"] = name.hex()
        self.figures.count(entry)
        puts |= shelf.puts(identity, entry, entry["given_ms"], {name: NO_VALUE})
        plain = orjson.dumps(self.figures.to_dict())
        puts[FIGURES] = self._parts.at_rest.encrypt(FIGURES, plain)
        self._parts.store.write(puts, sync=False)
        return identity, bool(before)

    def _follow_up(
        self, feedback: NewFeedback, reference: str | None, views: list[RecordView]
    ) -> str:
        if reference is not None:
            return "disputed"
        if feedback.verdict is not Verdict.DISAGREED:
            return "none"
        own = any(view.reporter == self._parts.member for view in views)
        return "retract" if own else "dispute"

    async def summary(self) -> FeedbackSummary:
        """See Feedback."""
        threshold: Band | None = self._parts.settings.thresholds().delay
        judged, right = self.figures.at_threshold(threshold)
        disputes, more_disputes = await self._all_disputes()
        shares, more_shares = await self._parts.shares()
        decided = [view for view in disputes if view.status in ("upheld", "corrected", "rejected")]
        return FeedbackSummary(
            verdicts=self.figures.verdicts(),
            by_band=self.figures.by_band(),
            threshold=None if threshold is None else threshold.label,
            judged=judged,
            right=right,
            reporters=self.figures.reporters(),
            loss_prevented=self.figures.losses(),
            shares=len(shares),
            share_median_ms=percentile(shares, 50),
            share_p95_ms=percentile(shares, 95),
            disputes_decided=len(decided),
            disputes_upheld=sum(view.status != "rejected" for view in decided),
            disputes_open=sum(view.status == "open" for view in disputes),
            is_partial=more_disputes or more_shares,
        )

    async def _all_disputes(self) -> tuple[list[DisputeView], bool]:
        found: list[DisputeView] = []
        cursor: bytes | None = None
        for _ in range(MAX_PAGES):
            page = await self._parts.disputes(cursor)
            found += page.disputes
            cursor = page.next
            if cursor is None:
                return found, False
        return found, True

    async def prune(self) -> int:
        """Drop entries past their time; how many. Their counts stay."""
        parts, gone = self._parts, 0
        limit = parts.now_ms() - parts.settings.feedback_days * DAY_MS
        async for given_ms, identity in parts.shelf.oldest():
            if given_ms > limit:
                break
            document = parts.shelf.get(identity)
            if document is not None:
                names = {bytes.fromhex(document["name"]): NO_VALUE}
                parts.store.write(parts.shelf.removal(identity, given_ms, names), sync=False)
                gone += 1
        return gone


def _kind_of(view: RecordView) -> str:
    return str(view.fields.get("kind") or "unknown")


async def all_disputes_page(
    disputes: Callable[..., Awaitable[DisputePage]], cursor: bytes | None
) -> DisputePage:
    """A page of DisputesService.disputes, of the whole ledger and in any state."""
    return await disputes(Whose.ALL, open_only=False, cursor=cursor, most=100)
