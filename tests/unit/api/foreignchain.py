"""Ethereum's test chain of the execution APIs in a store of ours, so that its cases can be asked.

For tests only: py-evm runs the 54 blocks under the rules of their forks and must arrive at their
receipt and state roots; bodies, receipts and the head state go into the store under headers of
ours, which keep the other chain's hashes. What no header or transaction of ours can hold is what
`cases.json` lists.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import eth.vm.forks as forks
import rlp
from eth.chains.base import Chain
from eth.consensus import ConsensusContext, NoProofConsensus
from eth.db.atomic import AtomicDB
from msgspec.structs import replace
from rlp.codec import consume_length_prefix

from bulwark.ledger.batch import Batch
from bulwark.ledger.genesis import GenesisAccount
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address, Digest, Height, TimestampMs
from bulwark.ledger.permissions import Permissions
from bulwark.ledger.receipt import Log, Receipt
from node.chain.reader import EthereumReader
from node.chain.store import ChainStore
from node.ethereum import BlockBody, LogPlace, TransactionPlace
from node.execution import indexes
from node.execution.executor import Executor
from node.execution.genesis import alloc_state, genesis_block
from node.storage import schema
from node.storage.memory import MemoryStore
from node.storage.seal import seal
from tests.unit.node.execution.alliance import make_genesis

FORKS = {
    0: "Homestead", 3: "TangerineWhistle", 6: "SpuriousDragon", 9: "Byzantium",
    12: "Constantinople", 15: "Petersburg", 18: "Istanbul", 21: "MuirGlacier", 24: "Berlin",
    27: "London", 30: "ArrowGlacier", 33: "GrayGlacier", 36: "Paris", 39: "Shanghai",
    42: "Cancun", 45: "Prague",
}  # fmt: skip
"""Block -> fork. Osaka begins at 48; none of these blocks does what it changed, their roots say."""
NOT_OURS = (3, 4)
"""Types of transactions that the alliance does not take: blobs, set code."""


def number(value: Any) -> int:
    return int(value, 16) if isinstance(value, str) else int(value or 0)


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


class Foreign:
    """The other chain, run once."""

    def __init__(self, folder: Path) -> None:
        self.genesis = json.loads((folder / "genesis.json").read_text())
        self.chain_id = number(self.genesis["config"]["chainId"])
        self.blocks = list(_split((folder / "chain.rlp").read_bytes()))
        self.head = json.loads((folder / "headstate.json").read_text())
        self.run()

    def run(self) -> None:
        """Execute every block; what comes out must be what its header says."""
        kinds = {
            "consensus_class": NoProofConsensus,
            "support_dao_fork": False,
            "_dao_fork_block_number": 0,
        }
        machines = []
        for at, name in FORKS.items():
            base = getattr(forks, f"{name}VM")
            machines.append((at, type(name, (base,), kinds)))
        kind: Any = type(
            "Foreign",
            (Chain,),
            {
                "vm_configuration": tuple(machines),
                "chain_id": self.chain_id,
                "consensus_context_class": ConsensusContext,
            },
        )
        chain = kind.from_genesis(AtomicDB(), self._genesis_fields(), self._genesis_state())
        self.headers = [chain.get_canonical_head()]
        self.receipts: list[Any] = [()]
        self.transactions: list[tuple[bytes, ...]] = [()]
        for height, encoded in enumerate(self.blocks, 1):
            block = rlp.decode(encoded, chain.get_vm_class_for_block_number(height).block_class)
            made = chain.import_block(block, perform_validation=False).imported_block
            assert made.header.receipt_root == block.header.receipt_root, height
            assert made.header.state_root == block.header.state_root, height
            self.headers.append(block.header)
            self.receipts.append(made.get_receipts(chain.chaindb))
            self.transactions.append(tuple(each.encode() for each in block.transactions))

    def _genesis_fields(self) -> dict[str, Any]:
        given = self.genesis
        return {
            "difficulty": number(given["difficulty"]),
            "extra_data": unhex(given["extraData"]),
            "gas_limit": number(given["gasLimit"]),
            "nonce": number(given["nonce"]).to_bytes(8, "big"),
            "mix_hash": unhex(given["mixHash"]),
            "coinbase": unhex(given["coinbase"]),
            "timestamp": number(given["timestamp"]),
        }

    def _genesis_state(self) -> dict[bytes, Any]:
        return {
            unhex(address): {
                "balance": number(account["balance"]),
                "nonce": number(account.get("nonce")),
                "code": unhex(account.get("code", "")),
                "storage": {
                    number(slot): number(value)
                    for slot, value in account.get("storage", {}).items()
                },
            }
            for address, account in self.genesis["alloc"].items()
        }

    def head_state(self) -> dict[Address, GenesisAccount]:
        """Accounts after the last block."""
        return {
            Address(unhex(address)): GenesisAccount(
                nonce=int(account["nonce"]),
                balance=int(account["balance"]),
                code=unhex(account.get("code", "")),
                storage={
                    number(slot): int(value, 16)
                    for slot, value in account.get("storage", {}).items()
                },
            )
            for address, account in self.head["accounts"].items()
        }


def _split(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        _, _, length, start = consume_length_prefix(data, at)
        yield data[at : start + length]
        at = start + length


class ForeignReader(EthereumReader):
    """Reads blocks of the other chain under its own hashes."""

    hashes: dict[int, Digest]

    def block(self, height: Height) -> BlockBody | None:
        body = super().block(height)
        return None if body is None else replace(body, hash=self.hashes[height])

    def transaction(self, transaction_hash: Digest) -> TransactionPlace | None:
        place = super().transaction(transaction_hash)
        return place and replace(place, block_hash=self.hashes[place.height])

    def logs(self, *asked: Any) -> list[LogPlace]:
        return [
            replace(place, block_hash=self.hashes[place.height]) for place in super().logs(*asked)
        ]


@cache
def foreign(folder: Path) -> Foreign:
    """The other chain, run once a session."""
    return Foreign(folder)


def placed(chain: Foreign) -> tuple[MemoryStore, ChainStore, Executor, Any, dict[int, Digest]]:
    """The other chain in a store of ours."""
    genesis = dataclasses.replace(
        make_genesis(Permissions(send="anyone", deploy="anyone"), number("0xbebc200")),
        chain_id=chain.chain_id,
    )
    store = MemoryStore()
    first = genesis_block(genesis)
    store.write(first.puts, sync=True)
    root, nodes = alloc_state(chain.head_state())
    assert root == chain.headers[-1].state_root, "headstate.json is the state of the last block"
    puts: dict[bytes, bytes | None] = {schema.state(h): node for h, node in nodes.items()}
    hashes = {at: Digest(bytes(header.hash)) for at, header in enumerate(chain.headers)}
    for height, header in enumerate(chain.headers):
        puts |= _block(first.header, height, header, hashes, chain)
        puts[schema.height_by_hash(hashes[height])] = schema.number8(height)
    last = len(chain.headers) - 1
    key, final = schema.META_APPLIED, schema.META_FINALIZED
    puts[key] = seal(key, schema.number8(last))
    puts[final] = seal(final, schema.number8(last))
    key = schema.META_STATE_FROM
    puts[key] = seal(key, schema.number8(last))
    store.write(puts, sync=True)
    return store, ChainStore(store, genesis), Executor(store, genesis), genesis, hashes


def _block(
    like: Header, height: int, header: Any, hashes: dict[int, Digest], chain: Foreign
) -> dict[bytes, bytes | None]:
    """One block with a header of ours over the same roots."""
    raws = chain.transactions[height]
    if any(raw[0] in NOT_OURS for raw in raws):
        raws = ()  # no receipt of ours has its type; the block stays without its body
    ours = replace(
        like,
        height=Height(height),
        parent_hash=hashes.get(height - 1, Digest(bytes(32))),
        batch_digest=Digest(bytes(header.mix_hash)),
        timestamp_ms=TimestampMs(header.timestamp * 1000),
        transactions_root=Digest(bytes(header.transaction_root)),
        receipts_root=Digest(bytes(header.receipt_root)),
        state_root=Digest(bytes(header.state_root)),
        gas_used=header.gas_used,
        gas_limit=header.gas_limit,
    )
    found = [
        (at, _receipt(raw, receipt))
        for at, (raw, receipt) in enumerate(zip(raws, chain.receipts[height], strict=False))
    ]
    batch = Batch(ours.timestamp_ms, raws)
    return dict(indexes.block_puts(ours, batch, found, [keccak256(raw) for raw in raws]))


def _receipt(raw: bytes, receipt: Any) -> Receipt:
    logs = tuple(
        Log(
            Address(bytes(log.address)),
            tuple(Digest(topic.to_bytes(32, "big")) for topic in log.topics),
            bytes(log.data),
        )
        for log in receipt.logs
    )
    # Before Byzantium a receipt names a state root instead of success.
    worked = bytes(receipt.state_root) != b""
    return Receipt(raw[0] if raw[0] < 0x7F else 0, worked, receipt.gas_used, logs)
