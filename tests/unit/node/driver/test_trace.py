"""The recorder's file: bounded, complete from its start, and of one alliance only."""

from __future__ import annotations

from pathlib import Path

import pytest

from bulwark.ledger.errors import DecodeError
from consensus.events import TxPending
from consensus.replay import replay
from consensus.trace import Step
from node.driver.trace import MAGIC, TraceRecorder, read_trace
from tests.simulation.options import Options
from tests.simulation.world import World


def record(path: Path, most: int) -> TraceRecorder:
    """A calm world whose first node records."""
    world = World(Options(blocks=5, seed=3))
    recorder = world.nodes[0].recorder = TraceRecorder(path, most)
    world.run()
    return recorder


def test_the_file_never_exceeds_its_bound_and_what_is_there_can_be_repeated(
    tmp_path: Path,
) -> None:
    path = tmp_path / "trace"
    recorder = record(path, 8_000)
    assert not recorder.recording
    assert 4_000 < path.stat().st_size <= 8_000
    assert replay(read_trace(path)).steps > 5


def test_an_incomplete_last_record_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    record(path, 1 << 20).close()
    whole = list(read_trace(path))
    path.write_bytes(path.read_bytes()[:-1])
    assert list(read_trace(path)) == whole[:-1]


def test_something_else_than_a_trace_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_bytes(b"something else")
    with pytest.raises(DecodeError):
        list(read_trace(path))
    path.write_bytes(MAGIC + b"\xff\xff\xff\xff" + bytes(4))
    with pytest.raises(DecodeError):
        list(read_trace(path))


def test_a_write_error_ends_the_recording_and_nothing_else(tmp_path: Path) -> None:
    recorder = record(tmp_path / "trace", 1 << 20)
    assert recorder._file is not None
    recorder._file.close()
    recorder._file = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115
    recorder.record(1, TxPending(None, 0), [])
    assert not recorder.recording
    recorder.record(2, TxPending(None, 0), [])
    recorder.close()


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "trace").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        TraceRecorder(tmp_path / "trace")


def test_steps_say_when_they_were(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    record(path, 1 << 20).close()
    times = [step.now_ms for step in read_trace(path) if isinstance(step, Step)]
    assert times == sorted(times)


def test_any_bent_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    record(path, 6_000).close()
    data = path.read_bytes()
    for position in range(0, len(data) - 8, 5):
        bent = bytearray(data)
        bent[position] ^= 1
        path.write_bytes(bent)
        with pytest.raises(DecodeError):
            list(read_trace(path))
