"""Sync's questions and answers have one encoding each and bounds before anything is taken."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.ledger.codec import Writer
from bulwark.ledger.errors import LedgerError
from bulwark.ledger.ids import Height
from node.chain.syncblock import NextEpoch, SyncBlock
from node.sync.wire import (
    MAX_BLOCKS,
    MAX_STATE_VALUES,
    Target,
    decode_blocks,
    decode_hashes,
    decode_target,
    decode_values,
    encode_blocks,
    encode_hashes,
    encode_target,
    encode_values,
)
from tests.unit.node.sync.support import source, sync_blocks

HASHES = st.lists(st.binary(min_size=32, max_size=32), max_size=20)
VALUES = st.lists(st.none() | st.binary(max_size=700), max_size=20)


@given(hashes=HASHES, values=VALUES)
def test_state_questions_and_answers_come_back(
    hashes: list[bytes], values: list[bytes | None]
) -> None:
    assert decode_hashes(encode_hashes(hashes)) == tuple(hashes)
    assert decode_values(encode_values(values)) == tuple(values)


def test_blocks_and_targets_come_back() -> None:
    blocks = sync_blocks(source())
    last = NextEpoch(source().genesis.validator_set, {"rotation": 4})
    blocks.append(replace(blocks[0], next_epoch=last, checkpoint=None))
    assert decode_blocks(encode_blocks(blocks)) == tuple(blocks)
    header, certificate = source().chain.certified_from(Height(4)) or (None, None)
    assert header is not None
    assert certificate is not None
    target = Target(header, certificate)
    assert decode_target(encode_target(target)) == target
    assert decode_target(encode_target(None)) is None


@pytest.mark.parametrize(
    ("decode", "count"),
    [
        (decode_blocks, MAX_BLOCKS + 1),
        (decode_hashes, MAX_STATE_VALUES + 1),
        (decode_values, MAX_STATE_VALUES + 1),
    ],
)
def test_a_count_over_the_bound_is_refused_before_an_item_is_read(
    decode: Callable[[bytes], object], count: int
) -> None:
    with pytest.raises(LedgerError, match="over the limit"):
        decode(Writer().uint(count, 4).done())


@pytest.mark.parametrize("decode", [decode_blocks, decode_hashes, decode_values, decode_target])
@settings(deadline=None, max_examples=200)
@given(data=st.binary(max_size=200))
def test_garbage_gives_typed_errors_only(decode: Callable[[bytes], object], data: bytes) -> None:
    try:
        decode(data)
    except LedgerError:
        return


@settings(deadline=None, max_examples=300)
@given(at=st.integers(0, 5_000), byte=st.integers(0, 255), cut=st.integers(0, 5_000))
def test_a_damaged_block_decodes_to_another_or_gives_a_typed_error(
    at: int, byte: int, cut: int
) -> None:
    data = bytearray(sync_blocks(source())[1].encode())
    data[at % len(data)] = byte
    for damaged in (bytes(data), bytes(data[: cut % len(data)])):
        try:
            block = SyncBlock.decode(damaged)
        except LedgerError:
            continue
        assert block.encode() == damaged
