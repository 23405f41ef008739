"""Block 0: the state that the genesis document describes, and the header over it.

Rules: the state root is computed from `alloc` alone, on every node anew; the header's batch digest
is the hash of the genesis document, so a block hash of any height names its alliance.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from bulwark.ledger.epochs import parameters_hash
from bulwark.ledger.genesis import Genesis, GenesisAccount
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.header import Header
from bulwark.ledger.ids import ZERO_DIGEST, Address, Digest, Epoch, Height
from bulwark.ledger.merkle import Frontier
from bulwark.ledger.trie import EMPTY_TRIE_ROOT
from node.execution.accounts import Accounts
from node.execution.database import StateSource
from node.storage import schema
from node.storage.seal import seal


class GenesisBlock(Struct, frozen=True):
    """Block 0 and everything that a fresh store holds."""

    header: Header
    puts: Mapping[bytes, bytes | None]


class _Nothing:
    """A store without content."""

    def get(self, key: bytes) -> bytes | None:
        """None."""
        return None


def alloc_state(alloc: Mapping[Address, GenesisAccount]) -> tuple[Digest, dict[bytes, bytes]]:
    """State root of a genesis state, and its trie nodes and codes by hash."""
    accounts = Accounts(StateSource(_Nothing()))
    for address, account in alloc.items():
        accounts.set_balance(address, account.balance)
        accounts.set_nonce(address, account.nonce)
        if account.code:
            accounts.set_code(address, account.code)
        for slot, value in account.storage.items():
            accounts.set_storage(address, slot, value)
    root = accounts.make_state_root()
    return root, accounts.new_nodes


def genesis_block(genesis: Genesis) -> GenesisBlock:
    """Block 0 of an alliance."""
    state_root, nodes = alloc_state(genesis.alloc)
    frontier = Frontier()
    header = Header(
        height=Height(0),
        parent_hash=ZERO_DIGEST,
        batch_digest=genesis.hash,
        timestamp_ms=genesis.created_ms,
        transactions_root=EMPTY_TRIE_ROOT,
        receipts_root=EMPTY_TRIE_ROOT,
        state_root=state_root,
        record_log_size=0,
        record_log_root=frontier.root,
        next_validators_hash=genesis.validator_set.hash(),
        next_parameters_hash=parameters_hash({}),
        epoch=Epoch(0),
        epoch_end=Height(0),
        gas_used=0,
        gas_limit=genesis.gas_limit,
    )
    key = schema.header(Height(0))
    puts: dict[bytes, bytes | None] = {schema.state(h): node for h, node in nodes.items()}
    puts |= {
        schema.code_mark(keccak256(account.code)): b""
        for account in genesis.alloc.values()
        if account.code
    }
    puts |= {
        schema.META_FORMAT: schema.FORMAT_VERSION,
        schema.META_GENESIS: genesis.hash,
        schema.META_APPLIED: seal(schema.META_APPLIED, schema.number8(0)),
        schema.META_FRONTIER: seal(schema.META_FRONTIER, frontier.encode()),
        key: seal(key, header.encode()),
        schema.height_by_hash(header.hash()): schema.number8(0),
    }
    return GenesisBlock(header, puts)
