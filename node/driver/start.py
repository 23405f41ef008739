"""Starts the consensus core from its durable records: the same path at first start and restart."""

from __future__ import annotations

from pathlib import Path

from bulwark.ledger.genesis import Genesis
from bulwark.ledger.signing import SigningKey
from consensus.config import Config
from consensus.keyring import LocalKeyring
from consensus.recovery import Recovery
from consensus.replica import Replica
from consensus.terms import Terms
from node.chain.store import ChainStore
from node.driver.driver import CORE_RECORDS
from node.keys import write_private
from node.logs import Log
from node.storage.port import KeyValueStore
from node.storage.schema import CONSENSUS

OPENED = CONSENSUS + b"s"
"""Empty: this database belongs to the marker beside it. Neither is ever removed."""

log = Log("consensus")


def core_config(genesis: Genesis) -> Config:
    """The core's parameters: those of genesis, local ones by default."""
    given = genesis.consensus
    return Config(**{name: getattr(given, name) for name in given.__slots__})


def start_core(
    genesis: Genesis, vote_key: SigningKey, store: KeyValueStore, chain: ChainStore, marker: Path
) -> Replica:
    """The core as its records left it; raises ConsensusError for damaged records.

    `marker` is a file outside the database that says "this node has run". A database without
    OPENED beside it was wiped, and the core stays silent until that is safe (P6). OPENED is written
    before the marker, so a crash between them and a node that never voted do not look wiped.
    """
    cut = len(CORE_RECORDS)
    records = [(key[cut:], value) for key, value in store.iterate(CORE_RECORDS)]
    known = store.get(OPENED) is not None or chain.applied > 0 or bool(records)
    wiped = marker.exists() and not known
    if wiped:
        log.warning("database was wiped", until="a checkpoint far enough ahead is certified")
    elif store.get(OPENED) is None:
        # Not for a wiped one: until the core's own record of its silence is durable, another
        # start has to find the database wiped again.
        store.write({OPENED: b""}, sync=True)
    recovery = Recovery.from_records(
        records,
        applied_height=chain.applied,
        applied_hash=chain.tip.hash(),
        stable=chain.checkpoint(chain.finalized),
        wiped=wiped,
    )
    if not marker.exists():
        write_private(marker, b"This node has run; keep this file when the database goes.\n")
    config, domain = core_config(genesis), genesis.domain()
    terms = Terms(genesis.validator_set, domain, config.window)
    return Replica(config, terms, LocalKeyring(vote_key, domain), recovery)
