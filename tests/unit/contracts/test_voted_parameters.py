"""Privacy parameters by vote: a quota waits for the next quota epoch, the others do not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.ledger.ids import Height
from bulwark.privacy.group import GENERATOR
from bulwark.privacy.query import Scope
from contracts.actions import SetParameter
from contracts.bindings import read_proposal_count
from contracts.errors import UnknownParameter
from contracts.governance import GOVERNANCE, QUOTA_AT_SELECTOR, ProposalState
from contracts.governance_events import ParameterChanged
from contracts.privacy.bounds import PRIVACY_PARAMETERS, QUOTAS
from contracts.privacy.ceremony import KeyPurpose
from contracts.privacy.parameters import read_privacy_parameter, read_quota
from contracts.slots import ReadSlot
from contracts.words import WORD, uint_word
from node.guarded.rings import RingBook, read_ring
from tests.contracts.harness import Outcome
from tests.contracts.voting import approve, events, propose, shown
from tests.unit.contracts.ceremony_steps import open_session, state, voter
from tests.unit.contracts.privacy_harness import DAY, PrivacyChain, privacy_alliance, validators


def alliance() -> PrivacyChain:
    return privacy_alliance(validators(4))


def vote(chain: PrivacyChain, name: str, value: int) -> Outcome:
    """Three of four approve; the outcome of the third."""
    assert propose(chain, voter(1), SetParameter(name, value)).ok
    number = read_proposal_count(read_slot(chain))
    assert approve(chain, voter(2), number).ok
    return approve(chain, voter(3), number)


def read_slot(chain: PrivacyChain) -> ReadSlot:
    read: ReadSlot = chain.state.get_storage  # type: ignore[assignment]  # py-evm's Address
    return read


def in_force(chain: PrivacyChain, name: str = "quota_small", after: int = 0) -> int:
    return read_quota(read_slot(chain), name, chain.epoch + after)


def to_next_epoch(chain: PrivacyChain) -> None:
    chain.wait(DAY - chain.now_s % DAY)


def quotas(chain: PrivacyChain) -> dict[Scope, int]:
    """The quotas that a node of the alliance goes by now."""
    at_ms = chain.now_s * 1000
    height = Height(chain.number)
    view = read_ring(read_slot(chain), height, at_ms, DAY, lambda _: GENERATOR.encoding)
    return dict(view.quotas)


def test_a_voted_quota_is_in_force_from_the_next_quota_epoch_on() -> None:
    chain = alliance()
    outcome = vote(chain, "quota_small", 12)
    assert ParameterChanged("quota_small", 0, 12) in events(outcome)
    assert shown(chain).state is ProposalState.EXECUTED
    assert (in_force(chain), in_force(chain, after=1)) == (20_000, 12)
    assert quotas(chain) == {Scope.SMALL: 20_000, Scope.BULK: 1_000}
    to_next_epoch(chain)
    assert quotas(chain) == {Scope.SMALL: 12, Scope.BULK: 1_000}


def test_what_was_voted_and_voted_again_in_one_epoch_was_never_in_force() -> None:
    chain = alliance()
    vote(chain, "quota_bulk", 7)
    vote(chain, "quota_bulk", 9)
    assert (in_force(chain, "quota_bulk"), in_force(chain, "quota_bulk", 1)) == (1_000, 9)
    to_next_epoch(chain)
    vote(chain, "quota_bulk", 11)
    assert (in_force(chain, "quota_bulk"), in_force(chain, "quota_bulk", 1)) == (9, 11)
    assert in_force(chain) == 20_000


def test_the_ring_book_takes_a_voted_quota_at_the_boundary_and_not_before() -> None:
    chain, book = alliance(), RingBook(DAY, lambda _: GENERATOR.encoding)

    def follow(height: int, *, is_changed: bool) -> bool:
        at_ms = chain.now_s * 1000
        read = read_slot(chain)
        return book.follow(read, Height(height), at_ms, is_changed=is_changed)

    assert follow(1, is_changed=True)
    vote(chain, "quota_small", 5)
    assert not follow(2, is_changed=True)
    assert book.now is not None and book.now.quotas[Scope.SMALL] == 20_000
    to_next_epoch(chain)
    assert follow(3, is_changed=False)
    assert book.now.quotas[Scope.SMALL] == 5
    before = book.at(Height(2))
    assert before is not None and before.quotas[Scope.SMALL] == 20_000


votes = st.tuples(st.sampled_from(QUOTAS), st.integers(1, 9))
steps = st.lists(st.one_of(votes, st.integers(1, 2)), max_size=8)


@settings(deadline=None, max_examples=25)
@given(steps)
def test_after_any_history_the_quota_is_that_voted_before_the_epoch_and_reads_are_views(
    history: list[tuple[str, int] | int],
) -> None:
    chain = alliance()
    now = {name: PRIVACY_PARAMETERS[name].default for name in QUOTAS}
    then = dict(now)
    for step in history:
        if isinstance(step, tuple):
            vote(chain, *step)
            then[step[0]] = step[1]
        else:
            for _ in range(step):
                to_next_epoch(chain)
            now = dict(then)
        for name in QUOTAS:
            assert (in_force(chain, name), in_force(chain, name, 1)) == (now[name], then[name])
            for ahead in (0, 1):
                word = name.encode().ljust(WORD, b"\0")
                asked = QUOTA_AT_SELECTOR + word + uint_word("e", chain.epoch + ahead, 256)
                viewed = int.from_bytes(chain.view(GOVERNANCE, asked), "big")
                default = PRIVACY_PARAMETERS[name].default
                assert (viewed or default) == in_force(chain, name, ahead)


@pytest.mark.parametrize("name", [name for name in PRIVACY_PARAMETERS if name not in QUOTAS])
def test_every_other_parameter_of_the_privacy_layer_is_set_by_vote_at_once(name: str) -> None:
    chain = alliance()
    least = PRIVACY_PARAMETERS[name].least
    assert vote(chain, name, least).ok
    assert read_privacy_parameter(read_slot(chain), name) == least
    with pytest.raises(UnknownParameter, match=name):
        read_quota(read_slot(chain), name, 1)


def test_a_voted_phase_length_is_that_of_the_next_ceremony_and_not_of_a_running_one() -> None:
    chain = alliance()
    running = open_session(chain)
    vote(chain, "ceremony_phase_seconds", 60)
    following = open_session(chain, purpose=KeyPurpose.COUNCIL)
    assert state(chain, running).phase_seconds == 600
    assert state(chain, following).phase_seconds == 60
    ends = state(chain, following).deadline_s
    assert ends == chain.now_s - 1 + 60
