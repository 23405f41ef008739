"""Protocol features: closed, without a gap, off at level 0, on from their level."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bulwark.ledger.codec import Reader
from bulwark.ledger.epochs import parameters_hash, proven_level
from bulwark.ledger.errors import ProofInvalid
from bulwark.ledger.features import (
    FEATURES,
    HIGHEST_LEVEL,
    MAX_LEVEL,
    MAX_TRANSACTION_GAS,
    PROTOCOL_LEVEL,
    TRANSACTION_GAS_CAP,
    features_at,
    level_of,
    transaction_gas,
)
from bulwark.ledger.header import Header


def test_every_level_up_to_the_highest_has_one_feature() -> None:
    assert [feature.level for feature in FEATURES] == list(range(1, HIGHEST_LEVEL + 1))
    assert HIGHEST_LEVEL <= MAX_LEVEL and len({f.name for f in FEATURES}) == len(FEATURES)


def test_level_0_has_no_feature_and_a_level_has_all_below_it() -> None:
    assert features_at(0) == ()
    assert features_at(HIGHEST_LEVEL) == FEATURES == features_at(MAX_LEVEL)


def test_the_level_is_the_governed_parameter_and_0_where_no_vote_set_it() -> None:
    assert level_of({}) == 0 and level_of({PROTOCOL_LEVEL: 3, "gas_limit": 9}) == 3


def test_a_transaction_has_the_whole_block_before_the_cap_and_the_cap_from_it_on() -> None:
    level = TRANSACTION_GAS_CAP.level
    for block_gas in (MAX_TRANSACTION_GAS - 1, MAX_TRANSACTION_GAS, MAX_TRANSACTION_GAS + 1):
        assert transaction_gas(level - 1, block_gas) == block_gas
        assert transaction_gas(level, block_gas) == min(block_gas, MAX_TRANSACTION_GAS)


def test_who_holds_the_parameters_proves_the_level_that_begins_and_nobody_with_others(
    header: Header,
) -> None:
    parameters = {PROTOCOL_LEVEL: 2}
    ending = replace(header, next_parameters_hash=parameters_hash(parameters))
    assert proven_level(ending, parameters) == 2
    with pytest.raises(ProofInvalid, match="commits to other parameters"):
        proven_level(ending, {PROTOCOL_LEVEL: 1})


def test_a_reader_tells_what_it_has_left() -> None:
    reader = Reader(b"\x01\x02\x03", "three bytes")
    assert reader.left == 3
    reader.flag("first")
    assert reader.left == 2
