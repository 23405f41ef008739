"""TagEffort: how hard one request tries to get its tags, and how many rows stay without.

Rules: a single question is asked once, since somebody waits; rows of an upload are tried again, on
other evaluators and relays, until a part of it brought no tag at all: then the alliance can not be
reached, and the parts after it are asked once each, so that an upload ends in bounded time.
"""

from __future__ import annotations

from collections.abc import Sequence

from bulwark.ledger.ids import Tag
from node.tagging.tagger import BULK_TRIES, Tagger, TaggingUnavailable


class TagEffort:
    """The tags of one request, part after part."""

    def __init__(self, tagger: Tagger, *, is_alone: bool) -> None:
        """`is_alone`: the request has one row."""
        self._tagger = tagger
        self.is_alone = is_alone
        self._tries = 1 if is_alone else BULK_TRIES
        self.untagged = 0
        """Rows so far that have no tag."""

    async def tags(self, indicators: Sequence[tuple[str, str]]) -> list[Tag | TaggingUnavailable]:
        """One tag an indicator in order, or why there is none."""
        found = await self._tagger.tags_of_many(indicators, self._tries)
        failed = sum(isinstance(tag, TaggingUnavailable) for tag in found)
        self.untagged += failed
        if failed == len(found):
            self._tries = 1
        return found
