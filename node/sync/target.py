"""Where a sync goes: the highest checkpoint certificates that connected members show.

Rules: a certificate of a known epoch is verified, and who shows a wrong one lied; one of an epoch
that is not known yet is a claim, believed by nobody until the blocks before it are stored. A height
without a certificate is nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bulwark.ledger.epochs import EpochTerms
from bulwark.ledger.ids import Epoch, Height, MemberId
from node.requests import Topic
from node.sync.peers import FAULTS, Peers
from node.sync.wire import Target, decode_target

TermsOf = Callable[[Epoch], EpochTerms | None]
"""The epoch with a number, None if it is not known yet."""


class Targets:
    """What members showed."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._shown: dict[MemberId, Target] = {}

    async def ask(self, terms_of: TermsOf) -> None:
        """Ask every usable member; blames those that show a wrong certificate or do not answer."""
        members = self._peers.usable()
        asks = (self._ask(member, terms_of) for member in members)
        await asyncio.gather(*asks)

    async def _ask(self, member: MemberId, terms_of: TermsOf) -> None:
        try:
            target = decode_target(await self._peers.ask(member, Topic.TARGET, b""))
            terms = None if target is None else terms_of(target.header.epoch)
            if target is not None and terms is not None:
                terms.verify(target.header, target.certificate)
        except FAULTS as error:
            self._peers.blame(member, error)
            return
        if target is not None:
            self._shown[member] = target

    def proven(self, terms_of: TermsOf) -> Height:
        """The highest shown height whose certificate holds, 0 without one; blames liars."""
        best = Height(0)
        for member, target in list(self._shown.items()):
            terms = terms_of(target.header.epoch)
            if terms is None:
                continue
            try:
                terms.verify(target.header, target.certificate)
            except FAULTS as error:
                del self._shown[member]
                self._peers.blame(member, error)
                continue
            best = max(best, target.header.height)
        return best

    def claimed(self, height: Height, terms_of: TermsOf) -> dict[MemberId, Height]:
        """Heights above `height` of epochs that are not known yet, by usable member."""
        usable = set(self._peers.usable())
        return {
            member: target.header.height
            for member, target in self._shown.items()
            if member in usable
            and target.header.height > height
            and terms_of(target.header.epoch) is None
        }
