"""JSON-RPC text through the whole application, by HTTP and WebSocket, with a real chain behind."""

from __future__ import annotations

import asyncio
import json
import logging
from random import Random
from typing import Any, ClassVar

from api.auth import ApiKeys, generate_api_keys
from api.server import create_app
from api.settings import ApiSettings
from bulwark.ledger.ids import Digest
from bulwark.ledger.transaction import Transaction
from node.chain.reader import EthereumReader
from node.clock import Clock
from node.intake import Intake, StateCheck
from node.mempool import Mempool
from node.service import Role
from node.storage.durability import Durability
from node.waiting import WaitingTransactions
from tests.fuzz import smallchain
from tests.fuzz.asgi import Headers, request
from tests.fuzz.structure import change_json
from tests.fuzz.target import Finding, Target
from tests.unit.api.fake_node import FakeNode
from tests.unit.node.execution.alliance import ACCOUNTS, CHAIN_ID, NOWHERE, call

INTERNAL_ERROR = -32603
SETTINGS = ApiSettings(max_batch_bytes=1 << 20, max_filters=200)
MAX_FLAGGED = 8


class Gathered(logging.Handler):
    """Failures that the application logs instead of raising."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {getattr(record, 'fields', '')}")


class NoMesh:
    """Nobody to gossip to."""

    def gossip(self, payload: bytes, members: object = None) -> int:
        return 0

    def connected(self) -> list[object]:
        return []


class Backend:
    """The application over the small chain; its mempool is emptied between inputs."""

    def __init__(self) -> None:
        self._draws = self._now_ms = 0
        self.loop = asyncio.new_event_loop()
        self.gathered = Gathered()
        logging.getLogger("bulwark.api").addHandler(self.gathered)
        self.node = smallchain.build()
        self.durability = Durability(self.node.store)
        self.waiting: Any = Pool(self)
        self.reader = EthereumReader(
            store=self.node.store,
            chain=self.node.chain,
            executor=self.node.executor,
            genesis=self.node.genesis,
            waiting=self.waiting,
        )
        self.clear, hashed = generate_api_keys(self._random)
        self.app = create_app(
            FakeNode(),
            self.reader,
            ApiKeys.from_json(json.dumps(hashed).encode()),
            SETTINGS,
            random_bytes=self._random,
            clock=lambda: self._now_ms,
        )

    def _random(self, size: int) -> bytes:
        self._draws += 1
        return self._draws.to_bytes(size, "big")

    def fresh(self) -> None:
        """Forget what the last input left: filters expire, the mempool is a new one."""
        self._draws = 0
        self._now_ms += SETTINGS.filter_expiry_ms + 1
        self.gathered.lines.clear()
        self.waiting.fresh()

    def headers(self, role: Role, media: bytes = b"application/json") -> Headers:
        key = self.clear[role]
        return [(b"authorization", f"Bearer {key}".encode()), (b"content-type", media)]

    def close(self) -> None:
        self.reader.close()
        self.durability.close()
        self.loop.close()
        logging.getLogger("bulwark.api").removeHandler(self.gathered)


class Pool:
    """Waiting transactions through the real intake."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._used = True
        self.fresh()

    def fresh(self) -> None:
        if not self._used:
            return
        self._used = False
        backend = self._backend
        node: Any = backend.node
        mempool = Mempool(
            node.executor.nonce, max_transactions=40, max_bytes=1 << 20, gas_limit=30_000_000
        )
        mesh: Any = NoMesh()
        intake = Intake(
            mempool=mempool,
            mesh=mesh,
            store=node.store,
            clock=Clock(),
            chain_id=CHAIN_ID,
            gas_limit=30_000_000,
            check_sender=StateCheck(node.executor, node.chain),
            changed=lambda: None,
        )
        self._waiting = WaitingTransactions(mempool, intake, backend.durability)

    def transaction(self, transaction_hash: Digest) -> Transaction | None:
        return self._waiting.transaction(transaction_hash)

    def next_nonce(self, sender: Any) -> int:
        return self._waiting.next_nonce(sender)

    def all(self) -> Any:
        return self._waiting.all()

    def arrivals(self, since: int) -> Any:
        return self._waiting.arrivals(since)

    async def submit(self, raw: bytes) -> Digest:
        self._used = True
        return await self._waiting.submit(raw)


