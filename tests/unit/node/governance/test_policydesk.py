"""The policy desk over a real chain: what is shown, what is published, and what is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from bulwark.ledger.ids import Address, Digest, Height, MemberId
from bulwark.ledger.transaction import Transaction
from bulwark.policies.document import PolicyInvalid
from bulwark.policies.library import shipped
from contracts.actions import AdoptPolicy, WithdrawPolicy
from node.chain.policies import PolicyBook
from node.execution.refusals import refusal
from node.governance.policydesk import PolicyDesk, PolicyGround
from node.reporting.idempotency import IdempotencyStore
from node.reporting.tracker import StageTracker
from node.service import Conflict, Forbidden, Idempotency, NotFound, Stage
from node.storage.durability import Durability
from tests.unit.node.chain.test_policies import BRAVO, DEFAULT, PSR, Play
from tests.unit.node.execution.alliance import STRANGER, call

TELECOM = shipped("telecom-signals")


@dataclass
class Lane:
    """Signs, executes at once, keeps what is to be written with it."""

    play: Play
    tracker: StageTracker
    key: object = BRAVO
    sent: list[Transaction] = field(default_factory=list)

    @property
    def address(self) -> Address:
        return self.key.address

    def send(self, to, data, *, extra=None, gas=0):
        nonce = self.play.nonces.get(self.key, 0)
        transaction = call(self.key, nonce, to, data, gas=gas)
        self.play.nonces[self.key] = nonce + 1
        self.play.node.store.write(dict(extra(transaction) if extra else {}), sync=False)
        self.tracker.watch(transaction.hash)
        executed = self.play.node.block(transaction)
        height = executed.header.height
        self.tracker.executed([(transaction.hash, executed.receipts[0].succeeded)], height)
        self.sent.append(transaction)
        return transaction


class Scene:
    def __init__(self, *policies: bytes, key=BRAVO, gas_limit: int = 30_000_000) -> None:
        self.play = Play(*policies)
        node = self.play.node
        tracker = StageTracker()
        self.lane = Lane(self.play, tracker, key)
        self.desk = PolicyDesk(
            PolicyGround(
                book=PolicyBook(node.executor.slot, node.chain),
                lane=self.lane,
                tracker=tracker,
                idempotency=IdempotencyStore(node.store, bytes(32)),
                durability=Durability(node.store),
                refusal=lambda sender, contract, data: refusal(
                    node.executor, node.chain.tip, sender, contract, data, 8_000_000
                ),
                gas_limit=lambda: gas_limit,
                place_of=lambda _: (Stage.FINALIZED, Height(node.chain.applied)),
                member=MemberId("bravo"),
                now_ms=lambda: 5,
                wait_timeout_ms=1_000,
            )
        )

    async def publish(self, document: bytes, wish: Idempotency | None = None):
        return await self.desk.publish(document, wait=Stage.EXECUTED, idempotency=wish)


async def test_what_is_published_in_any_spelling_stands_in_its_canonical_form():
    scene = Scene(DEFAULT.document)
    spelt = json.dumps(json.loads(PSR.document), indent=4).encode()
    outcome = await scene.publish(spelt)
    assert (outcome.id, outcome.height) == (PSR.id, 1)
    view = scene.desk.policy("eu-psr-83")
    assert (view.state, view.since, view.until) == ("published", 0, None)
    assert (view.publisher, view.is_default, view.policy) == ("bravo", False, PSR)
    assert scene.desk.policy(PSR.id.hex()) == scene.desk.policy(f"0x{PSR.id.hex()}") == view


async def test_a_policy_is_shown_with_the_blocks_in_which_it_was_in_force():
    scene = Scene(DEFAULT.document)
    await scene.publish(PSR.document)
    scene.play.vote(AdoptPolicy(PSR.id))
    assert (scene.desk.policy("eu-psr-83").state, scene.desk.policy("eu-psr-83").since) == (
        "adopted",
        4,
    )
    scene.play.vote(WithdrawPolicy(PSR.id))
    view = scene.desk.policy("eu-psr-83")
    assert (view.state, view.since, view.until) == ("withdrawn", 4, 7)
    assert [v.is_default for v in scene.desk.policies()] == [False, True]


async def test_a_document_with_a_fault_is_refused_by_its_path_before_anything_is_sent():
    scene = Scene(DEFAULT.document)
    bent = json.dumps(json.loads(PSR.document) | {"version": "one"}).encode()
    with pytest.raises(PolicyInvalid) as caught:
        await scene.publish(bent)
    assert caught.value.path == "$.version"
    assert scene.lane.sent == []


async def test_what_the_ledger_would_refuse_costs_no_transaction():
    scene = Scene(DEFAULT.document)
    with pytest.raises(Conflict, match="policy known"):
        await scene.publish(DEFAULT.document)
    with pytest.raises(Forbidden, match="no member"):
        await Scene(DEFAULT.document, key=STRANGER).publish(PSR.document)
    with pytest.raises(Conflict, match="shorten it"):
        await Scene(DEFAULT.document, gas_limit=500_000).publish(PSR.document)
    assert scene.lane.sent == []


async def test_one_key_publishes_once():
    scene = Scene(DEFAULT.document)
    wish = Idempotency("key", Digest(bytes(32)))
    first = await scene.publish(PSR.document, wish)
    again = await scene.publish(PSR.document, wish)
    assert (again.id, again.transaction) == (first.id, first.transaction)
    assert len(scene.lane.sent) == 1


@pytest.mark.parametrize("name", ["nobody", "ab" * 32, "zz" * 32, ""])
def test_an_unknown_policy_is_not_found(name):
    with pytest.raises(NotFound):
        Scene(DEFAULT.document, TELECOM.document).desk.policy(name)
