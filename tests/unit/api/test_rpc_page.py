"""docs/json-rpc.md says what the node does: its tables, its bounds, the snippets that tests run."""

from __future__ import annotations

import re

import pytest

import api.eth_explorer as explorer
import api.eth_pool as pool
import api.eth_state as state
import api.eth_subscriptions as subscriptions
import api.eth_traceforms as traceforms
import api.rpc as rpc
import node.chain.logs as logs
import node.chain.reader as reader
import node.chain.tracer as tracer
import node.execution.recording as recording
from api.settings import ApiSettings
from tests.unit.api.rpc_page import PAGE, ROOT, written

TEXT = PAGE.read_text("utf-8")
SNIPPETS = re.findall(r"<!-- (tests/\S+) -->\n```\w+\n(.*?)```", TEXT, re.DOTALL)


def test_the_tables_are_those_of_the_code() -> None:
    assert written(TEXT) == TEXT, "run python -m tests.unit.api.rpc_page"


def test_there_is_a_snippet_for_every_client() -> None:
    assert {name for name, _ in SNIPPETS} >= {
        "tests/clients/ethers.mjs", "tests/clients/viem.mjs", "tests/clients/hardhat.config.cjs",
        "tests/process/test_ethereum.py", "tests/process/test_ethereum_clients.py",
    }  # fmt: skip


@pytest.mark.parametrize(("name", "snippet"), SNIPPETS)
def test_a_snippet_is_a_part_of_what_tests_run(name: str, snippet: str) -> None:
    assert snippet in (ROOT / name).read_text("utf-8")


def test_the_limits_are_those_of_the_code() -> None:
    settings = ApiSettings()
    table = TEXT.partition("## Limits")[2].partition("## The published")[0].replace(",", "")
    row = {line.split("|")[1].strip(): line for line in table.splitlines() if "|" in line}
    told = {
        "a request or batch": (settings.max_rpc_bytes >> 20, settings.max_rpc_calls),
        "answers of a batch together": (settings.max_rpc_answer_bytes >> 20,),
        "eth_call eth_estimateGas": (
            reader.CALL_GAS // 10**6, reader.CALL_SECONDS, reader.CALL_WORKERS,
            reader.MAX_WAITING_CALLS,
        ),
        "traces eth_createAccessList": (tracer.TRACE_SECONDS, tracer.MAX_TRACES),
        "one trace": (
            recording.MAX_FRAMES, recording.MAX_BYTES >> 20, traceforms.MAX_NESTED,
        ),
        "eth_getLogs": (settings.max_log_blocks, settings.max_logs, logs.MAX_BLOCKS_LOOKED_THROUGH),
        "eth_feeHistory": (state.MAX_FEE_HISTORY, state.MAX_PERCENTILES),
        "eth_getProof eth_getStorageValues": (state.MAX_PROOF_SLOTS, state.MAX_STORAGE_VALUES),
        "filters": (settings.max_filters, settings.filter_expiry_ms // 60_000),
        "WebSockets": (settings.max_sockets, subscriptions.MAX_SUBSCRIPTIONS),
        "a WebSocket that does not read": (rpc.SEND_TIMEOUT_S,),
        "mempool in one answer": (pool.MAX_SHOWN, pool.MAX_SHOWN_BYTES >> 20),
    }  # fmt: skip
    for what, numbers in told.items():
        for number in numbers:
            shown = f"{number:g}" if number < 10**5 else str(number)
            assert re.search(rf"\b{shown}\b", row[what]), (what, number)
    assert recording.MAX_FRAMES == recording.MAX_STEPS
    assert f"{explorer.MAX_SEARCHED:,} blocks" in TEXT
