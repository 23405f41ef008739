"""A small executed chain in memory behind the EthereumView port, for the tests of the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from eth_account import Account
from msgspec.structs import replace

from bulwark.ledger.hashing import keccak256, sha256
from bulwark.ledger.header import Header
from bulwark.ledger.ids import ZERO_DIGEST, Address, Digest, Epoch, Height, TimestampMs
from bulwark.ledger.receipt import Log, Receipt, receipts_root
from bulwark.ledger.transaction import Transaction
from bulwark.ledger.trie import trie_root
from node.ethereum import (
    AccountProof,
    BlockAt,
    BlockBody,
    CallRequest,
    CallResult,
    LogPlace,
    StorageProof,
    TooMany,
    TransactionPlace,
    WaitingTransaction,
)
from node.service import Busy

CHAIN_ID = 420_420
GAS_LIMIT = 30_000_000
START_MS = 1_760_000_000_000
SECRET = "0x" + "11" * 32
SENDER = Address(bytes.fromhex(Account.from_key(SECRET).address[2:]))
CONTRACT = Address(b"\xc0" * 20)
REVERTER = Address(b"\xaa" * 20)
PANICKER = Address(b"\xab" * 20)
BURNER = Address(b"\xac" * 20)
TOPIC = Digest(keccak256(b"Happened(uint256)"))
OTHER_TOPIC = Digest(keccak256(b"Other()"))
ERROR_NO = (
    bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (2).to_bytes(32, "big")
    + b"no".ljust(32, b"\x00")
)  # fmt: skip
PANIC_17 = bytes.fromhex("4e487b71") + (17).to_bytes(32, "big")


def signed(nonce: int, **fields: object) -> Transaction:
    """A transaction of SENDER as web3 users sign it."""
    message = {"nonce": nonce, "gas": 200_000, "value": 0, "chainId": CHAIN_ID, "data": "0x"}
    message |= {"gasPrice": 0} if "maxFeePerGas" not in fields else {}
    message |= fields
    return Transaction.decode(bytes(Account.sign_transaction(message, SECRET).raw_transaction))


def sample_transactions() -> list[list[Transaction]]:
    """Transactions of blocks 1 to 4: each type, a creation, an empty block, a failure."""
    dynamic = {"maxFeePerGas": 7, "maxPriorityFeePerGas": 3, "type": 2}
    listed = [{"address": bytes(CONTRACT), "storageKeys": ["0x" + "00" * 31 + "05"]}]
    to = bytes(CONTRACT)
    return [
        [signed(0, data="0x6001600055", **dynamic)],
        [
            signed(1, to=to, value=5),
            signed(2, to=to, type=1, accessList=listed),
            signed(3, to=to, data="0xff00", accessList=listed, **dynamic),
        ],
        [],
        [signed(4, to=bytes(REVERTER))],
    ]


@dataclass
class FakeChain:
    """EthereumView over blocks that hold no EVM: state is made up, but the same each time."""

    chain_id: int = CHAIN_ID
    gas_limit: int = GAS_LIMIT
    blocks: list[BlockBody] = field(default_factory=list)
    pool: list[Transaction] = field(default_factory=list)
    full: bool = False

    def __post_init__(self) -> None:
        self.add([])
        for transactions in sample_transactions():
            self.add(transactions)

    def add(self, transactions: Sequence[Transaction], **fields: object) -> BlockBody:
        """Append a block whose transactions each emit two logs, unless sent to REVERTER."""
        receipts = []
        gas = 0
        for at, transaction in enumerate(transactions):
            gas += 21_000 + at
            worked = transaction.to != REVERTER
            logs = (
                Log(CONTRACT, (TOPIC, Digest(at.to_bytes(32, "big"))), b"\x01\x02"),
                Log(CONTRACT, (OTHER_TOPIC,), b""),
            )
            receipts.append(Receipt(transaction.type, worked, gas, logs if worked else ()))
        height = len(self.blocks)
        header = Header(
            height=Height(height),
            parent_hash=self.blocks[-1].hash if self.blocks else ZERO_DIGEST,
            batch_digest=sha256(b"batch %d" % height),
            timestamp_ms=TimestampMs(START_MS + 1_500 * height),
            transactions_root=trie_root([transaction.raw for transaction in transactions]),
            receipts_root=receipts_root(receipts),
            state_root=sha256(b"state %d" % height),
            record_log_size=0,
            record_log_root=sha256(b""),
            next_validators_hash=sha256(b"validators"),
            next_parameters_hash=ZERO_DIGEST,
            epoch=Epoch(0),
            epoch_end=Height(0),
            gas_used=gas,
            gas_limit=GAS_LIMIT,
        )
        header = replace(header, **fields)
        size = 100 + sum(len(transaction.raw) for transaction in transactions)
        body = BlockBody(header, header.hash(), tuple(transactions), tuple(receipts), size)
        self.blocks.append(body)
        return body

    @property
    def tip(self) -> int:
        return len(self.blocks) - 1

    def height(self, at: BlockAt) -> Height | None:
        if isinstance(at, int):
            return Height(at) if at <= self.tip else None
        if at == "earliest":
            return Height(0)
        return Height(max(0, self.tip - 1) if at in ("safe", "finalized") else self.tip)

    def block(self, height: Height) -> BlockBody | None:
        return self.blocks[height] if 0 <= height <= self.tip else None

    def height_of_hash(self, block_hash: Digest) -> Height | None:
        return next((b.header.height for b in self.blocks if b.hash == block_hash), None)

    def transaction(self, transaction_hash: Digest) -> TransactionPlace | None:
        for body in self.blocks:
            for index, transaction in enumerate(body.transactions):
                if transaction.hash == transaction_hash:
                    return TransactionPlace(transaction, body.header.height, body.hash, index)
        return None

    def pending_transaction(self, transaction_hash: Digest) -> Transaction | None:
        return next((t for t in self.pool if t.hash == transaction_hash), None)

    def waiting(self) -> list[WaitingTransaction]:
        return [WaitingTransaction(t, t.nonce == self.nonce(t.sender, "latest")) for t in self.pool]

    def arrivals(self, since: int) -> tuple[list[Digest], int]:
        return [t.hash for t in self.pool[since:]], len(self.pool)

    def logs(
        self,
        first: Height,
        last: Height,
        addresses: Sequence[Address],
        topics: Sequence[Sequence[bytes] | None],
        most: int,
    ) -> list[LogPlace]:
        found = [
            place
            for body in self.blocks[first : last + 1]
            for place in places(body)
            if (not addresses or place.log.address in addresses)
            and len(place.log.topics) >= len(topics)
            and all(c is None or t in c for c, t in zip(topics, place.log.topics, strict=False))
        ]
        if len(found) > most:
            raise TooMany
        return found

    def balance(self, address: Address, height: Height) -> int:
        return 10**18 + height if address == SENDER else 0

    def nonce(self, address: Address, at: BlockAt) -> int:
        height = self.height(at)
        blocks = self.blocks[: (self.tip if height is None else height) + 1]
        count = sum(t.sender == address for body in blocks for t in body.transactions)
        return count + (sum(t.sender == address for t in self.pool) if at == "pending" else 0)

    def code(self, address: Address, height: Height) -> bytes:
        return b"\x60\x01" if address == CONTRACT else b""

    def storage_at(self, address: Address, slot: int, height: Height) -> bytes:
        return (slot if address == CONTRACT else 0).to_bytes(32, "big")

    def proof(self, address: Address, slots: Sequence[int], height: Height) -> AccountProof:
        storage = tuple(
            StorageProof(slot.to_bytes(32, "big"), slot, (b"\xc1\x80",)) for slot in slots
        )
        code_hash, root = keccak256(self.code(address, height)), keccak256(b"\x80")
        return AccountProof(address, 5, 1, code_hash, root, (b"\xf8\x51",), storage)

    async def call(self, request: CallRequest, height: Height) -> CallResult:
        if request.to == REVERTER:
            return CallResult(False, ERROR_NO, 30_000, "revert")
        if request.to == PANICKER:
            return CallResult(False, PANIC_17, 30_000, "revert")
        if request.to == BURNER:
            return CallResult(False, b"", 30_000, "out of gas")
        return CallResult(True, request.data, 21_000, None)

    async def estimate_gas(self, request: CallRequest, height: Height) -> CallResult:
        return await self.call(request, height)

    async def send_raw_transaction(self, raw: bytes) -> Digest:
        transaction = Transaction.decode(raw)
        transaction.check(self.chain_id, self.gas_limit)
        if self.full:
            raise Busy("the mempool is full")
        self.pool.append(transaction)
        return transaction.hash


def places(body: BlockBody) -> list[LogPlace]:
    """All logs of a block with their places, made independently of the API's code."""
    found: list[LogPlace] = []
    for index, receipt in enumerate(body.receipts):
        for log in receipt.logs:
            found.append(
                LogPlace(
                    log,
                    body.header.height,
                    body.hash,
                    body.transactions[index].hash,
                    index,
                    len(found),
                    body.header.timestamp_ms,
                )
            )
    return found
