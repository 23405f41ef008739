"""Cooling-offs: held where a pause is advised, released once, and only if it got no worse."""

from __future__ import annotations

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec.structs import replace

from bulwark.advice.holdtoken import Use, check_token
from bulwark.indicators.model import ScreeningRequest
from node.interaction.coolingdesk import KEEP_MS, Invalid
from node.interaction.coolingport import CoolingState, CoolingView, NewCoolingOff
from node.service import NotFound, Refusal, RuleRefused, Unavailable
from tests.unit.node.interaction.office import ANALYST, BY, CLEAN, PERMITTED, WARNED, Office

VALUE = "+44 20 7946 0958"
QUESTION = ScreeningRequest.from_mapping(
    {
        "kind": "phone",
        "value": VALUE,
        "purpose": "fraud_prevention",
        "lawful_basis": "legitimate_interests",
    }
)
BLOCKED = replace(WARNED, band="very_high", permitted_actions=(*PERMITTED, "refuse"))
WORSE = replace(WARNED, band="very_high")
SHIELDED = replace(CLEAN, hit=True, is_protected=True, permitted_actions=("assess",))


def wish(payment: str = "payment 1", seconds: int | None = 60) -> NewCoolingOff:
    return NewCoolingOff(QUESTION, "customer 1", payment, seconds)


async def held(office: Office, payment: str = "payment 1") -> CoolingView:
    return await office.cooling_offs.issue(wish(payment), by=BY)


async def refused(work: object) -> str:
    with pytest.raises(RuleRefused) as caught:
        await work  # type: ignore[misc]
    return caught.value.rule


def checks(office: Office, view: CoolingView, use: Use) -> str:
    member, key = office.cooling_offs.key()
    assert view.token is not None and view.opening is not None
    token = check_token(
        view.token,
        Ed25519PublicKey.from_public_bytes(key),
        member=member,
        customer="customer 1",
        payment="payment 1",
        opening=bytes.fromhex(view.opening),
        now_ms=office.now_ms,
        use=use,
    )
    assert token.not_before_ms == view.not_before_ms
    return token.band


async def test_a_payment_is_held_and_released_once_over_power_cuts() -> None:
    office = Office()
    first = await held(office)
    assert (first.state, first.level, first.ended_ms) == (CoolingState.HELD, "delay", None)
    assert checks(office, first, Use.HOLD) == "high"
    for secret in (VALUE, "customer 1", "payment 1"):
        assert not office.on_disk(secret)
    office = office.restarted()
    wait = office.cooling_offs.confirm(first.cooling_off_id, by=ANALYST)
    assert await refused(wait) == "cooling_off.early"
    office.now_ms = first.not_before_ms
    released = await office.cooling_offs.confirm(first.cooling_off_id, by=ANALYST)
    assert released.state is CoolingState.CONFIRMED
    checks(office, released, Use.RELEASE)
    assert [asked.value for asked in office.ledger.asked] == [VALUE, VALUE], "screened twice"
    office = office.restarted()
    again = office.cooling_offs.confirm(first.cooling_off_id, by=BY)
    assert await refused(again) == "cooling_off.ended"
    shown = office.cooling_offs.show(first.cooling_off_id)
    assert shown.token == released.token, "who lost the answer can read it again"
    office.now_ms = first.expires_ms
    assert office.cooling_offs.show(first.cooling_off_id).token is None


async def test_what_got_worse_is_refused_and_ended() -> None:
    office = Office()
    view = await held(office)
    office.now_ms = view.not_before_ms
    office.ledger.answer = WORSE
    worse = office.cooling_offs.confirm(view.cooling_off_id, by=BY)
    assert await refused(worse) == "cooling_off.got_worse"
    shown = office.cooling_offs.show(view.cooling_off_id)
    assert (shown.state, shown.token, shown.opening) == (CoolingState.REFUSED, None, None)
    office.ledger.answer = CLEAN
    again = office.cooling_offs.confirm(view.cooling_off_id, by=BY)
    assert await refused(again) == "cooling_off.ended"


async def test_an_answer_that_is_not_complete_changes_nothing() -> None:
    office = Office()
    view = await held(office)
    office.now_ms = view.not_before_ms
    office.ledger.answer = replace(CLEAN, complete=False, incomplete_reason="no quorum")
    with pytest.raises(Unavailable, match="no quorum"):
        await office.cooling_offs.confirm(view.cooling_off_id, by=BY)
    office.ledger.answer = CLEAN
    released = await office.cooling_offs.confirm(view.cooling_off_id, by=BY)
    assert (released.state, released.band) == (CoolingState.CONFIRMED, "none")


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        (CLEAN, "cooling_off.no_ground"),
        (replace(WARNED, band="low", permitted_actions=PERMITTED[:2]), "cooling_off.no_ground"),
        (BLOCKED, "cooling_off.block_advised"),
    ],
)
async def test_a_payment_is_held_only_where_a_pause_is_advised(answer: object, rule: str) -> None:
    office = Office()
    office.ledger.answer = answer  # type: ignore[assignment]
    assert await refused(office.cooling_offs.issue(wish(), by=BY)) == rule