def methods() -> dict[str, list[list[Any]]]:
    """Plausible parameters by method."""
    node = smallchain.known()
    block = node.chain.header(node.chain.applied)
    assert block is not None
    first = smallchain.transactions(1)
    block_hash, tx = "0x" + block.hash().hex(), "0x" + first[0].hash.hex()
    registry, member = "0x" + (first[0].to or b"").hex(), "0x" + ACCOUNTS[0].address.hex()
    created = first[1].hash.hex()
    fresh = "0x" + call(ACCOUNTS[0], 2, NOWHERE, value=1).raw.hex()
    ask = {"from": member, "to": registry, "data": "0x12345678", "gas": "0x186a0"}
    make = {"from": member, "data": "0x602a60005260206000f3", "value": "0x0"}
    logs = {"fromBlock": "0x0", "toBlock": "latest", "address": [registry], "topics": [None, []]}
    by_hash = {"blockHash": block_hash, "requireCanonical": True}
    frames = {"tracer": "callTracer", "tracerConfig": {"onlyTopCall": False, "withLog": True}}
    changes = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}
    steps = {"enableMemory": True, "disableStack": False, "limit": 20}
    return {
        **plain(),
        "web3_sha3": [["0x68"]],
        "eth_getBlockByNumber": [["0x1", True], ["latest", False]],
        "eth_getBlockByHash": [[block_hash, True]],
        "eth_getBlockReceipts": [["0x4"], [by_hash]],
        "eth_getBlockTransactionCountByNumber": [["finalized"]],
        "eth_getBlockTransactionCountByHash": [[block_hash]],
        "eth_getUncleCountByBlockNumber": [["0x2"]],
        "eth_getTransactionByHash": [[tx], ["0x" + created]],
        "eth_getTransactionByBlockNumberAndIndex": [["0x2", "0x1"]],
        "eth_getTransactionByBlockHashAndIndex": [[block_hash, "0x0"]],
        "eth_getTransactionReceipt": [[tx]],
        "eth_getLogs": [[logs], [{"blockHash": block_hash}]],
        "eth_newFilter": [[logs]],
        "eth_newBlockFilter": [[]],
        "eth_newPendingTransactionFilter": [[]],
        "eth_getFilterChanges": [["0x1"], ["0x2"]],
        "eth_getFilterLogs": [["0x1"]],
        "eth_uninstallFilter": [["0x1"]],
        "eth_getBalance": [[member, "latest"], [member, by_hash]],
        "eth_getTransactionCount": [[member, "pending"]],
        "eth_getCode": [[registry, "0x1"]],
        "eth_getStorageAt": [[registry, "0x0", "latest"]],
        "eth_getProof": [[registry, ["0x0", "0x1"], "latest"]],
        "eth_call": [[ask, "latest"], [make, "0x3"], [ask, by_hash, {}]],
        "eth_estimateGas": [[ask], [make, "latest"]],
        "eth_createAccessList": [[ask]],
        "eth_feeHistory": [["0x3", "latest", [10, 90.5]]],
        "eth_sendRawTransaction": [[fresh], ["0x02f8"]],
        "eth_fillTransaction": [[{**ask, "nonce": "0x0"}], [{**make, "type": "0x1"}]],
        "eth_getStorageValues": [[{registry: ["0x0", "0x1"]}, "latest"]],
        "eth_getUncleCountByBlockHash": [[block_hash]],
        "eth_getUncleByBlockHashAndIndex": [[block_hash, "0x0"]],
        "eth_getUncleByBlockNumberAndIndex": [["latest", "0x0"]],
        "txpool_contentFrom": [[member]],
        "debug_traceTransaction": [[tx, frames], ["0x" + created, changes], [tx, steps], [tx]],
        "debug_traceBlockByNumber": [["0x2", frames], ["latest"]],
        "debug_traceBlockByHash": [[block_hash, changes]],
        "debug_traceCall": [[ask, "latest", frames], [make, "0x1", steps]],
        "ots_hasCode": [[registry, "latest"]],
        "ots_getBlockDetails": [[2], ["0x1"]],
        "ots_getBlockDetailsByHash": [[block_hash]],
        "ots_getBlockTransactions": [[1, 0, 25]],
        "ots_getInternalOperations": [["0x" + created]],
        "ots_getTransactionError": [[tx]],
        "ots_traceTransaction": [[tx]],
        "ots_getTransactionBySenderAndNonce": [[member, 0]],
        "ots_getContractCreator": [[registry]],
        "ots_searchTransactionsBefore": [[member, 0, 25]],
        "ots_searchTransactionsAfter": [[registry, 1, 2]],
        "erigon_getHeaderByNumber": [["0x1"], ["latest"]],
        "eth_subscribe": [
            ["newHeads"],
            ["logs", logs],
            ["newPendingTransactions", True],
            ["syncing"],
        ],
        "eth_unsubscribe": [["0x1"]],
        "rpc_modules": [[]],
    }


