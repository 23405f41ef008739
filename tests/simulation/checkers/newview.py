"""Invariant 7: every view that an honest node enters starts with the O of the paper.

Looked at are the bytes that a node makes durable when it enters a view (`new-view` record), so a
false NEW-VIEW is found whoever sent it. O is recomputed by the slow reference, and nothing that an
honest node executed in a lower view may be missing from it or replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulwark.ledger.codec import Reader
from bulwark.ledger.limits import MAX_VALIDATORS
from consensus.messages import NewView, ViewChange
from tests.reference.new_view import claim_of, reference_o
from tests.reference.quorums import reference_quorum
from tests.simulation.checkers.certificates import Certificates
from tests.simulation.checkers.record import Record

if TYPE_CHECKING:
    from tests.simulation.node import SimNode


class NewViews:
    """Invariant 7."""

    def __init__(self, record: Record, certificates: Certificates) -> None:
        self._record = record
        self._certificates = certificates
        self._checked: set[bytes] = set()
        self.entered = 0
        """Different views that honest nodes entered."""

    def on_record(self, node: SimNode, value: bytes) -> None:
        """The proof of a view that this node enters."""
        if value in self._checked:
            return
        self._checked.add(value)
        reader = Reader(value, "record")
        new_view = NewView.read(reader)
        changes = reader.sequence("view_changes", MAX_VALIDATORS, ViewChange.read)
        self._check(node, new_view, list(changes))

    def _check(self, node: SimNode, new_view: NewView, changes: list[ViewChange]) -> None:
        record, view = self._record, new_view.view
        terms = record.terms(node)
        who = f"NEW-VIEW {view} entered by node {node.index}"
        named = [change.signer for change in changes]
        if len(set(named)) != len(named) or len(named) != reference_quorum(len(terms.validators)):
            record.fail(7, "V5", f"{who} stands on {named}")
        if any(change.view != view for change in changes):
            record.fail(7, "V5", f"{who} stands on VIEW-CHANGEs for other views")
        if [(c.signer, c.hash()) for c in changes] != list(new_view.view_changes):
            record.fail(7, "V7", f"{who} names other VIEW-CHANGEs than it stands on")
        for change in changes:
            for certificate in change.prepared:
                self._certificates.check(terms, certificate)
            if change.checkpoint is not None:
                self._certificates.check(terms, change.checkpoint)
        base, digests = reference_o([claim_of(change, terms.start) for change in changes])
        if tuple(digests) != new_view.digests:
            record.fail(7, "V6", f"{who} has another O than its VIEW-CHANGEs")
        fresh = base + 1 + len(digests)
        record.first_fresh[terms.domain.epoch, view] = fresh
        self.entered += 1
        following = record.world.spans.get(terms.domain.epoch + 1)
        top = record.top if following is None else min(record.top, following.start)
        for height in range(base + 1, top + 1):
            block = record.chain[height]
            if block.commit.subject.view >= view:
                continue
            if height >= fresh or block.batch.digest != digests[height - base - 1]:
                record.fail(7, "V6", f"{who} replaces the executed height {height}")