async def test_a_payment_to_a_protected_holder_can_be_held_for_an_extra_check() -> None:
    office = Office()
    office.ledger.answer = SHIELDED
    assert (await held(office)).level == "protect"


async def test_a_question_that_can_not_be_asked_holds_nothing() -> None:
    office = Office()
    office.ledger.answer = replace(CLEAN, refusal=Refusal("phone.bad", "no number"))
    with pytest.raises(Invalid, match=r"phone\.bad"):
        await held(office)
    for seconds in (0, 172_801):
        with pytest.raises(Invalid, match="seconds"):
            await office.cooling_offs.issue(wish(seconds=seconds), by=BY)
    assert (await office.cooling_offs.page(None, None)).cooling_offs == ()


async def test_one_payment_is_held_once_at_a_time() -> None:
    office = Office()
    view = await held(office)
    assert await refused(office.cooling_offs.issue(wish(), by=BY)) == "cooling_off.held_already"
    await held(office, "payment 2")
    await office.cooling_offs.cancel(view.cooling_off_id)
    assert (await held(office)).cooling_off_id != view.cooling_off_id


async def test_two_that_hold_the_same_payment_at_once_hold_it_once() -> None:
    office = Office()
    both = [office.cooling_offs.issue(wish(), by=BY) for _ in range(2)]
    done = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["CoolingView", "RuleRefused"]


async def test_two_that_confirm_at_once_release_it_once() -> None:
    office = Office()
    view = await held(office)
    office.now_ms = view.not_before_ms
    both = [office.cooling_offs.confirm(view.cooling_off_id, by=BY) for _ in range(2)]
    done = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["CoolingView", "RuleRefused"]


async def test_a_no_during_the_second_screening_holds() -> None:
    office = Office()
    view = await held(office)
    office.now_ms = view.not_before_ms
    screen = office.ledger.screen

    async def slow(requests: object, *, by: object) -> object:
        await office.cooling_offs.cancel(view.cooling_off_id)
        return await screen(requests, by=by)  # type: ignore[arg-type]

    parts = replace(office.cooling_offs._parts, screen=slow)  # type: ignore[arg-type]
    office.cooling_offs._parts = parts
    confirm = office.cooling_offs.confirm(view.cooling_off_id, by=BY)
    assert await refused(confirm) == "cooling_off.ended"
    assert office.cooling_offs.show(view.cooling_off_id).state is CoolingState.CANCELLED


async def test_a_pause_is_extended_within_bounds() -> None:
    office = Office(cooling_off_most_seconds=2_000)
    view = await held(office)
    longer = await office.cooling_offs.extend(view.cooling_off_id, 100)
    assert longer.not_before_ms == view.not_before_ms + 100_000
    assert longer.token != view.token and longer.extensions == 1
    far = office.cooling_offs.extend(view.cooling_off_id, 2_000)
    assert await refused(far) == "cooling_off.too_long"
    for _ in range(9):
        await office.cooling_offs.extend(view.cooling_off_id, 1)
    more = office.cooling_offs.extend(view.cooling_off_id, 1)
    assert await refused(more) == "cooling_off.extended_enough"


async def test_time_runs_out_and_what_was_asked_is_dropped_then_all() -> None:
    office = Office(release_seconds=10)
    view = await held(office)
    office.now_ms = view.expires_ms
    assert office.cooling_offs.show(view.cooling_off_id).state is CoolingState.EXPIRED
    late = office.cooling_offs.confirm(view.cooling_off_id, by=BY)
    assert await refused(late) == "cooling_off.ended"
    assert await office.cooling_offs.prune() == 1
    document = office.cooling_offs._parts.shelf.get(bytes.fromhex(view.cooling_off_id))
    assert document is not None and document["question"] is None
    assert await office.cooling_offs.prune() == 0
    office.now_ms += KEEP_MS + 1
    assert await office.cooling_offs.prune() == 1
    with pytest.raises(NotFound):
        office.cooling_offs.show(view.cooling_off_id)


async def test_lists_show_a_state() -> None:
    office = Office()
    first = await held(office)
    office.now_ms += 1
    second = await held(office, "payment 2")
    await office.cooling_offs.cancel(first.cooling_off_id)
    waiting = await office.cooling_offs.page(CoolingState.HELD, None)
    assert [v.cooling_off_id for v in waiting.cooling_offs] == [second.cooling_off_id]
    every = await office.cooling_offs.page(None, None)
    assert len(every.cooling_offs) == 2 and every.next is None
