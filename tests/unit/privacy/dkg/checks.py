"""What must hold after every ceremony in which at most f parties were dishonest."""

from __future__ import annotations

from collections.abc import Collection

from bulwark.privacy.dkg.outcome import Done, Failed
from bulwark.privacy.group import multiply_base
from tests.unit.privacy.dkg.world import Ceremony, secret_of


def assert_sound(made: Ceremony, bad: Collection[int]) -> None:
    """All honest parties end alike: with one key and fitting shares, or all with one failure."""
    outcome = made.board.outcome
    assert isinstance(outcome, Done | Failed)
    assert {fault.index for fault in outcome.faults} <= set(bad)
    again = made.replayed()
    assert (again.digest, again.outcome) == (made.board.digest, outcome)
    if isinstance(outcome, Failed):
        assert set(outcome.named) <= set(bad)
        return
    assert set(outcome.unconfirmed) <= set(bad)
    assert {dealer for dealer in made.session.dealers if dealer not in bad} <= set(outcome.dealers)
    shares = made.shares(index for index in made.holders if index not in bad)
    threshold = made.session.threshold
    for chosen in ([*shares.values()][:threshold], [*shares.values()][-threshold:]):
        assert multiply_base(secret_of(chosen)) == outcome.key.public_key
    old = made.session.old
    if old is not None:
        assert outcome.key.public_key == old.key.public_key
        assert not set(outcome.key.share_keys) & set(old.key.share_keys)
