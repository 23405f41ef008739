"""Five whole nodes in one event loop, homes and sockets real, the database in memory."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from api.auth import generate_api_keys
from bulwark.consents.faults import DocumentRefused
from bulwark.indicators.model import IndicatorReport, ScreeningRequest
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, RecordId
from genesis.generator import generate
from node.app import Node
from node.assembly import (
    Home,
    HomeInvalid,
    check_against_ledger,
    network_identity,
    open_home,
)
from node.ceremony.shares import ShareStore
from node.clock import Clock
from node.devnet.layout import devnet_alliance
from node.devnet.ports import free_ports
from node.directory import Directory
from node.facade import Facade
from node.guarded.accesslog import ENTRIES
from node.rotation.keyset import KeySet
from node.service import (
    Caller,
    Conflict,
    Forbidden,
    Idempotency,
    NotFound,
    Role,
    Stage,
)
from node.storage.errors import StoreWriteFailed
from node.storage.memory import MemoryStore
from tests.consent_terms import TERMS
from tests.unit.node.driver.cluster import until
from tests.unit.node.execution.alliance import STRANGER
from tests.unit.node.execution.alliance import Node as Replica

NOW_MS = 1_790_000_000_000
PASSPHRASE = b"a passphrase"


def drawing(seed: bytes) -> object:
    count = 0

    def draw(length: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(seed + count.to_bytes(8, "big")).digest(length)

    return draw


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> list[Home]:
    out = tmp_path_factory.mktemp("alliance") / "out"
    made = generate(
        devnet_alliance(4, 1, free_ports(10)),
        out,
        random_bytes=drawing(b"whole"),  # type: ignore[arg-type]
        now_ms=NOW_MS,
        passphrase_of=lambda name: PASSPHRASE,
        new_api_keys=generate_api_keys,
        unattended=True,
    )
    return [open_home(home.home) for home in made.homes]


BY = Caller("desk-7", Role.REPORTER)


class Running:
    def __init__(self, homes: list[Home]) -> None:
        self.nodes = [Node(home, MemoryStore()) for home in homes]
        self.facades: list[Facade] = [node._services.basis.facade for node in self.nodes]
        self.tasks: list[asyncio.Task[int]] = []

    def status(self, index: int) -> dict[str, object]:
        return dict(self.facades[index].status())


@pytest.fixture
async def running(homes: list[Home], tmp_path: Path) -> AsyncIterator[Running]:
    fresh = []
    for home in homes:
        # Ledger and shares are new ones each time, and the database is no wiped one.
        home.voted_marker.unlink(missing_ok=True)
        shares = ShareStore(tmp_path / home.member.id, home.secrets.vault_key, os.urandom)
        fresh.append(replace(home, shares=shares))
    running = Running(fresh)
    loop = asyncio.get_running_loop()
    running.tasks = [loop.create_task(node.run()) for node in running.nodes]
    await until(lambda: all(f.readiness().ready for f in running.facades), 30)
    yield running
    for node in running.nodes:
        node.stop()
    async with asyncio.timeout(30):
        assert await asyncio.gather(*running.tasks) == [0] * len(running.nodes)


def report_of(value: str) -> IndicatorReport:
    document = {"kind": "phone", "value": value, "fraud_type": "vishing"}
    return IndicatorReport.from_mapping(document, now_ms=Clock().now_ms())


def question(value: str) -> ScreeningRequest:
    return ScreeningRequest.from_mapping(
        {
            "kind": "phone",
            "value": value,
            "purpose": "fraud_prevention",
            "lawful_basis": "legitimate_interests",
        }
    )


async def test_a_report_of_one_member_is_a_hit_at_every_other(running: Running) -> None:
    (outcome,) = await running.facades[0].report(
        [report_of("+442079460958")], by=BY, wait=Stage.FINALIZED
    )
    assert outcome.stage is Stage.FINALIZED and outcome.record_id is not None
    height = outcome.height
    assert height is not None
    await until(lambda: all(n._chain.finalized >= height for n in running.nodes), 30)
    for facade in running.facades:
        answer = (await facade.screen([question("+442079460958")], by=BY))[0]
        assert answer.hit and answer.complete
        view = await facade.record(outcome.record_id)
        assert (view.reporter, view.stage) == ("bank-a", Stage.FINALIZED)
        proof = await facade.record_proof(outcome.record_id)
        assert proof.verify(running.nodes[0]._home.genesis).height == height
        block = await facade.block(height)
        assert block.record_count == 1 and block.checkpoint is not None
        assert (await facade.block("finalized")).header.height >= height
    nothing = await running.facades[1].screen([question("+442079460959"), question("x")], by=BY)
    assert (nothing[0].hit, nothing[0].complete) == (False, True)
    assert nothing[1].refusal is not None and not nothing[1].complete
    with pytest.raises(NotFound):
        await running.facades[0].record(RecordId(bytes(32)))
    with pytest.raises(NotFound):
        await running.facades[0].record_proof(RecordId(bytes(32)))
    for at in ("99999", "soon", 10**6):
        with pytest.raises(NotFound):
            await running.facades[0].block(at)


async def test_a_power_cut_takes_no_entry_of_a_report_or_of_a_question_to_others(
    running: Running,
) -> None:
    node, facade = running.nodes[1], running.facades[1]
    store = node._store
    assert isinstance(store, MemoryStore)

    def entries_left() -> int:
        return sum(1 for _ in store.after_power_cut().iterate(ENTRIES))

    before = entries_left()
    await facade.report([report_of("+44 20 7946 0555")], by=BY, wait=Stage.ACCEPTED)
    assert entries_left() == before + 1
    await facade.screen([question("+44 20 7946 0666")], by=BY)
    assert entries_left() == before + 2


async def test_a_failed_write_of_a_request_ends_the_node_though_no_block_is_written(
    homes: list[Home], tmp_path: Path
) -> None:
    """Seen with a full disk: nodes without a quorum answered 500 and looked alive."""
    home = homes[4]  # an observer alone has nothing of its own to write
    home.voted_marker.unlink(missing_ok=True)
    shares = ShareStore(tmp_path / "shares", home.secrets.vault_key, os.urandom)
    store = MemoryStore()
    node = Node(replace(home, shares=shares), store)
    task = asyncio.get_running_loop().create_task(node.run())
    facade = node._services.basis.facade
    await until(lambda: facade.status()["height"] is not None, 30)
    store.refuse_writes = True
    with pytest.raises(StoreWriteFailed):
        await facade.screen([question("+44 20 7946 0555")], by=BY)
    async with asyncio.timeout(30):
        assert await task == 1
    assert node.halted is not None and "writes are refused" in node.halted


async def test_a_node_says_what_it_is_and_how_it_does(running: Running) -> None:
    status = running.status(0)
    assert (status["role"], status["halted"], status["sync_target"]) == ("validator", None, None)
    assert running.status(4)["role"] == "observer"
    assert running.status(4)["consensus"] is None
    metrics = running.facades[0].metrics().decode()
    for name in ("bulwark_height_executed", "bulwark_ready 1.0", "bulwark_reports_taken_total"):
        assert name in metrics
    everybody = [None, True, True, True, True]
    await until(lambda: [m.connected for m in running.facades[0].members()] == everybody)
    board = running.nodes[0]._services.basis.board
    running.nodes[0]._sync.target = running.nodes[0]._chain.applied + 100  # type: ignore[assignment]
    assert "catching up" in str(board.lag())
    assert not running.facades[0].readiness().ready
    running.nodes[0]._sync.target = None
    with pytest.raises(Forbidden):
        await running.facades[4].report([report_of("+442079460958")], by=BY, wait=Stage.ACCEPTED)


async def test_a_consent_is_given_shown_proved_and_withdrawn_once(running: Running) -> None:
    node = running.nodes[1]
    desk = node._services.basis.consents.desk
    key = Idempotency("consent", Digest(sha256(b"body")))
    given = await desk.give(TERMS, wait=Stage.FINALIZED, idempotency=key)
    assert (given.status, given.stage) == ("given", Stage.FINALIZED)
    again = await desk.give(TERMS, wait=Stage.FINALIZED, idempotency=key)
    assert again.consent_id == given.consent_id
    disk = b"".join(v for _, v in node._store.iterate(b""))
    assert b"pairwise-17" not in disk
    assert desk.proof(given.consent_id).verify(node._home.genesis).anchor.digest == given.commitment
    taken_back = Idempotency("withdrawal", Digest(sha256(b"other body")))
    for _ in range(2):
        view = await desk.withdraw(
            given.consent_id, "withdrawn", wait=Stage.FINALIZED, idempotency=taken_back
        )
        assert (view.status, view.withdrawn_height is not None) == ("withdrawn", True)
    with pytest.raises(Conflict, match="already"):
        await desk.withdraw(given.consent_id, "withdrawn", wait=Stage.ACCEPTED, idempotency=None)
    for unknown in ("00" * 32, "zz", "00"):
        with pytest.raises(NotFound):
            desk.show(unknown)
    assert desk.show(given.consent_id.upper()).consent_id == given.consent_id
    with pytest.raises(DocumentRefused):
        await desk.give({}, wait=Stage.ACCEPTED, idempotency=None)
    with pytest.raises(Forbidden):
        observer = running.nodes[4]._services.basis.consents.desk
        await observer.give(TERMS, wait=Stage.ACCEPTED, idempotency=None)


async def test_a_node_that_meets_its_own_identity_halts_with_exit_code_1(
    homes: list[Home],
) -> None:
    node = Node(homes[4], MemoryStore())
    task = asyncio.get_running_loop().create_task(node.run())
    await asyncio.sleep(0)
    node._duplicate(homes[0].member.id)
    assert node._supervisor.halted is None
    node._duplicate(homes[4].member.id)
    async with asyncio.timeout(20):
        assert await task == 1


def spoiled(home: Home, change: str) -> None:
    path = home.path
    if change == "no genesis":
        (path / "genesis.json").unlink()
    elif change == "bad genesis":
        (path / "genesis.json").write_bytes(b"{}")
    else:
        text = (path / "node.toml").read_text()
        (path / "node.toml").write_text(text.replace(f'"{home.member.id}"', f'"{change}"', 1))


@pytest.mark.parametrize("change", ["telco-b", "regulator"])
def test_a_home_with_the_keys_of_another_member_is_refused_by_the_ledger(
    homes: list[Home], tmp_path: Path, change: str
) -> None:
    copy = tmp_path / "home"
    shutil.copytree(homes[0].path, copy)
    spoiled(replace(homes[0], path=copy), change)
    home = open_home(copy)
    directory = Directory(home.genesis, Replica(genesis=home.genesis).executor.slot)
    with pytest.raises(HomeInvalid, match="vote key"):
        check_against_ledger(home, directory)


def test_a_genesis_with_a_ring_key_that_nobody_proved_is_refused(
    homes: list[Home], tmp_path: Path
) -> None:
    copy = tmp_path / "home"
    shutil.copytree(homes[0].path, copy)
    genesis = homes[0].genesis
    stolen = replace(genesis.members[1], ring_proof=genesis.members[0].ring_proof)
    members = (genesis.members[0], stolen, *genesis.members[2:])
    (copy / "genesis.json").write_bytes(dataclasses.replace(genesis, members=members).to_json())
    with pytest.raises(HomeInvalid, match="telco-b's ring-key does not hold"):
        open_home(copy)


@pytest.mark.parametrize("change", ["no genesis", "bad genesis"])
def test_a_home_whose_parts_do_not_fit_is_refused(
    homes: list[Home], tmp_path: Path, change: str
) -> None:
    copy = tmp_path / "home"
    shutil.copytree(homes[0].path, copy)
    spoiled(replace(homes[0], path=copy), change)
    with pytest.raises(HomeInvalid):
        open_home(copy)


def test_a_home_without_its_certificate_is_refused(homes: list[Home], tmp_path: Path) -> None:
    with pytest.raises(HomeInvalid):
        network_identity(replace(homes[0], path=tmp_path))


def test_a_member_that_changed_its_keys_by_vote_starts_again_after_it_lost_its_database(
    homes: list[Home],
) -> None:
    secret = STRANGER.secret
    keys = KeySet(dataclasses.replace(homes[0].secrets, vote_key=secret, account_key=secret))
    home = replace(homes[0], keys=keys)
    directory = Directory(home.genesis, Replica(genesis=home.genesis).executor.slot)
    with pytest.raises(HomeInvalid, match="vote key"):
        check_against_ledger(home, directory)
    check_against_ledger(home, directory, is_wiped=True)
