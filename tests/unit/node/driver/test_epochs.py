"""Real engines go from epoch to epoch: validators leave and come back, parameters change."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bulwark.ledger.errors import ProofInvalid
from bulwark.ledger.genesis import ConsensusParameters, Genesis, GenesisAccount
from bulwark.ledger.ids import Address, Height
from bulwark.ledger.proofs import SealedHeader
from bulwark.ledger.signing import Signer, SigningKey
from consensus.authentication import authenticate
from consensus.errors import AuthenticationFailed
from consensus.messages import StableProof
from contracts.actions import Action, RemoveMember, SetKeys, SetParameter, SetRoles
from contracts.governance import GOVERNANCE, encode_approve, encode_propose
from contracts.members import Member, Role, member_id_bytes
from contracts.placement import governed_contracts
from node.rotation.signers import SignerAtWork
from node.service import Stage
from tests.unit.node.driver import cluster as cluster_module
from tests.unit.node.driver.cluster import Cluster, Station, until
from tests.unit.node.execution.alliance import (
    ACCOUNTS,
    NAMES,
    VOTE_KEYS,
    make_genesis,
    make_sidecar,
)

LATER_S = int(time.time()) + 86_400
_BITS = {"validator": 1, "reporter": 2, "regulator": 4, "deployer": 8}


def governed() -> Genesis:
    """The test alliance, governing itself by vote."""
    genesis = make_genesis()
    members = [
        Member(member_id_bytes(m.id), m.node, m.account, Role(sum(_BITS[r] for r in m.roles)))
        for m in genesis.members
    ]
    alloc = dict(genesis.alloc)
    for placed in governed_contracts(members, {}):
        account = GenesisAccount(placed.nonce, 0, placed.code, placed.storage)
        alloc[Address(placed.address)] = account
    consensus = ConsensusParameters(base_timeout_ms=400, heartbeat_ms=60_000)
    return replace(genesis, alloc=alloc, consensus=consensus)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path, governed()) as cluster:
        yield cluster


async def send(station: Station, data: bytes) -> None:
    """A call of the governance contract by the station's member."""
    transaction = station.anchorer.send(Address(GOVERNANCE), data, gas=2_000_000)
    progress = await station.tracker.wait(transaction.hash, Stage.EXECUTED, 15_000)
    assert progress.succeeded, f"{station.id} failed"


async def vote(cluster: Cluster, number: int, action: Action, voters: tuple[int, ...]) -> None:
    """Propose and approve until it is carried out."""
    first, *others = voters
    await send(cluster.stations[first], encode_propose(action, LATER_S))
    for voter in others:
        station = cluster.stations[voter]
        tip = cluster.stations[first].chain.applied
        await until(lambda s=station, h=tip: s.chain.applied >= h)
        await send(station, encode_approve(number))


async def in_epoch(cluster: Cluster, number: int) -> None:
    await until(lambda: all(s.engine.epoch.number == number for s in cluster.stations))


async def report(station: Station, seed: str) -> None:
    transaction = await station.report(seed)
    progress = await station.tracker.wait(transaction.hash, Stage.FINALIZED, 15_000)
    assert progress.succeeded


def demote(index: int) -> SetRoles:
    return SetRoles(member_id_bytes(NAMES[index]), Role.REPORTER)


def promote(index: int) -> SetRoles:
    return SetRoles(member_id_bytes(NAMES[index]), Role.REPORTER | Role.VALIDATOR)


async def test_a_validator_is_voted_out_and_in_again_and_no_record_is_lost(
    cluster: Cluster,
) -> None:
    stations = cluster.stations
    await report(stations[0], "before")
    await vote(cluster, 1, demote(2), (0, 1, 2))
    await in_epoch(cluster, 1)
    assert stations[2].engine.driver is None
    assert [len(s.engine.epoch.validators) for s in stations] == [3] * 4
    await report(stations[0], "in epoch one")
    await report(stations[2], "of one that does not vote")
    await vote(cluster, 2, promote(2), (0, 1))
    await in_epoch(cluster, 2)
    assert stations[2].engine.driver is not None
    await report(stations[2], "in epoch two")
    height = stations[0].chain.finalized
    await until(lambda: all(s.chain.finalized >= height for s in stations))
    for seed in ("before", "in epoch one", "of one that does not vote", "in epoch two"):
        assert all(s.chain.has_sidecar(make_sidecar(2, seed).root) for s in stations)


