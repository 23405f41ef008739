"""Starts the consensus core from its durable records: the same path at first start and restart."""

from __future__ import annotations

from bulwark.ledger.genesis import Genesis
from bulwark.ledger.signing import SigningKey
from consensus.config import Config
from consensus.keyring import LocalKeyring
from consensus.recovery import Recovery
from consensus.replica import Replica
from node.chain.store import ChainStore
from node.driver.driver import CORE_RECORDS
from node.storage.port import KeyValueStore


def core_config(genesis: Genesis) -> Config:
    """The core's parameters: those of genesis, local ones by default."""
    given = genesis.consensus
    return Config(**{name: getattr(given, name) for name in given.__slots__})


def start_core(
    genesis: Genesis, vote_key: SigningKey, store: KeyValueStore, chain: ChainStore
) -> Replica:
    """The core as its records left it; raises ConsensusError for damaged records."""
    cut = len(CORE_RECORDS)
    recovery = Recovery.from_records(
        ((key[cut:], value) for key, value in store.iterate(CORE_RECORDS)),
        applied_height=chain.applied,
        applied_hash=chain.tip.hash(),
        stable=chain.checkpoint(chain.finalized),
    )
    domain = genesis.domain()
    keyring = LocalKeyring(vote_key, domain)
    return Replica(core_config(genesis), genesis.validator_set, domain, keyring, recovery)
