"""An alliance of ceremony drivers over the real contract: every call is a block, time is ours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bulwark.ledger.ids import Address
from bulwark.ledger.receipt import Log
from bulwark.ledger.transaction import Transaction
from bulwark.privacy.sealing import SealingKey
from contracts.members import Role, read_members
from contracts.privacy.bindings import GenesisKeys, KeyPurpose
from node.ceremony.driver import CeremonyDriver
from node.ceremony.keybook import KeyBook
from node.ceremony.shares import ShareStore
from tests.contracts.harness import Signer, signer
from tests.unit.contracts.privacy_harness import (
    DAY,
    PrivacyChain,
    privacy_alliance,
    public,
    validators,
)

PURPOSES = list(KeyPurpose)


def stream(label: str) -> Callable[[int], bytes]:
    counter = iter(range(1 << 30))
    return lambda size: hashlib.shake_256(f"{label} {next(counter)}".encode()).digest(size)


def sealing_key(name: str) -> SealingKey:
    return SealingKey.new(stream(f"sealing {name}"))


@dataclass
class Party:
    """One member's node as far as ceremonies go."""

    world: World
    name: str
    id: bytes
    folder: Path
    keys: KeyBook = field(default_factory=KeyBook)
    calls: list[tuple[bytes, int]] = field(default_factory=list)
    silent: bool = False
    away: bool = False
    """Silent, and follows no block."""

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A (re)start: nothing is known but the disk and the chain."""
        self.keys = KeyBook()
        self.calls.clear()
        self.shares = ShareStore(self.folder, bytes(32), stream(f"store {self.name}"))
        self.driver = CeremonyDriver(
            member=self.id,
            lane=self,
            shares=self.shares,
            keys=self.keys,
            sealing_keys=lambda: (sealing_key(self.name),),
            read_slot=self.world.read_slot,
            epoch_seconds=DAY,
            rank=self.rank,
            random_bytes=stream(f"party {self.name}"),
        )
        self.driver.refresh()
        first = self.driver.resume_from()
        if first is not None:
            for number, logs in self.world.blocks:
                if number >= first:
                    self.driver.follow(logs)

    def rank(self) -> int | None:
        members = [m for m in read_members(self.world.read_slot) if m.roles & Role.VALIDATOR]
        return next((place for place, m in enumerate(members) if m.id == self.id), None)

    def send(self, to: Address, data: bytes, *, gas: int = 0) -> Transaction:
        self.calls.append((data, gas))
        return None  # type: ignore[return-value]


class World:
    """The chain and the parties."""

    def __init__(self, count: int, folder: Path) -> None:
        members = validators(count)
        self.folder = folder
        self.blocks: list[tuple[int, list[Log]]] = []
        names = [f"m{number}" for number in range(count)]
        keys = [
            GenesisKeys(member.id, public(name), sealing_key(name).public)
            for member, name in zip(members, names, strict=True)
        ]
        self.chain: PrivacyChain = privacy_alliance(members, keys)
        self.parties = [
            Party(self, name, member.id, folder / name)
            for member, name in zip(members, names, strict=True)
        ]
        self.reverted: list[str] = []

    def read_slot(self, address: Address, slot: int) -> int:
        """The state after the last block."""
        return self.chain.state.get_storage(address, slot)

    def party(self, name: str) -> Party:
        return next(party for party in self.parties if party.name == name)

    def call(self, by: Signer, to: Address, data: bytes, gas: int) -> None:
        """One block with one call, followed by everybody."""
        number = self.chain.number
        outcome = self.chain.send(by, to, data)
        if outcome.reason is not None:
            self.reverted.append(outcome.reason)
        elif outcome.gas_used > gas:
            raise AssertionError(f"{outcome.gas_used} gas used, {gas} given")
        logs = [Log(Address(a), tuple(t), d) for a, t, d in outcome.logs]
        self.blocks.append((number, logs))
        for party in self.parties:
            if not party.away:
                party.driver.follow(logs)

    def turn(self) -> bool:
        """Everybody acts once; whether somebody sent something."""
        for party in self.parties:
            if not (party.silent or party.away):
                party.driver.act(self.chain.now_s)
        sent = False
        for party in self.parties:
            calls, party.calls[:] = list(party.calls), []
            for data, gas in calls:
                sent = True
                self.call(signer(party.name), Address(_ceremony()), data, gas)
        return sent

    def run(self, until: Callable[[], bool], most: int = 4_000) -> None:
        """Turns, and time where nobody has anything to send."""
        for _ in range(most):
            if until():
                return
            if not self.turn():
                self.chain.wait(1)
        raise AssertionError("the ceremony does not end")


def _ceremony() -> bytes:
    from contracts.privacy.bindings import KEY_CEREMONY

    return KEY_CEREMONY
