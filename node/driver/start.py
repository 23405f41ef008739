"""Starts the consensus core from its durable records: the same path at first start and restart."""

from __future__ import annotations

from pathlib import Path

from bulwark.ledger.genesis import Genesis
from bulwark.ledger.signing import SigningKey
from consensus.config import Config
from consensus.keyring import LocalKeyring
from consensus.recovery import Recovery
from consensus.replica import Replica
from node.chain.store import ChainStore
from node.driver.driver import CORE_RECORDS
from node.keys import write_private
from node.logs import Log
from node.storage.port import KeyValueStore

log = Log("consensus")


def core_config(genesis: Genesis) -> Config:
    """The core's parameters: those of genesis, local ones by default."""
    given = genesis.consensus
    return Config(**{name: getattr(given, name) for name in given.__slots__})


def start_core(
    genesis: Genesis, vote_key: SigningKey, store: KeyValueStore, chain: ChainStore, marker: Path
) -> Replica:
    """The core as its records left it; raises ConsensusError for damaged records.

    `marker` is a file outside the database that says "this node has voted": an empty database
    beside it means that the disk was wiped, and the core stays silent until that is safe (P6).
    """
    cut = len(CORE_RECORDS)
    records = [(key[cut:], value) for key, value in store.iterate(CORE_RECORDS)]
    wiped = marker.exists() and chain.applied == 0 and not records
    if wiped:
        log.warning("database was wiped", until="a checkpoint far enough ahead is certified")
    recovery = Recovery.from_records(
        records,
        applied_height=chain.applied,
        applied_hash=chain.tip.hash(),
        stable=chain.checkpoint(chain.finalized),
        wiped=wiped,
    )
    if not marker.exists():
        write_private(marker, b"This node has voted; keep this file when the database goes.\n")
    domain = genesis.domain()
    keyring = LocalKeyring(vote_key, domain)
    return Replica(core_config(genesis), genesis.validator_set, domain, keyring, recovery)
