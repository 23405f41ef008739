"""The role book says of every block who held which role in it, at whatever node."""

from __future__ import annotations

from bulwark.ledger.ids import Address, Height
from bulwark.ledger.lifecycle import Operation, Ruling
from bulwark.ledger.signing import SigningKey
from contracts.bindings import (
    MEMBER_REGISTRY,
    Member,
    Role,
    encode_add_member,
    encode_remove_member,
    encode_set_keys,
    encode_set_roles,
    member_id_bytes,
)
from tests.unit.node.chain.lifecycle_world import World, answer_of, statement
from tests.unit.node.chain.test_lifecycle_properties import copy_by_sync
from tests.unit.node.execution.alliance import (
    ACCOUNTS,
    STRANGER,
    Node,
    call,
    make_genesis,
    secret,
)

ALPHA, BRAVO, _, REGULATOR = range(4)
DELTA = member_id_bytes("delta")
NEXT = SigningKey(secret("account delta 2"))


def governed() -> World:
    """A world whose first member's account governs the registry."""
    return World(Node(genesis=make_genesis(governor=ACCOUNTS[0].address)))


def govern(world: World, data: bytes) -> Height:
    nonce = world.node.executor.nonce(ACCOUNTS[0].address)
    world.now_ms += 1
    block = world.node.block(
        call(ACCOUNTS[0], nonce, Address(MEMBER_REGISTRY), data), at_ms=world.now_ms
    )
    assert block.receipts[0].succeeded
    return block.header.height


def told(node: Node, account: Address, upto: int) -> list[int]:
    return [int(node.roles.held(account, Height(height))) for height in range(upto + 1)]


async def test_a_ruling_stands_after_the_regulator_lost_its_role() -> None:
    world = governed()
    add = statement(1)
    world.say(ALPHA, add)
    world.follow(BRAVO, add.record_id, Operation.DISPUTE, 1)
    world.follow(REGULATOR, add.record_id, Operation.RULE, Ruling.UPHELD)
    before = await answer_of(world.node)
    govern(world, encode_set_roles(DELTA, Role.REPORTER))
    found = world.node.records.by_id(add.record_id)
    assert found is not None
    history = world.node.standings.life(found).history
    assert [step.refused for step in history] == [None, None]
    # What it says from now on is the word of any member.
    world.say(ALPHA, second := statement(2))
    world.follow(BRAVO, second.record_id, Operation.DISPUTE, 1)
    world.follow(REGULATOR, second.record_id, Operation.RULE, Ruling.UPHELD)
    other = world.node.records.by_id(second.record_id)
    assert other is not None
    life = world.node.standings.life(other)
    assert life.history[-1].refused is None and life.state.label == "disputed"
    assert not before.hit


def test_roles_follow_every_change_of_the_registry_and_a_synced_node_says_the_same() -> None:
    world = governed()
    delta, fresh = ACCOUNTS[REGULATOR].address, NEXT.address
    world.block()
    govern(world, encode_set_roles(DELTA, Role.REPORTER))
    world.block()
    vote_key = world.node.genesis.members[3].node
    govern(world, encode_set_keys(DELTA, vote_key, fresh, bytes(32)))
    govern(world, encode_remove_member(DELTA))
    newcomer = Member(member_id_bytes("echo"), STRANGER.address, STRANGER.address, Role.REGULATOR)
    govern(world, encode_add_member(newcomer))
    last = world.tip.height
    regulator, reporter = int(Role.VALIDATOR | Role.REGULATOR), int(Role.REPORTER)
    both = regulator | reporter
    assert told(world.node, delta, last) == [regulator, regulator, both, reporter, reporter, 0, 0]
    assert told(world.node, fresh, last) == [0, 0, 0, 0, reporter, reporter, 0]
    assert told(world.node, STRANGER.address, last) == [0] * 6 + [int(Role.REGULATOR)]
    synced = copy_by_sync(world.node)
    for account in (delta, fresh, STRANGER.address):
        assert told(synced, account, last) == told(world.node, account, last)
