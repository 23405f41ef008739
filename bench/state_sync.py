"""Time to the tip: state sync against execution, over one made ledger on this machine's disk.

`python -m bench.state_sync` makes a ledger of 5,000 blocks and 100,000 records, then brings two
empty stores to its tip, one by state sync and one by executing every block, from a server in the
same process (so the figures contain both ends, and no network). Nothing is kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import click

from bulwark.ledger.batch import Batch
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address, Height, MemberId, Tag, TimestampMs, ValidatorIndex, View
from bulwark.ledger.record import Record, RecordPayload
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.signing import Signer
from bulwark.ledger.transaction import Transaction, sign_transaction
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from contracts.bindings import RECORD_REGISTRY, encode_anchor
from genesis.generator import generate
from node.assembly import open_home
from node.chain.store import ChainStore
from node.clock import Clock
from node.devnet.layout import devnet_alliance
from node.driver.sync import BlockSync
from node.execution.executor import ExecutedBlock, Executor
from node.requests import Topic
from node.storage.level import LevelStore
from node.sync.peers import Peers
from node.sync.server import Responder, serve_sync
from node.sync.statesync import StateSync

SERVER, SELF = MemberId("server"), MemberId("self")
CHECKPOINT_EVERY = 8


class Replica:
    """A store with what executes on it."""

    def __init__(self, path: Path, genesis: Genesis) -> None:
        self.genesis = genesis
        self.store = LevelStore(path)
        self.chain = ChainStore.open(self.store, genesis)
        self.executor = Executor(self.store, genesis)

    def close(self) -> None:
        """Close the store."""
        self.store.close()


class Observer:
    """Nobody waits for anything here."""

    def ordered(self, height: Height, batch: Batch) -> None:
        """Ignored."""

    def executed(self, height: Height, block: ExecutedBlock) -> None:
        """Ignored."""

    async def installed(self, chain: ChainStore, before: Height) -> None:
        """Ignored."""

    def finalized(self, height: Height) -> None:
        """Ignored."""

    def transactions_of(self, batch: Batch) -> list[Transaction]:
        """Decoded."""
        return [Transaction.decode(raw) for raw in batch.transactions]


class Loopback:
    """A mesh with one member, in this process."""

    def __init__(self, responders: Mapping[int, Responder]) -> None:
        self._responders = responders
        self.received = 0
        """Bytes of answers."""

    def connected(self) -> list[MemberId]:
        """The server."""
        return [SERVER]

    async def ask(self, member: MemberId, topic: Topic, body: bytes, timeout_ms: int) -> bytes:
        """Its answer."""
        answer = await self._responders[topic](SELF, body)
        self.received += len(answer)
        return answer


def drawing(seed: bytes) -> Callable[[int], bytes]:
    """Reproducible bytes."""
    state = {"count": 0}

    def draw(length: int) -> bytes:
        state["count"] += 1
        return hashlib.shake_256(seed + state["count"].to_bytes(8, "big")).digest(length)

    return draw


def sidecar_of(number: int, count: int) -> Sidecar:
    """Records that no other sidecar has."""
    payload = RecordPayload(operation=1, kind=1, fraud_type=2, confidence=80, country=b"DE")
    made = [hashlib.sha256(b"%d/%d" % (number, i)).digest() for i in range(count)]
    return Sidecar(
        tuple(Record.of(salt, Tag(hashlib.sha256(salt).digest()), payload) for salt in made)
    )


class Maker:
    """Makes the ledger."""

    def __init__(self, folder: Path) -> None:
        made = generate(
            devnet_alliance(4, 0, list(range(20_000, 20_008))),
            folder / "alliance",
            random_bytes=drawing(b"state sync"),
            now_ms=Clock().now_ms(),
            passphrase_of=lambda name: b"a passphrase",
            new_api_keys=lambda *args: ({}, {}),
            unattended=True,
        )
        homes = [open_home(home.home) for home in made.homes]
        self.genesis = homes[0].genesis
        self._vote_keys: list[Signer] = [home.vote_key for home in homes]
        self._account = homes[0].account_key

    def fill(self, replica: Replica, blocks: int, records: int) -> None:
        """Execute that many blocks."""
        each = records // blocks
        for number in range(blocks):
            carried = sidecar_of(number, each)
            data = encode_anchor(carried.root, carried.count, 1, bytes(32))
            transaction = sign_transaction(
                self._account,
                chain_id=self.genesis.chain_id,
                nonce=number,
                to=Address(RECORD_REGISTRY),
                data=data,
                gas=250_000,
            )
            replica.chain.put_sidecar(carried)
            batch = Batch(TimestampMs(0), (transaction.raw,))
            executed = replica.executor.execute(Height(number + 1), batch, {carried.root: carried})
            replica.chain.commit_block(executed, None)
            if (number + 1) % CHECKPOINT_EVERY == 0 or number + 1 == blocks:
                replica.chain.store_checkpoint(self._certificate(executed.header))

    def _certificate(self, header: Header) -> Certificate:
        subject = VoteSubject(VoteKind.CHECKPOINT, View(0), header.height, header.hash())
        validators = self.genesis.validator_set
        digest = subject.signing_digest(self.genesis.domain())
        by_address = {key.address: key for key in self._vote_keys}
        votes = {
            ValidatorIndex(i): by_address[validator.address].sign(digest)
            for i, validator in enumerate(validators.validators)
        }
        return Certificate.assemble(subject, votes, validators.quorum)


class Watch:
    """Wall clock and processor time since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def say(self, label: str, blocks: int, records: int, received: int) -> None:
        """Print one line; rates are by processor time, which other work does not change."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        click.echo(
            f"{label:<12} {wall:8.2f} s wall {cpu:8.2f} s cpu {blocks / cpu:8.0f} blocks/cpu-s "
            f"{records / cpu:9.0f} records/cpu-s {received / 1e6:8.1f} MB received"
        )


async def catch_up(server: Replica, replica: Replica, *, by_state: bool) -> int:
    """Bring a replica to the server's tip; bytes received."""
    responders: dict[int, Responder] = {}
    serve_sync(responders.__setitem__, server.store, server.chain)
    mesh = Loopback(responders)
    peers = Peers(mesh)
    state = StateSync(
        store=replica.store, chain=replica.chain, genesis=replica.genesis, peers=peers
    )
    sync = BlockSync(
        chain=replica.chain,
        execution=replica.executor,
        observer=Observer(),
        peers=peers,
        epochs=replica.executor.epochs,
        now_ms=Clock().now_ms,
        state=state if by_state else None,
    )
    await sync.run(server.chain.finalized, None)
    return mesh.received


@click.command()
@click.option("--blocks", default=5_000, show_default=True, help="Blocks of the ledger.")
@click.option("--records", default=100_000, show_default=True, help="Records in them.")
def main(blocks: int, records: int) -> None:
    """Print the time to the tip, by state sync and by execution."""
    os.environ.setdefault("BULWARK_KEYSTORE_PASSPHRASE", "a passphrase")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        maker = Maker(folder)
        with closing(Replica(folder / "server", maker.genesis)) as server:
            watch = Watch()
            maker.fill(server, blocks, records)
            watch.say("ledger made", blocks, records, 0)
            for label, by_state in (("state sync", True), ("execution", False)):
                with closing(Replica(folder / label, maker.genesis)) as replica:
                    watch = Watch()
                    received = asyncio.run(catch_up(server, replica, by_state=by_state))
                    if replica.chain.tip != server.chain.tip:
                        raise click.ClickException(f"{label} ended at {replica.chain.applied}")
                    watch.say(label, blocks, records, received)


if __name__ == "__main__":
    main()
