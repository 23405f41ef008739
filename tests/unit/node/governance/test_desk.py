"""The desk over a real chain: votes of this member, their refusals, repeats and dry runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from bulwark.ledger.features import HIGHEST_LEVEL
from bulwark.ledger.ids import Address, Digest, Height, MemberId
from bulwark.ledger.receipt import Log
from consensus.config import Config
from contracts.actions import AddMember, RemoveMember, SetParameter
from contracts.bindings import GOVERNANCE, Role
from contracts.governance import decode_failure
from node.governance.desk import VOTE_GAS, GovernanceDesk, Ledger
from node.reporting.tracker import StageTracker
from node.service import Conflict, Forbidden, Idempotency, NotFound, Stage
from tests.contracts.harness import Chain, Signer, governed, member, signer
from tests.contracts.voting import DAY, approve, propose

RAISE = SetParameter("rotation", 32)
NAMES = ("alpha", "beta", "gamma", "delta")


@dataclass(frozen=True)
class Sent:
    hash: Digest


@dataclass
class Lane:
    """Executes each transaction at once."""

    chain: Chain
    tracker: StageTracker
    by: Signer
    logs: dict[Digest, tuple[Log, ...]] = field(default_factory=dict)
    gas: list[int] = field(default_factory=list)
    kept: dict[bytes, bytes | None] = field(default_factory=dict)
    interfere: object = None

    @property
    def address(self) -> Address:
        return Address(self.by.address)

    def send(self, to, data, *, extra=None, gas=0):
        sent = Sent(Digest(len(self.logs).to_bytes(32, "big")))
        self.gas.append(gas)
        self.kept.update(extra(sent) if extra else {})
        if callable(self.interfere):
            self.interfere()
        outcome = self.chain.send(self.by, to, data)
        self.tracker.watch(sent.hash)
        self.tracker.executed([(sent.hash, outcome.ok)], Height(7))
        self.logs[sent.hash] = tuple(
            Log(Address(a), tuple(map(Digest, t)), d) for a, t, d in outcome.logs
        )
        return sent


class Promises:
    """Idempotency keys in memory."""

    def __init__(self):
        self.kept = {}

    def find(self, wish):
        return self.kept.get(wish.key)

    def entry(self, wish, ids, now_ms):
        self.kept[wish.key] = tuple(ids)
        return {wish.key.encode(): b"".join(ids)}


class Disk:
    async def barrier(self):
        return None


@dataclass
class Scene:
    desk: GovernanceDesk
    chain: Chain
    lane: Lane


def make(name: str = "alpha", connected=("beta", "gamma", "delta"), levels={}) -> Scene:  # noqa: B006
    chain = governed([*[member(n) for n in NAMES], member("eye", Role.REGULATOR)])
    tracker = StageTracker()
    lane = Lane(chain, tracker, signer(name))

    def refusal(sender: Address, contract: Address, data: bytes) -> str | None:
        if sender == GOVERNANCE:
            point = chain.state.snapshot()
            computation = _call(chain, sender, contract, data)
            chain.state.revert(point)
        else:
            point = chain.state.snapshot()
            computation = _call(chain, sender, contract, data)
            chain.state.revert(point)
        return None if computation.is_success else decode_failure(bytes(computation.output))

    def effective(parameters: Mapping[str, int]) -> Mapping[str, int]:
        core = {n: v for n, v in parameters.items() if n not in ("gas_limit", "protocol_level")}
        config = Config(**core)
        return {n: getattr(config, n) for n in Config.__slots__} | {
            "gas_limit": parameters.get("gas_limit", 10_000_000),
            "protocol_level": parameters.get("protocol_level", 0),
        }

    desk = GovernanceDesk(
        ledger=Ledger(
            read_slot=lambda contract, slot: chain.state.get_storage(contract, slot),
            now_ms=lambda: chain.now_s * 1000,
            gas_limit=lambda: 10_000_000,
            refusal=refusal,
            logs_of=lambda h: lane.logs.get(h, ()),
            place_of=lambda h: (Stage.EXECUTED, Height(7)) if h in lane.logs else (Stage(1), None),
            effective=effective,
            epoch_seconds=DAY,
        ),
        lane=lane,
        tracker=tracker,
        idempotency=Promises(),
        durability=Disk(),
        connected=lambda: [MemberId(n) for n in connected],
        levels=lambda: {MemberId(n): levels.get(n, HIGHEST_LEVEL) for n in connected},
        known_level=HIGHEST_LEVEL,
        member=MemberId(name),
        now_ms=lambda: 5,
        wait_timeout_ms=1_000,
    )
    return Scene(desk, chain, lane)


def _call(chain: Chain, sender: bytes, contract: bytes, data: bytes):
    from eth.vm.message import Message
    from eth.vm.transaction_context import BaseTransactionContext

    code = chain.state.get_code(contract)
    message = Message(VOTE_GAS, contract, sender, 0, data, code)
    context = BaseTransactionContext(gas_price=0, origin=sender)
    return chain.state.computation_class.apply_message(chain.state, message, context)


async def vote(desk: GovernanceDesk, action=RAISE, *, force=False, wish=None, lifetime_s=60):
    return await desk.propose(
        action, lifetime_s=lifetime_s, force=force, wait=Stage.EXECUTED, idempotency=wish
    )


async def test_a_proposal_comes_back_as_the_ledger_has_it():
    scene = make()
    outcome = await vote(scene.desk)
    assert (outcome.stage, outcome.height) == (Stage.EXECUTED, 7)
    view = outcome.proposal
    assert view is not None
    assert (view.id, view.state, view.proposer, view.approvals) == (1, "open", "alpha", ("alpha",))
    assert (view.needed, view.voters, view.failure) == (3, 4, None)
    assert view.action == {"kind": "set_parameter", "name": "rotation", "value": 32}
    assert scene.desk.proposals(open_only=True) == [scene.desk.proposal(1)]
    assert scene.lane.gas == [VOTE_GAS]


async def test_the_third_approval_carries_it_out_and_the_parameter_is_by_vote():
    scene = make("gamma", ("alpha", "beta", "delta"))
    assert propose(scene.chain, signer("alpha"), RAISE).ok
    assert approve(scene.chain, signer("beta")).ok
    outcome = await scene.desk.approve(1, force=False, wait=Stage.EXECUTED, idempotency=None)
    assert outcome.proposal is not None
    assert outcome.proposal.state == "executed"
    shown = {p.name: p for p in scene.desk.parameters()}
    assert (shown["rotation"].value, shown["rotation"].by_vote) == (32, True)
    assert scene.desk.proposals(open_only=True) == []


async def test_what_the_contract_refuses_spends_no_transaction():
    scene = make()
    await vote(scene.desk)
    with pytest.raises(Conflict, match="already approved"):
        await scene.desk.approve(1, force=False, wait=Stage.EXECUTED, idempotency=None)
    for _ in range(7):
        await vote(scene.desk)
    with pytest.raises(Conflict, match="too many open proposals"):
        await vote(scene.desk)
    with pytest.raises(Conflict, match="id taken"):
        await vote(scene.desk, AddMember(member("beta")), force=True)
    assert len(scene.lane.gas) == 8
    scene = make("eye", NAMES)
    with pytest.raises(Forbidden, match="no role validator"):
        await vote(scene.desk)
    assert scene.lane.gas == []


async def test_unknown_proposals_are_not_found():
    scene = make()
    for number in (0, 1, 10**17):
        with pytest.raises(NotFound):
            scene.desk.proposal(number)
        with pytest.raises(NotFound):
            await scene.desk.approve(number, force=True, wait=Stage.EXECUTED, idempotency=None)
        with pytest.raises(NotFound):
            await scene.desk.withdraw(number, wait=Stage.EXECUTED, idempotency=None)


async def test_what_could_halt_the_alliance_needs_force_for_proposer_and_approver():
    removal = RemoveMember(member("delta").id)
    scene = make()
    with pytest.raises(Conflict, match="3 validators would be left"):
        await vote(scene.desk, removal)
    outcome = await vote(scene.desk, removal, force=True)
    assert outcome.proposal is not None
    other = make("beta", ("alpha",))
    assert propose(other.chain, signer("alpha"), removal).ok
    with pytest.raises(Conflict):
        await other.desk.approve(1, force=False, wait=Stage.EXECUTED, idempotency=None)
    await other.desk.approve(1, force=True, wait=Stage.EXECUTED, idempotency=None)


async def test_a_withdrawn_approval_is_gone():
    scene = make()
    await vote(scene.desk)
    outcome = await scene.desk.withdraw(1, wait=Stage.EXECUTED, idempotency=None)
    assert outcome.proposal is not None
    assert (outcome.proposal.state, outcome.proposal.approvals) == ("withdrawn", ())
    with pytest.raises(Conflict, match="closed"):
        await scene.desk.withdraw(1, wait=Stage.EXECUTED, idempotency=None)


async def test_the_same_key_is_one_vote():
    scene = make()
    wish = Idempotency("k", Digest(bytes(32)))
    first = await vote(scene.desk, wish=wish)
    again = await vote(scene.desk, wish=wish)
    assert again == first
    assert len(scene.lane.gas) == 1
    assert scene.lane.kept


async def test_a_vote_that_another_transaction_overtook_says_why():
    scene = make("gamma", ("alpha", "beta", "delta"))
    assert propose(scene.chain, signer("alpha"), RAISE).ok

    def overtake() -> None:
        for name in ("beta", "delta"):
            assert approve(scene.chain, signer(name)).ok

    scene.lane.interfere = overtake
    with pytest.raises(Conflict, match="closed"):
        await scene.desk.approve(1, force=False, wait=Stage.EXECUTED, idempotency=None)


async def test_lifetimes_outside_the_contracts_bounds_are_refused():
    for seconds in (0, -1, 90 * 86_400):
        with pytest.raises(Conflict, match="lives"):
            await vote(make().desk, lifetime_s=seconds)


def test_members_are_those_of_the_registry():
    found = make(connected=("beta",)).desk.members()
    assert [m.id for m in found] == [*NAMES, "eye"]
    assert [m.connected for m in found] == [None, True, False, False, False]
    assert [m.votes for m in found] == [True] * 4 + [False]
    assert found[0].roles == ("validator", "reporter")
    assert found[4].account == f"0x{signer('eye').address.hex()}"


def test_a_dry_run_asks_the_registry_itself():
    desk = make().desk
    assert desk.dry_run(AddMember(member("epsilon"))).verdict() is None
    assert desk.dry_run(AddMember(member("alpha"))).verdict() is not None
    assert desk.dry_run(RemoveMember(member("nobody").id)).verdict() == "bulwark: unknown member"
    assert desk.dry_run(RAISE).findings == ()


def test_a_dry_run_of_a_parameter_tells_what_it_is_and_would_be():
    scene = make()
    run = scene.desk.dry_run(RAISE)
    assert run.parameter is not None
    assert (run.parameter.name, run.parameter.old, run.parameter.new) == ("rotation", 16, 32)
    run = scene.desk.dry_run(SetParameter("quota_small", 12))
    assert run.verdict() is None
    assert run.parameter is not None
    assert (run.parameter.old, run.parameter.new) == (20_000, 12)
    assert scene.desk.dry_run(RemoveMember(member("beta").id)).parameter is None


async def test_a_level_is_not_voted_while_a_connected_member_runs_a_build_that_does_not_know_it():
    scene = make(levels={"gamma": 0})
    raise_level = SetParameter("protocol_level", 1)
    with pytest.raises(Conflict, match=r"do not know level 1: gamma \(up to 0\)"):
        await vote(scene.desk, raise_level)
    assert (await vote(scene.desk, raise_level, force=True)).proposal is not None
    everybody_new = make()
    assert (await vote(everybody_new.desk, raise_level)).proposal is not None
