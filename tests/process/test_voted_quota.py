"""A quota that is lowered by vote on a running alliance: it counts from the next quota epoch on.

Past the last slot the member is told and every evaluator refuses; the next epoch has new slots.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from eth_account import Account

from bulwark.privacy.query import RefusalCode, Refused
from tests.nets.rogue import Rogue
from tests.process.support import Alliance, rpc, until
from tests.process.test_governance import govern, governed, until_approvals, until_known

pytestmark = pytest.mark.process

EPOCH_S = 60
BEFORE, QUOTA = 20_000, 3
WITHIN_S = 3.0 * EPOCH_S


@pytest.fixture(scope="module")
def alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alliance]:
    """Four members with quota epochs of a minute."""
    home = tmp_path_factory.mktemp("voted") / "alliance"
    made = Alliance.create(home, 4, 0, epoch_seconds=EPOCH_S, quota_small=BEFORE)
    try:
        made.start()
        yield made
    finally:
        made.close()


def quota(alliance: Alliance, name: str) -> tuple[int, int | None]:
    """The quota that holds at a node's last block, and the one that waits."""
    found = governed(alliance, name, "parameters")["parameters"]
    (shown,) = (p for p in found if p["name"] == "quota_small")
    return shown["value"], shown["coming"]


def nudge(alliance: Alliance) -> None:
    """A transaction that does nothing, for a block with a time of its own."""
    account = Account.create()
    sent = account.sign_transaction(
        {
            "nonce": 0,
            "to": account.address,
            "value": 0,
            "gas": 21_000,
            "gasPrice": 0,
            "chainId": alliance.genesis.chain_id,
        }
    )
    client = alliance.client(alliance.validators[0], "operator")
    rpc(client, "eth_sendRawTransaction", f"0x{sent.raw_transaction.hex().removeprefix('0x')}")


def epoch(alliance: Alliance) -> int:
    """Quota epoch of the first node's last block."""
    client = alliance.client(alliance.validators[0], "operator")
    block = rpc(client, "eth_getBlockByNumber", "latest", False)["result"]
    return int(block["timestamp"], 16) // EPOCH_S


def to_next_epoch(alliance: Alliance) -> None:
    """Returns just after a quota epoch began at every node."""
    began = epoch(alliance)

    def is_next() -> bool:
        nudge(alliance)
        return epoch(alliance) > began

    until(is_next, "the next quota epoch", WITHIN_S)
    alliance.until_final(alliance.height(alliance.validators[0]))


def ask(alliance: Alliance, name: str, number: int) -> str | None:
    """Why a question that nobody asked before was not answered; None if it was."""
    answer = alliance.screen(name, kind="email", value=f"question-{number}@voted-quota.net")
    return None if answer["complete"] else str(answer["incomplete_reason"])


def test_a_quota_lowered_by_vote_stops_a_member_and_the_next_epoch_frees_it(
    alliance: Alliance,
) -> None:
    a, b, c, _ = alliance.validators
    setting = ("propose", "set-parameter", "quota_small")
    dry = govern(alliance, a, *setting, str(QUOTA), "--dry-run")
    assert f"quota_small: {BEFORE} -> {QUOTA}, with quota epoch" in dry
    refused = govern(alliance, a, *setting, "1000001", "--dry-run", fails=1)
    assert "1 to 1000000 for quota_small" in refused
    assert quota(alliance, a) == (BEFORE, None)

    govern(alliance, a, *setting, str(QUOTA))
    until_known(alliance, b, 1)
    govern(alliance, b, "approve", "1")
    until_approvals(alliance, c, 1, 2)
    to_next_epoch(alliance)
    assert quota(alliance, c) == (BEFORE, None)
    govern(alliance, c, "approve", "1")
    for name in alliance.validators:
        until(lambda name=name: quota(alliance, name) == (BEFORE, QUOTA), f"{name} knows", 20)
    numbers = count()
    for _ in range(QUOTA + 2):
        assert ask(alliance, a, next(numbers)) is None, "the quota of the running epoch holds"
    assert quota(alliance, a) == (BEFORE, QUOTA), "all of that was within one epoch"

    for _ in range(2):
        to_next_epoch(alliance)
        began = epoch(alliance)
        assert {quota(alliance, name) for name in alliance.validators} == {(QUOTA, None)}
        for _ in range(QUOTA):
            assert ask(alliance, a, next(numbers)) is None
        reason = ask(alliance, a, next(numbers))
        assert epoch(alliance) == began, "all of that was within one epoch"
        assert reason is not None and "quota" in reason


def test_past_a_voted_quota_no_evaluator_answers(alliance: Alliance) -> None:
    *others, last = alliance.validators
    assert quota(alliance, others[0]) == (QUOTA, None)
    alliance.devnet.kill(last)
    with Rogue(alliance.node(last).home) as rogue:
        to_next_epoch(alliance)
        until(lambda: rogue.view.epoch == epoch(alliance), "the rogue follows")
        codes = {}
        for slot in (QUOTA - 1, QUOTA):
            question = rogue.prove(rogue.request(slot))
            replies = rogue.answers(question, others).values()
            codes[slot] = {r.code if isinstance(r, Refused) else None for r in replies}
    assert codes == {QUOTA - 1: {None}, QUOTA: {RefusalCode.NO_SUCH_SLOT}}
