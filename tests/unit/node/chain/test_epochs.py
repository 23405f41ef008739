"""What governance may set, and what never begins to count."""

from __future__ import annotations

import pytest

from consensus.errors import ConfigInvalid
from node.chain.epochs import MAX_VOTED_GAS, effective, usable
from node.chain.syncblock import MAX_RECEIPTS_BYTES
from tests.unit.node.execution.alliance import make_genesis

LOG_DATA_GAS = 8
"""Of one byte (Yellow Paper, G_logdata)."""


def test_voted_parameters_go_over_those_of_genesis() -> None:
    config, gas_limit = effective(make_genesis(), {"rotation": 3, "gas_limit": 3_000_000})
    assert (config.rotation, gas_limit) == (3, 3_000_000)


def test_a_gas_limit_whose_receipts_no_sync_could_carry_never_counts() -> None:
    assert MAX_VOTED_GAS // LOG_DATA_GAS < MAX_RECEIPTS_BYTES * 9 // 10
    assert usable(make_genesis(), {"gas_limit": MAX_VOTED_GAS})
    with pytest.raises(ConfigInvalid, match="gas_limit"):
        effective(make_genesis(), {"gas_limit": MAX_VOTED_GAS + 1})


def test_a_gas_limit_of_genesis_may_be_voted_again() -> None:
    genesis = make_genesis(gas_limit=60_000_000)
    assert usable(genesis, {"gas_limit": 60_000_000})
    assert not usable(genesis, {"gas_limit": 60_000_001})