def plain() -> dict[str, list[list[Any]]]:
    """Methods without parameters."""
    names = (
        "eth_chainId", "eth_blockNumber", "net_peerCount", "web3_clientVersion", "net_version",
        "net_listening", "eth_syncing", "eth_accounts", "eth_gasPrice", "eth_maxPriorityFeePerGas",
        "eth_blobBaseFee", "txpool_status", "txpool_content", "txpool_inspect", "ots_getApiLevel",
    )  # fmt: skip
    return {name: [[]] for name in names}


def calls() -> list[dict[str, Any]]:
    """One call of each method and of each of its usual forms."""
    found = []
    for name, forms in methods().items():
        for params in forms:
            found.append({"jsonrpc": "2.0", "id": len(found), "method": name, "params": params})
    return found


FIRST_FILTER = 2
"""Random numbers count from 1 in each run, and POST /rpc uses the first for the correlator."""


def lives(first: int) -> list[list[dict[str, Any]]]:
    """Calls that lean on what those before them left: filters numbered from `first`, and traces."""
    forms = methods()
    filters = ("eth_newFilter", "eth_newBlockFilter", "eth_newPendingTransactionFilter")
    asked = [("eth_getFilterLogs", first)]
    asked += [("eth_getFilterChanges", first + at) for at in range(len(filters))]
    asked += [("eth_uninstallFilter", first), ("eth_getFilterChanges", first)]
    send = ("eth_sendRawTransaction", forms["eth_sendRawTransaction"][0])
    watched = [*((name, forms[name][0]) for name in filters), send]
    watched += [(name, [hex(which)]) for name, which in asked]
    traced = [(n, params) for n in forms if n.startswith("debug_") for params in forms[n]]
    return [
        [{"jsonrpc": "2.0", "id": at, "method": n, "params": p} for at, (n, p) in enumerate(life)]
        for life in (watched, traced)
    ]


WORDS = (
    b'"jsonrpc":"2.0",', b'"id":1,', b'"params":[]', b"0x", b"null", b"1e999", b"-0", b"\\ud800",
    b"\xff", b"\xed\xa0\x80", b"[" * 90, b'{"a":' * 40, b'"latest"', b"}", b"]", b",", b'"',
)  # fmt: skip


class Rpc(Target):
    """POST /rpc with any body."""

    name: ClassVar = "rpc"
    about: ClassVar = "JSON-RPC over HTTP: the real application, EVM and a small chain"
    seconds: ClassVar = 6.0
    words: ClassVar = WORDS
    trace_every: ClassVar = 20

    def __init__(self) -> None:
        self._backend = Backend()
        self._names = tuple(methods())

    def seeds(self) -> list[bytes]:
        every = calls()
        single = [json.dumps(one).encode() for one in every]
        silent = [{k: v for k, v in one.items() if k != "id"} for one in every[:3]]
        groups = [*(every[at : at + 6] for at in (0, 12, 20)), *lives(FIRST_FILTER)]
        batches = [json.dumps(group).encode() for group in groups]
        return [*single, *batches, json.dumps(silent).encode(), b"[]", b"{}", b"", b"null"]

    def reshape(self, data: bytes, rng: Random) -> bytes | None:
        return change_json(data, rng, self._names)

    def run(self, data: bytes) -> str:
        backend = self._backend
        backend.fresh()
        answer = backend.loop.run_until_complete(
            request(
                backend.app, "POST", "/rpc", b"", backend.headers(Role.OPERATOR),
                [data[: len(data) // 2], data[len(data) // 2 :]],
            )
        )  # fmt: skip
        if answer.status not in (200, 204):
            raise Finding(f"status {answer.status}: {answer.body[:200]!r} {backend.gathered.lines}")
        if answer.status == 204:
            return "silent"
        return judge(answer.body, backend.gathered.lines)

    def close(self) -> None:
        self._backend.close()


def judge(body: bytes, failures: list[str]) -> str:
    """Check the form of a JSON-RPC answer; a word for it. Raises Finding."""
    document = json.loads(body)
    answers = document if isinstance(document, list) else [document]
    words: set[str] = set()
    for answer in answers:
        if not isinstance(answer, dict) or answer.get("jsonrpc") != "2.0" or "id" not in answer:
            raise Finding(f"no JSON-RPC answer: {str(answer)[:200]}")
        if ("result" in answer) == ("error" in answer):
            raise Finding(f"neither result nor error, or both: {str(answer)[:200]}")
        error = answer.get("error")
        if error is None:
            words.add("result")
            continue
        if not isinstance(error["code"], int) or not isinstance(error["message"], str):
            raise Finding(f"malformed error object: {error}")
        if error["code"] == INTERNAL_ERROR or failures:
            raise Finding(f"internal error: {error} {failures}")
        words.add(" ".join([str(error["code"]), *error["message"].split()[:2]])[:24])
    return " | ".join(sorted(words)[:1])
