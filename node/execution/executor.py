"""The executor: an ordered batch in, an executed block with its whole write set out.

Rules: execution is a function of the parent's state, the batch and nothing else: no clock, no
configuration besides genesis; it writes nothing, `ChainStore.commit_block` does, in one batch.
The block's time is max(proposer's time, parent's time + 1). Anything that is not a rule of the
ledger (a missing sidecar, damage, a fault in the EVM) raises, and the node halts.
The EVM is imported with the first state that is made (or by `load_evm`): who only reads the chain,
as most commands do, does without.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulwark.ledger.anchor import Anchor, AnchorKind
from bulwark.ledger.batch import Batch
from bulwark.ledger.epochs import parameters_hash
from bulwark.ledger.features import HIGHEST_LEVEL
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address, Digest, Height, TimestampMs
from bulwark.ledger.merkle import Frontier
from bulwark.ledger.receipt import Receipt, receipts_root
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.transaction import Transaction
from bulwark.ledger.trie import trie_root
from node.chain.epochs import EpochBook, epoch_puts
from node.execution import indexes
from node.execution.accounts import Account, read_account, read_slot
from node.execution.database import Getter, StateSource
from node.execution.errors import WrongHeight
from node.execution.succession import succession
from node.execution.tip import TipState
from node.execution.transition import Ran, Skipped, check_transaction, run_transactions
from node.storage import schema
from node.storage.blocks import read_frontier, read_header
from node.storage.seal import seal

if TYPE_CHECKING:
    from node.execution.evm import AllianceState

HASH_DEPTH = 256
"""How many earlier block hashes BLOCKHASH knows."""


@dataclass(frozen=True, slots=True)
class ExecutedBlock:
    """A block that was computed and is not written yet."""

    header: Header
    hash: Digest
    batch: Batch
    transactions: tuple[Transaction, ...]
    """Those of the batch that are in the block."""
    receipts: tuple[Receipt, ...]
    """One a transaction."""
    skipped: tuple[Skipped, ...]
    """Those of the batch that are not in the block, and why."""
    anchors: tuple[Anchor, ...]
    """New leaves of the record log."""
    puts: Mapping[bytes, bytes | None] = field(repr=False)
    """Everything to store but the certificates, for one atomic write."""

    @property
    def record_count(self) -> int:
        """Records that the block anchors."""
        return sum(anchor.count for anchor in self.anchors)

    @property
    def results(self) -> tuple[tuple[Digest, bool], ...]:
        """Hash and success of each transaction."""
        return tuple(
            (transaction.hash, receipt.succeeded)
            for transaction, receipt in zip(self.transactions, self.receipts, strict=True)
        )


def load_evm() -> None:
    """Import the EVM, as the first execution would; takes some tenths of a second of CPU."""
    importlib.import_module("node.execution.evm")


class Executor:
    """Executes batches on top of the store's last block, and answers for its state."""

    def __init__(self, store: Getter, genesis: Genesis, known: int = HIGHEST_LEVEL) -> None:
        """`known`: the highest protocol level whose rules it may apply."""
        self._store = store
        self._genesis = genesis
        self.source = StateSource(store)
        """State of every block, with its caches."""
        self.epochs = EpochBook(store, genesis, known)
        self._tip = TipState(store, self.source)

    # Reads of a block's state

    def account(self, state_root: Digest, address: Address) -> Account | None:
        """An account under a state root."""
        return read_account(self.source, state_root, address)

    def slot(self, contract: Address, number: int) -> int:
        """Value of a contract's storage slot in the state of the last block."""
        return self.slot_at(self._tip.header.state_root, contract, number)

    def slot_at(self, state_root: Digest, contract: Address, number: int) -> int:
        """The same in the state with this root. Raises StoreDamaged where the state is missing."""
        account = self.account(state_root, contract)
        return 0 if account is None else read_slot(self.source, account.storage_root, number)

    def roles(self, address: Address) -> int:
        """Role bits of an account in the member registry in the state of the last block."""
        return self._tip.roles(address)

    def check(self, transaction: Transaction) -> None:
        """The ingress rule on the state of the last block. Raises TransactionInvalid."""
        check_transaction(transaction, self._genesis, self.epochs.current, self._tip.roles)

    def nonce(self, address: Address) -> int:
        """Next nonce of an account in the state of the last block."""
        return self._tip.nonce(address)

    # Execution

    def execute(
        self, height: Height, batch: Batch, sidecars: Mapping[Digest, Sidecar]
    ) -> ExecutedBlock:
        """Execute a batch on the last block's state.

        `sidecars` holds, by root, at least those of the batch's anchors. Raises WrongHeight,
        SidecarMissing, StoreDamaged, BuildTooOld; lets faults of the EVM through.
        """
        parent = self._tip.header
        if height != parent.height + 1:
            raise WrongHeight(height, Height(parent.height + 1))
        timestamp_ms = TimestampMs(max(batch.timestamp_ms, parent.timestamp_ms + 1))
        epoch = self.epochs.current
        epoch.check_build(self.epochs.known)
        state = self.state_at(
            parent.state_root, height=height, timestamp_ms=timestamp_ms, randomness=batch.digest
        )
        ran = run_transactions(state, batch.transactions, self._genesis, epoch, self._tip.roles)
        succeeds = succession(
            self._genesis, epoch, parent, ran.receipts, state.accounts.get_storage
        )
        following = succeeds.following or epoch.terms
        anchors = indexes.anchors_of(height, ran.receipts)
        frontier = read_frontier(self._store)
        puts = indexes.log_puts(frontier, anchors)
        header = Header(
            height=height,
            parent_hash=parent.hash(),
            batch_digest=batch.digest,
            timestamp_ms=timestamp_ms,
            transactions_root=trie_root([each.raw for each in ran.transactions]),
            receipts_root=receipts_root(ran.receipts),
            state_root=state.accounts.make_state_root(),
            record_log_size=frontier.size,
            record_log_root=frontier.root,
            next_validators_hash=following.validators.hash(),
            next_parameters_hash=parameters_hash(following.parameters),
            epoch=epoch.number,
            epoch_end=succeeds.epoch_end,
            gas_used=ran.gas_used,
            gas_limit=epoch.gas_limit,
        )
        puts |= {schema.state(h): node for h, node in state.accounts.new_nodes.items()}
        puts |= {schema.code_mark(code_hash): b"" for code_hash in state.accounts.new_codes}
        puts |= indexes.record_puts(anchors, sidecars, timestamp_ms)
        puts |= self._sidecar_puts(anchors, sidecars)
        puts |= _block_puts(header, batch, ran, frontier)
        if succeeds.following is not None:
            puts |= epoch_puts(succeeds.following)
        return ExecutedBlock(
            header=header,
            hash=header.hash(),
            batch=batch,
            transactions=ran.transactions,
            receipts=ran.receipts,
            skipped=ran.skipped,
            anchors=anchors,
            puts=puts,
        )

    def state_at(
        self,
        state_root: Digest,
        *,
        height: Height,
        timestamp_ms: TimestampMs,
        randomness: Digest,
        kind: type[AllianceState] | None = None,
    ) -> AllianceState:
        """A state over a root, in which opcodes see a block of this height, time and randomness.

        `kind` is AllianceState unless given.
        """
        from node.execution.evm import AllianceState, block_context

        context = block_context(
            chain_id=self._genesis.chain_id,
            genesis_hash=self._genesis.hash,
            epoch_seconds=self._genesis.privacy.epoch_seconds,
            height=height,
            timestamp_ms=timestamp_ms,
            randomness=randomness,
            gas_limit=self.epochs.at(height).gas_limit,
            earlier_hashes=self._hashes_below(height),
        )
        # py-evm passes its first argument on to the account class and keeps it; ours is a source.
        return (kind or AllianceState)(self.source, context, state_root)  # type: ignore[arg-type]

    def _hashes_below(self, height: Height) -> Iterator[Digest]:
        """Hashes of the blocks below a height, read as far as somebody asks."""
        for below in range(height - 1, max(-1, height - 1 - HASH_DEPTH), -1):
            yield read_header(self._store, Height(below)).hash()

    def _sidecar_puts(
        self, anchors: tuple[Anchor, ...], sidecars: Mapping[Digest, Sidecar]
    ) -> indexes.Puts:
        """Sidecars of anchored batches that are not stored yet."""
        puts: indexes.Puts = {}
        for anchor in anchors:
            key = schema.sidecar(anchor.digest)
            if anchor.kind is AnchorKind.RECORDS and self._store.get(key) is None:
                puts[key] = seal(key, sidecars[anchor.digest].encode())
        return puts


def _block_puts(header: Header, batch: Batch, ran: Ran, frontier: Frontier) -> indexes.Puts:
    """The block itself, its transaction and event indexes, and the new tip."""
    placed = list(zip(ran.positions, ran.receipts, strict=True))
    return {
        **indexes.block_puts(header, batch, placed, [each.hash for each in ran.transactions]),
        schema.META_APPLIED: seal(schema.META_APPLIED, schema.number8(header.height)),
        schema.META_FRONTIER: seal(schema.META_FRONTIER, frontier.encode()),
    }
