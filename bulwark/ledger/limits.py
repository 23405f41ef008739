"""Every bound on the ledger's structures, each with its unit and its reason.

A decoder checks the bound before it allocates; a change here is a change of the protocol.
"""

from __future__ import annotations

from typing import Final

MAX_VALIDATORS: Final = 128
"""Validators in a set: certificates stay under 9 KB and a bitmap under 16 bytes."""

MAX_TRANSACTION_BYTES: Final = 128 * 1024
"""One raw transaction: room for a large contract deployment (init code limit 49,152 bytes)."""

MAX_BATCH_TRANSACTIONS: Final = 512
"""Transactions in one batch: bounds the work of a block whatever its gas."""

MAX_BATCH_BYTES: Final = 1024 * 1024
"""Transactions and sidecars of one batch together (design 6.4: bodies of a block at most 1 MiB)."""

MAX_RECORDS_PER_SIDECAR: Final = 2_000
"""Records that one anchor transaction may carry (design 6.4)."""

MAX_RECORD_PAYLOAD_BYTES: Final = 256
"""Binary payload of one record: the fixed head plus its optional 32-byte references."""

MAX_SIDECAR_BYTES: Final = 768 * 1024
"""Encoded sidecar: the most records at the longest payload do not fit in one on purpose, so that
a block always has room for one full sidecar beside its transactions."""

MAX_EXTRA_DATA_BYTES: Final = 32
"""Free bytes of an Ethereum-shaped header as served over JSON-RPC."""

MAX_MEMBER_ID_CHARS: Final = 31
"""A member id fits a zero-terminated bytes32 slot of the member registry."""

MAX_TIMESTAMP_MS: Final = 1 << 48
"""Upper bound of any timestamp (year 10,889): keeps arithmetic in 64 bits everywhere."""
