"""The level watch: which protocol level is in force, voted and proposed, as the ledger says now.

Rules: it only reads the state of the last block; what a proposal does never changes, so each is
read once for that, and the newest MAX_PROPOSALS are looked at. A proposal of a level counts while
it is open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from bulwark.ledger.features import PROTOCOL_LEVEL, features_at
from bulwark.ledger.ids import Address, MemberId
from contracts.actions import SetParameter
from contracts.governance import (
    GOVERNANCE,
    ProposalState,
    parameter_slot,
    read_proposal,
    read_proposal_count,
)
from contracts.slots import ReadSlot
from node.chain.epochs import ChainEpoch
from node.diagnosis.facts import LevelFacts, ProposedLevel

if TYPE_CHECKING:
    from prometheus_client.core import Metric

MAX_PROPOSALS: Final = 64


class LevelWatch:
    """Protocol levels of a running node."""

    def __init__(
        self,
        read_slot: ReadSlot,
        known: int,
        epoch: Callable[[], ChainEpoch],
        block_ms: Callable[[], int],
        peers: Callable[[], Mapping[MemberId, int]],
    ) -> None:
        """`known`: what this build knows; `block_ms`: time of the last block.

        `peers`: what the builds of connected members know, as their hellos said.
        """
        self._read_slot = read_slot
        self._known = known
        self._epoch = epoch
        self._block_ms = block_ms
        self._peers = peers
        self._levels: dict[int, int | None] = {}
        """Proposal -> the level that it sets, None for one that sets none or is over."""

    def facts(self) -> LevelFacts:
        """What the rules of diagnosis look at."""
        in_force = self._epoch().level
        voted = self._read_slot(Address(GOVERNANCE), parameter_slot(PROTOCOL_LEVEL))
        return LevelFacts(in_force, self._known, max(in_force, voted), tuple(self._open()))

    def _open(self) -> Iterable[ProposedLevel]:
        newest = read_proposal_count(self._read_slot)
        now_s = self._block_ms() // 1000
        for number in range(max(1, newest - MAX_PROPOSALS + 1), newest + 1):
            if self._levels.get(number, 0) is None:
                continue
            found = read_proposal(self._read_slot, number, now_s)
            action = None if found is None else found.action
            sets_level = isinstance(action, SetParameter) and action.name == PROTOCOL_LEVEL
            if found is None or not sets_level or found.state is not ProposalState.OPEN:
                self._levels[number] = None
            elif isinstance(action, SetParameter):
                yield ProposedLevel(number, action.value, found.expires_s * 1000)

    def document(self) -> dict[str, object]:
        """For `GET /v1/node`."""
        found = self.facts()
        return {
            "level": found.in_force,
            "known_level": found.known,
            "voted_level": found.voted,
            "proposed_levels": [
                {"proposal": wish.proposal, "level": wish.level, "lapses_ms": wish.lapses_ms}
                for wish in found.proposed
            ],
            "features": [feature.name for feature in features_at(found.in_force)],
        }

    def families(self) -> Iterable[Metric]:
        """Metrics."""
        from prometheus_client.core import GaugeMetricFamily

        found = self.facts()
        for name, text, value in (
            ("bulwark_protocol_level", "Protocol level in force", found.in_force),
            ("bulwark_protocol_level_known", "Highest level that this build knows", found.known),
            ("bulwark_protocol_level_voted", "Level of the next epoch", found.voted),
            (
                "bulwark_protocol_level_proposed",
                "Highest level of an open proposal, 0 for none",
                max((wish.level for wish in found.proposed), default=0),
            ),
        ):
            yield GaugeMetricFamily(name, text, value=float(value))
        builds = GaugeMetricFamily(
            "bulwark_peer_protocol_level_known",
            "Highest level that the build of a connected member knows, as it says",
            labels=["member"],
        )
        for member, level in sorted(self._peers().items()):
            builds.add_metric([member], float(level))
        yield builds
