"""Why the ledger would refuse a call now: asked of the contract itself, before anything is sent.

Rules: the call runs on a throw-away state with a deadline, so that a question can not hold the
event loop for long, and writes nothing.
"""

from __future__ import annotations

import time
from typing import Final

from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address
from contracts.governance import decode_failure
from node.execution.calls import run_call
from node.execution.executor import Executor

CALL_DEADLINE_S: Final = 1.0


def refusal(
    executor: Executor, tip: Header, sender: Address, contract: Address, data: bytes, gas: int
) -> str | None:
    """Why a call reverts in the state of the last block, None if it does not."""
    outcome = run_call(
        executor,
        tip,
        sender=sender,
        to=contract,
        data=data,
        value=0,
        gas=gas,
        deadline_s=time.monotonic() + CALL_DEADLINE_S,
    )
    if outcome.success:
        return None
    return decode_failure(outcome.output) if outcome.output else str(outcome.failure)
