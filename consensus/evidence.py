"""Proof that a validator broke the protocol: two messages that an honest one never signs both.

Anyone with the validator set can check it later. The core reports each case once per slot.
"""

from __future__ import annotations

from dataclasses import dataclass

from bulwark.ledger.errors import SignatureInvalid
from bulwark.ledger.ids import ValidatorIndex
from bulwark.ledger.signing import Check, SigningDomain, verify
from bulwark.ledger.validators import ValidatorSet
from consensus.messages import NewView, Vote


@dataclass(frozen=True, slots=True)
class DoubleVote:
    """Two votes of one validator with equal kind, view and height and different digests."""

    first: Vote
    second: Vote

    @property
    def culprit(self) -> ValidatorIndex:
        """Who signed both."""
        return self.first.signer

    def holds(self, validators: ValidatorSet, domain: SigningDomain, check: Check = verify) -> bool:
        """Whether the two votes prove it."""
        a, b = self.first.subject, self.second.subject
        if self.first.signer != self.second.signer or self.first.signer >= len(validators):
            return False
        if (a.kind, a.view, a.height) != (b.kind, b.view, b.height) or a.digest == b.digest:
            return False
        address = validators.address_of(self.first.signer)
        try:
            for vote in (self.first, self.second):
                check(address, vote.subject.signing_digest(domain), vote.signature, "vote")
        except SignatureInvalid:
            return False
        return True


@dataclass(frozen=True, slots=True)
class WrongNewView:
    """A leader's NEW-VIEW whose O does not follow from the VIEW-CHANGEs it names."""

    new_view: NewView

    @property
    def culprit(self) -> ValidatorIndex:
        """Who signed it."""
        return self.new_view.signer


Evidence = DoubleVote | WrongNewView
