"""The ring of a height is what the ledger says at that height, and no member chooses it."""

from __future__ import annotations

from bulwark.ledger.ids import Height
from bulwark.privacy.group import GENERATOR, decode_element
from bulwark.privacy.query import Scope
from contracts.bindings import encode_remove_member, encode_set_roles
from contracts.governance import GOVERNANCE
from contracts.members import Role
from contracts.privacy.keys import RegulatorKey
from contracts.privacy.parameters import privacy_parameter_slot
from contracts.slots import ReadSlot
from node.guarded.rings import KEPT_RINGS, ROUNDING, RingBook, RingView, read_ring
from tests.contracts.harness import member
from tests.unit.contracts.privacy_harness import (
    DAY,
    REGULATOR,
    PrivacyChain,
    genesis_keys,
    privacy_alliance,
    public,
    validators,
)

MEMBERS = [*validators(4), REGULATOR]
COUNCIL = GENERATOR.encoding


def council(_: ReadSlot) -> bytes | None:
    return COUNCIL


def alliance(*, regulated: bool = True) -> PrivacyChain:
    part = RegulatorKey(public("opener"), REGULATOR.id, 0) if regulated else None
    return privacy_alliance(MEMBERS, genesis_keys(MEMBERS), part)


def ring_of(chain: PrivacyChain, epoch: int | None = None) -> RingView:
    at_s = chain.now_s if epoch is None else epoch * DAY
    return read_ring(chain.state.get_storage, Height(chain.number), at_s * 1000, DAY, council)


def test_the_ring_holds_every_member_with_a_key_ascending_by_id() -> None:
    view = ring_of(alliance())
    assert view.members == ("m0", "m1", "m2", "m3", "regulator")
    assert view.ring is not None
    keys = [decode_element(public(name)) for name in view.members]
    assert list(view.ring.keys) == keys
    assert set(view.sealing_keys) == set(view.members)
    assert view.is_ready


def test_the_ring_is_ascending_by_id_whatever_the_order_of_the_registry() -> None:
    members = [member(name) for name in ("m2", "m0", "m1")]
    assert ring_of(privacy_alliance(members, genesis_keys(members))).members == ("m0", "m1", "m2")


def test_who_is_removed_or_suspended_leaves_at_once() -> None:
    chain = alliance()
    before = ring_of(chain)
    assert chain.govern(encode_remove_member(member("m1").id)).ok
    assert chain.govern(encode_set_roles(member("m2").id, Role(0))).ok
    view = ring_of(chain)
    assert view.members == ("m0", "m3", "regulator")
    assert not view.same_as(before)


def test_the_opener_is_regulator_and_council_together() -> None:
    both, alone = ring_of(alliance()), ring_of(alliance(regulated=False))
    assert both.opener is not None
    assert alone.opener is not None
    assert both.opener.key == decode_element(public("opener")) + GENERATOR
    assert alone.opener.key == GENERATOR


def test_without_a_council_nothing_can_be_asked() -> None:
    chain = alliance()
    view = read_ring(chain.state.get_storage, Height(1), chain.now_s * 1000, DAY, lambda _: None)
    assert view.opener is None
    assert not view.is_ready


def test_another_quota_epoch_is_another_ring_even_of_the_same_keys() -> None:
    chain = alliance()
    assert not ring_of(chain, 5).same_as(ring_of(chain, 6))


def test_quotas_are_those_of_the_governance() -> None:
    chain = alliance()
    chain.state.set_storage(GOVERNANCE, privacy_parameter_slot("quota_bulk"), 7)
    assert ring_of(chain).quotas == {Scope.SMALL: 20_000, Scope.BULK: 7}


def follow(book: RingBook, chain: PrivacyChain, height: int, *, is_changed: bool = True) -> bool:
    at_ms = chain.now_s * 1000
    return book.follow(chain.state.get_storage, Height(height), at_ms, is_changed=is_changed)


def test_a_book_notes_changes_only_and_keeps_the_latest_rings() -> None:
    chain, book = alliance(), RingBook(DAY, council)
    assert follow(book, chain, 1)
    assert not follow(book, chain, 2)
    assert chain.govern(encode_remove_member(member("m1").id)).ok
    assert not follow(book, chain, 3, is_changed=False)
    assert follow(book, chain, 4)
    first = book.at(Height(3))
    assert first is not None
    assert first.since == 1
    assert book.at(Height(0)) is None
    for height in range(5, 5 + KEPT_RINGS):
        chain.wait(DAY)
        assert follow(book, chain, height, is_changed=False)
    assert book.at(Height(4)) is None


def test_a_book_that_begins_finds_the_height_from_which_the_ring_is_that_of_now() -> None:
    old, new = ring_of(alliance()), ring_of(alliance(regulated=False))
    for change in (0, 1, 37, 99, 100):
        book = RingBook(DAY, council)
        book.begin(lambda height, at=change: new if height >= at else old, Height(0), Height(100))
        assert book.now is not None
        assert book.now.since == change
        assert book.now.ring is new.ring


def test_named_heights_are_round_unless_the_ring_is_younger() -> None:
    chain, book = alliance(), RingBook(DAY, council)
    follow(book, chain, 70)
    assert book.height_to_name(Height(80)) == 70
    assert book.height_to_name(Height(3 * ROUNDING + 5)) == 3 * ROUNDING
    assert book.lowest_needed(Height(3 * ROUNDING + 5)) == ROUNDING
    assert book.lowest_needed(Height(5)) == 0
