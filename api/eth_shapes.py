"""Ethereum shapes: our blocks, transactions, receipts and logs as the execution APIs show them.

Rules: the block hash is the hash of our own header, so it does not hash the fields shown here;
fees are zero throughout (base fee, effective gas price); difficulty 0 and empty ommers as after
the merge; mixHash is the batch digest; the timestamp is in whole seconds, as the EVM sees it.
Withdrawals and blob fields do not exist here and are left out. Source: ethereum/execution-apis
schemas. It reads no parameters.
"""

from __future__ import annotations

from typing import Final

from api.hexadecimal import data, quantity
from api.jsonrpc import Json
from bulwark.ledger import rlpcodec
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address, Digest
from bulwark.ledger.receipt import Log, Receipt, bloom_union
from bulwark.ledger.transaction import ACCESS_LIST, DYNAMIC_FEE, LEGACY, Transaction
from node.ethereum import AccountProof, BlockBody, LogPlace

EMPTY_OMMERS: Final = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"
"""keccak256 of the RLP of an empty list."""
ZERO_ADDRESS: Final = "0x" + "00" * 20
ZERO_NONCE: Final = "0x" + "00" * 8
EXTRA_DATA: Final = data(b"bulwark/1")
ZERO: Final = "0x0"


def seconds(header: Header) -> str:
    """Block time as a QUANTITY of seconds."""
    return quantity(header.timestamp_ms // 1000)


def header_shape(header: Header, block_hash: Digest, bloom: bytes) -> dict[str, Json]:
    """The header fields of a block, as newHeads subscriptions send them."""
    return {
        "number": quantity(header.height),
        "hash": data(block_hash),
        "parentHash": data(header.parent_hash),
        "sha3Uncles": EMPTY_OMMERS,
        "miner": ZERO_ADDRESS,
        "stateRoot": data(header.state_root),
        "transactionsRoot": data(header.transactions_root),
        "receiptsRoot": data(header.receipts_root),
        "logsBloom": data(bloom),
        "difficulty": ZERO,
        "gasLimit": quantity(header.gas_limit),
        "gasUsed": quantity(header.gas_used),
        "timestamp": seconds(header),
        "extraData": EXTRA_DATA,
        "mixHash": data(header.batch_digest),
        "nonce": ZERO_NONCE,
        "baseFeePerGas": ZERO,
    }


def block_bloom(block: BlockBody) -> bytes:
    """Union of the blooms of the block's receipts."""
    return bloom_union(receipt.bloom for receipt in block.receipts)


def block_shape(block: BlockBody, full: bool) -> dict[str, Json]:
    """A block with transaction hashes, or with whole transactions when `full`."""
    shown = header_shape(block.header, block.hash, block_bloom(block))
    shown["size"] = quantity(block.size)
    shown["uncles"] = []
    if full:
        shown["transactions"] = [block_transaction(block, at) for at in range(len(block.receipts))]
    else:
        shown["transactions"] = [data(transaction.hash) for transaction in block.transactions]
    return shown


def block_transaction(block: BlockBody, index: int) -> dict[str, Json]:
    """The transaction at a position of a block."""
    transaction = block.transactions[index]
    return transaction_shape(transaction, block.header, block.hash, index)


def transaction_shape(
    transaction: Transaction,
    header: Header | None = None,
    block_hash: Digest | None = None,
    index: int = 0,
) -> dict[str, Json]:
    """A transaction with its place, or with null places while it is pending."""
    placed = header is not None and block_hash is not None
    shown: dict[str, Json] = {
        "blockHash": data(block_hash) if block_hash is not None else None,
        "blockNumber": quantity(header.height) if header is not None else None,
        "transactionIndex": quantity(index) if placed else None,
        "hash": data(transaction.hash),
        "from": data(transaction.sender),
        "to": data(transaction.to) if transaction.to is not None else None,
        "type": quantity(transaction.type),
        "chainId": quantity(transaction.chain_id),
        "nonce": quantity(transaction.nonce),
        "gas": quantity(transaction.gas),
        "gasPrice": quantity(transaction.gas_price),
        "value": quantity(transaction.value),
        "input": data(transaction.data),
        "v": quantity(transaction.v),
        "r": quantity(transaction.r),
        "s": quantity(transaction.s),
    }
    if header is not None:
        shown["blockTimestamp"] = seconds(header)
    if transaction.type != LEGACY:
        shown["yParity"] = quantity(transaction.y_parity)
    if transaction.type in (ACCESS_LIST, DYNAMIC_FEE):
        shown["accessList"] = [
            {"address": data(address), "storageKeys": [data(key) for key in keys]}
            for address, keys in transaction.access_list
        ]
    if transaction.type == DYNAMIC_FEE:
        shown["maxFeePerGas"] = quantity(transaction.max_fee)
        shown["maxPriorityFeePerGas"] = quantity(transaction.max_priority)
        if placed:
            shown["gasPrice"] = ZERO  # what was paid: there is no fee market
    return shown


def created_address(transaction: Transaction) -> Address:
    """Address that a creating transaction deploys to: keccak256 of RLP [sender, nonce], last 20."""
    nonce = transaction.nonce.to_bytes((transaction.nonce.bit_length() + 7) // 8, "big")
    return Address(keccak256(rlpcodec.encode([transaction.sender, nonce]))[12:])


def receipt_shapes(block: BlockBody) -> list[dict[str, Json]]:
    """All receipts of a block, with the log positions running through it."""
    shapes: list[dict[str, Json]] = []
    gas_before = 0
    log_index = 0
    for index, receipt in enumerate(block.receipts):
        shapes.append(_receipt(block, index, receipt, gas_before, log_index))
        gas_before = receipt.cumulative_gas
        log_index += len(receipt.logs)
    return shapes


def receipt_shape(block: BlockBody, index: int) -> dict[str, Json]:
    """The receipt at a position of a block."""
    gas_before = block.receipts[index - 1].cumulative_gas if index else 0
    log_index = sum(len(receipt.logs) for receipt in block.receipts[:index])
    return _receipt(block, index, block.receipts[index], gas_before, log_index)


def _receipt(
    block: BlockBody, index: int, receipt: Receipt, gas_before: int, log_index: int
) -> dict[str, Json]:
    transaction = block.transactions[index]
    created = created_address(transaction) if transaction.to is None else None
    logs: list[Json] = [
        log_shape(log_place(block, index, log_index + at, log))
        for at, log in enumerate(receipt.logs)
    ]
    return {
        "transactionHash": data(transaction.hash),
        "transactionIndex": quantity(index),
        "blockHash": data(block.hash),
        "blockNumber": quantity(block.header.height),
        "from": data(transaction.sender),
        "to": data(transaction.to) if transaction.to is not None else None,
        "cumulativeGasUsed": quantity(receipt.cumulative_gas),
        "gasUsed": quantity(receipt.cumulative_gas - gas_before),
        "contractAddress": data(created) if created is not None else None,
        "logs": logs,
        "logsBloom": data(receipt.bloom),
        "status": "0x1" if receipt.succeeded else ZERO,
        "effectiveGasPrice": ZERO,
        "type": quantity(transaction.type),
    }


def log_place(block: BlockBody, transaction_index: int, log_index: int, log: Log) -> LogPlace:
    """A log of a block with its place."""
    return LogPlace(
        log=log,
        height=block.header.height,
        block_hash=block.hash,
        transaction_hash=block.transactions[transaction_index].hash,
        transaction_index=transaction_index,
        log_index=log_index,
        timestamp_ms=block.header.timestamp_ms,
    )


def log_shape(place: LogPlace) -> dict[str, Json]:
    """A log with its place; never removed, since nothing here is reorganised."""
    return {
        "address": data(place.log.address),
        "topics": [data(topic) for topic in place.log.topics],
        "data": data(place.log.data),
        "blockNumber": quantity(place.height),
        "blockHash": data(place.block_hash),
        "blockTimestamp": quantity(place.timestamp_ms // 1000),
        "transactionHash": data(place.transaction_hash),
        "transactionIndex": quantity(place.transaction_index),
        "logIndex": quantity(place.log_index),
        "removed": False,
    }


def proof_shape(proof: AccountProof, asked: list[str]) -> dict[str, Json]:
    """An EIP-1186 proof; `asked` are the storage keys as the client spelled them."""
    return {
        "address": data(proof.address),
        "accountProof": [data(node) for node in proof.proof],
        "balance": quantity(proof.balance),
        "codeHash": data(proof.code_hash),
        "nonce": quantity(proof.nonce),
        "storageHash": data(proof.storage_hash),
        "storageProof": [
            {
                "key": key,
                "value": quantity(slot.value),
                "proof": [data(node) for node in slot.proof],
            }
            for key, slot in zip(asked, proof.storage, strict=True)
        ],
    }