async def test_a_decided_change_takes_effect_at_once_on_an_idle_alliance(cluster: Cluster) -> None:
    """Heartbeats are a minute apart; the boundary is a window away (E2)."""
    await vote(cluster, 1, SetParameter("rotation", 3), (0, 1, 2))
    await in_epoch(cluster, 1)
    assert {s.engine.epoch.config.rotation for s in cluster.stations} == {3}
    tip = cluster.stations[0].chain.tip
    boundary = cluster.stations[0].engine.epoch.terms.start
    last = cluster.stations[0].chain.header(boundary)
    assert last is not None
    assert (last.epoch, last.epoch_end) == (0, boundary)
    assert tip.height >= boundary


async def test_what_was_certified_in_an_old_epoch_does_not_count_in_the_new_one(
    cluster: Cluster,
) -> None:
    await vote(cluster, 1, demote(3), (0, 1, 2))
    await in_epoch(cluster, 1)
    station = cluster.stations[0]
    book = station.node.executor.epochs
    ended = book.last_certificate(0)
    with pytest.raises(AuthenticationFailed):
        authenticate(StableProof(ended), book.current.core_terms)
    await report(station, "new epoch")
    header, certificate = station.chain.certified_from(Height(ended.subject.height + 1)) or (
        None,
        None,
    )
    assert header is not None
    assert certificate is not None
    genesis = station.genesis
    SealedHeader(header, certificate, book.changes(header.epoch)).verify(genesis)
    with pytest.raises(ProofInvalid):
        SealedHeader(header, certificate).verify(genesis)


async def test_a_node_that_was_away_follows_the_epochs_to_the_tip(cluster: Cluster) -> None:
    away = cluster.stations[2]
    others = [station for station in cluster.stations if station is not away]
    cluster.hub.cut.add(away.id)
    for station in others:
        station.engine.peer_down(away.id)
    await vote(cluster, 1, SetParameter("rotation", 5), (0, 1, 3))
    await until(lambda: all(s.engine.epoch.number == 1 for s in others))
    for number in range(12):
        await report(cluster.stations[0], f"unseen {number}")
    cluster.hub.reconnect(away.id)
    await in_epoch(cluster, 1)
    await until(lambda: away.chain.finalized >= cluster.stations[0].chain.finalized - 1)
    assert away.engine.driver is not None
    await report(away, "seen again")


async def test_a_node_that_crashes_around_the_boundary_goes_on_in_the_right_epoch(
    cluster: Cluster,
) -> None:
    await vote(cluster, 1, RemoveMember(member_id_bytes(NAMES[3])), (0, 1, 2))
    for number in range(6):
        index = number % 3
        cluster.stations[index] = await cluster.stations[index].crash()
    await until(lambda: all(s.engine.epoch.number == 1 for s in cluster.stations[:3]))
    await report(cluster.stations[0], "after")
    assert cluster.stations[0].node.executor.roles(ACCOUNTS[3].address) == 0


async def test_a_vote_key_changes_at_the_boundary_in_the_running_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = SigningKey(b"\x2a" * 32)
    keys: list[Signer] = list(VOTE_KEYS)
    rotating = keys[2] = SignerAtWork([VOTE_KEYS[2], new])
    monkeypatch.setattr(cluster_module, "VOTE_KEYS", keys)
    change = SetKeys(member_id_bytes(NAMES[2]), new.address, ACCOUNTS[2].address, bytes(32))
    async with Cluster(tmp_path, governed()) as cluster:
        station = cluster.stations[2]
        await report(station, "before")
        assert rotating.address == VOTE_KEYS[2].address
        await vote(cluster, 1, change, (0, 1, 2))
        await in_epoch(cluster, 1)
        assert rotating.address == new.address
        assert station.engine.driver is not None
        await report(station, "after")
        # Its votes count: without another one there is no quorum but with it.
        await cluster.stations.pop().stop()
        await report(station, "with every vote needed")
