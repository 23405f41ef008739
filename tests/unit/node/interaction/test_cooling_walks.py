"""Random lives of a held payment: whatever is asked in any order, it is released once at most."""

from __future__ import annotations

import asyncio

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulwark.advice.holdtoken import Use, read_token
from node.interaction.coolingport import CoolingState, CoolingView
from node.service import RuleRefused, ServiceError
from tests.unit.node.interaction.office import BY, CLEAN, WARNED, Office
from tests.unit.node.interaction.test_cooling import BLOCKED, wish

STEPS = st.lists(
    st.sampled_from(["confirm", "cancel", "extend", "later", "long", "worse", "better", "crash"]),
    max_size=25,
)
WORSE = {"worse": BLOCKED, "better": CLEAN}


async def step(office: Office, name: str, what: str) -> CoolingView | None:
    desk = office.cooling_offs
    match what:
        case "confirm":
            return await desk.confirm(name, by=BY)
        case "cancel":
            return await desk.cancel(name)
        case "extend":
            return await desk.extend(name, 30)
        case "later" | "long":
            office.now_ms += 40_000 if what == "later" else 90_000_000
        case _:
            office.ledger.answer = WORSE[what]
    return None


async def lived(steps: list[str]) -> None:
    office = Office()
    office.ledger.answer = WARNED
    view = await office.cooling_offs.issue(wish(), by=BY)
    key = Ed25519PublicKey.from_public_bytes(office.cooling_offs.key()[1])
    released = 0
    ended: CoolingState | None = None
    for what in steps:
        if what == "crash":
            office = office.restarted()
            continue
        before = office.cooling_offs.show(view.cooling_off_id)
        try:
            after = await step(office, view.cooling_off_id, what)
        except ServiceError as error:
            assert isinstance(error, RuleRefused), error
            after = None
        shown = office.cooling_offs.show(view.cooling_off_id)
        if ended is not None:
            assert shown.state is ended, "an end is for good"
        if shown.state is not CoolingState.HELD:
            ended = shown.state
        if after is not None and after.state is CoolingState.CONFIRMED:
            released += 1
            assert before.not_before_ms <= office.now_ms < before.expires_ms
            assert office.ledger.answer is not BLOCKED
        if shown.token is not None:
            token = read_token(shown.token, key)
            wanted = Use.HOLD if shown.state is CoolingState.HELD else Use.RELEASE
            assert token.use is wanted
            assert (token.use is Use.RELEASE) == (shown.state is CoolingState.CONFIRMED)
            assert token.not_before_ms == shown.not_before_ms
    assert released <= 1


@given(STEPS)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_payment_is_released_once_at_most_after_its_pause_and_never_after_an_end(
    steps: list[str],
) -> None:
    asyncio.run(lived(steps))
