"""The disk store against real files, real locks and a real kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import node.storage.level as level_module
from node.storage.errors import StoreDamaged, StoreLocked, StoreWriteFailed
from node.storage.level import LevelStore
from node.storage.schema import number8

REPOSITORY = Path(__file__).resolve().parents[4]

WRITER = """
import sys
from pathlib import Path
from node.storage.level import LevelStore
store = LevelStore(Path(sys.argv[1]))
number = 0
while True:
    batch = {b"n%08d-%02d" % (number, part): b"x" * 200 for part in range(20)}
    store.write({**batch, b"head": b"%08d" % number}, sync=True)
    print(number, flush=True)
    number += 1
"""


def start_writer(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


@pytest.mark.parametrize("acknowledged", [3, 60])
def test_kill_9_of_the_writer_loses_nothing_acknowledged(tmp_path: Path, acknowledged: int) -> None:
    writer = start_writer(tmp_path)
    assert writer.stdout is not None
    for _ in range(acknowledged):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    last = acknowledged - 1
    for line in writer.stdout.read().split("\n"):
        last = int(line) if line.strip().isdigit() else last
    writer.wait()
    store = LevelStore(tmp_path)
    head = int(store.get(b"head") or b"-1")
    assert head >= last
    keys = [key for key, _ in store.iterate(b"n")]
    assert len(keys) == 20 * (head + 1), "a batch is whole or not there"
    store.close()


def test_a_folder_held_by_another_process_is_locked(tmp_path: Path) -> None:
    writer = start_writer(tmp_path)
    assert writer.stdout is not None
    writer.stdout.readline()
    try:
        with pytest.raises(StoreLocked, match="another process"):
            LevelStore(tmp_path)
    finally:
        writer.kill()
        writer.communicate()


def test_a_folder_held_by_the_same_process_is_locked(tmp_path: Path) -> None:
    store = LevelStore(tmp_path)
    with pytest.raises(StoreLocked):
        LevelStore(tmp_path)
    store.close()
    LevelStore(tmp_path).close()


def flip(path: Path, offset: int, count: int = 16) -> None:
    data = bytearray(path.read_bytes())
    for position in range(offset, min(offset + count, len(data))):
        data[position] ^= 0xFF
    path.write_bytes(data)


def test_flipped_bytes_in_the_log_refuse_to_open_and_name_the_folder(tmp_path: Path) -> None:
    store = LevelStore(tmp_path)
    for number in range(1000):
        store.write({b"k%04d" % number: b"v" * 100}, sync=True)
    store.close()
    log = max(tmp_path.glob("*.log"), key=lambda path: path.stat().st_size)
    flip(log, log.stat().st_size // 2)
    with pytest.raises(StoreDamaged, match="resync") as caught:
        LevelStore(tmp_path)
    assert str(tmp_path) in caught.value.where


def test_flipped_bytes_in_a_table_are_found_by_audit_reads(tmp_path: Path) -> None:
    store = LevelStore(tmp_path)
    pairs = {b"k%05d" % i: os.urandom(100) for i in range(5000)}
    store.write(dict(pairs), sync=True)
    store.compact()
    store.close()
    table = max(tmp_path.glob("*.ldb"), key=lambda path: path.stat().st_size)
    flip(table, table.stat().st_size // 2)
    with pytest.raises(StoreDamaged):
        store = LevelStore(tmp_path)
        view = store.snapshot(verify=True)
        try:
            assert dict(view.iterate(b"k")) == pairs
        finally:
            view.close()
            store.close()


def test_no_read_leaves_anything_in_memory(tmp_path: Path) -> None:
    store = LevelStore(tmp_path)
    rows = {b"k%05d" % number: bytes(400) for number in range(30_000)}  # 11 MiB, and they compress
    store.write(dict(rows), sync=False)
    store.compact()
    view = store.snapshot()
    for number in range(0, 30_000, 5):  # every block of the tables
        assert store.get(b"k%05d" % number) is not None
        assert view.get(b"k%05d" % number) is not None
    assert sum(1 for _ in store.iterate(b"k")) == sum(1 for _ in view.iterate(b"k")) == len(rows)
    view.close()
    kept = int(store._db.get_property(b"leveldb.approximate-memory-usage"))
    store.close()
    assert kept < 64 << 10, "a node's memory would grow with every record that is looked up"


def test_a_missing_table_is_damage(tmp_path: Path) -> None:
    store = LevelStore(tmp_path)
    store.write({b"k%05d" % i: os.urandom(100) for i in range(5000)}, sync=True)
    store.compact()
    store.close()
    for table in tmp_path.glob("*.ldb"):
        table.unlink()
    with pytest.raises(StoreDamaged):
        LevelStore(tmp_path)


def test_after_a_failed_write_every_write_is_refused(tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from node.storage.errors import StoreWriteFailed\n"
        "from node.storage.level import LevelStore\n"
        "store = LevelStore(Path(sys.argv[1]))\n"
        "store.write({b'a': b'1'}, sync=True)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "for key in (b'b', b'c'):\n"
        "    try:\n"
        "        store.write({key: b'x' * 100_000} if key == b'b' else {key: b''}, sync=True)\n"
        "    except StoreWriteFailed as error:\n"
        "        print('refused', error.detail)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        check=True,
    )
    assert done.stdout.count("refused") == 2, done
    store = LevelStore(tmp_path)
    assert store.get(b"a") == b"1"
    assert store.get(b"b") is None
    store.close()


def test_the_error_of_a_failed_write_says_that_the_node_must_restart() -> None:
    assert "until a restart" in str(StoreWriteFailed("/data", "No space left on device"))


def test_one_flush_covers_every_earlier_write_and_none_is_done_in_vain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LevelStore(tmp_path)
    flushed: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(level_module.os, "fdatasync", lambda fd: (flushed.append(fd), real(fd)))
    store.write({b"a": b"1"}, sync=False)
    store.write({b"b": b"2"}, sync=False)
    assert flushed == []
    store.write({b"c": b"3"}, sync=True)
    assert len(flushed) == 1
    store.flush()
    assert len(flushed) == 1
    store.write({b"d": b"4"}, sync=False)
    store.flush()
    assert len(flushed) == 2
    store.close()


def test_a_flush_that_fails_is_a_failed_write_and_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    store = LevelStore(tmp_path)
    store.write({b"a": b"1"}, sync=False)
    monkeypatch.setattr(level_module.os, "fdatasync", broken)
    with pytest.raises(StoreWriteFailed, match="No space left"):
        store.write({b"b": b"2"}, sync=True)
    with pytest.raises(StoreWriteFailed):
        store.write({b"c": b"3"}, sync=False)
    with pytest.raises(StoreWriteFailed):
        store.flush()
    store.close()


def _bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def test_what_was_deleted_or_replaced_is_in_no_file_after_two_compactions_and_a_renewal(
    tmp_path: Path,
) -> None:
    store = LevelStore(tmp_path)
    tags = [os.urandom(32) for _ in range(20_000)]
    store.write({b"g" + tag: b"named" for tag in tags}, sync=True)
    secret = os.urandom(40)
    store.write({b"s": secret}, sync=True)
    # The bounds of a table would name some of them in LevelDB's own files, so many go.
    store.write({**{b"g" + tag: None for tag in tags[::4]}, b"s": b"erased"}, sync=True)
    before = _bytes_of(tmp_path)
    assert secret in before and sum(tag[6:] in before for tag in tags[::4]) > 4_000
    for _ in range(2):
        store.write({b"\x01": b"low", b"\xf0": b"high"}, sync=True)
        store.compact()
    assert store.renew()
    after = _bytes_of(tmp_path)
    assert secret not in after
    assert not any(tag[6:] in after for tag in tags[::4])
    assert sum(1 for _ in store.iterate(b"g")) == 15_000 and store.get(b"s") == b"erased"
    store.close()


def test_a_store_is_not_renewed_under_a_view_or_an_iterator(tmp_path: Path) -> None:
    store = LevelStore(tmp_path)
    store.write({b"a1": b"1", b"a2": b"2"}, sync=True)
    view = store.snapshot()
    assert not store.renew()
    view.close()
    pairs = store.iterate(b"a")
    assert next(pairs) == (b"a1", b"1")
    assert not store.renew()
    assert list(pairs) == [(b"a2", b"2")]
    begun_later = store.iterate(b"a")
    assert store.renew()
    assert dict(begun_later) == {b"a1": b"1", b"a2": b"2"}
    store.close()


def test_reads_of_other_threads_outlast_renewals(tmp_path: Path) -> None:
    store = LevelStore(tmp_path)
    pairs = {b"k%03d" % number: os.urandom(50) for number in range(300)}
    store.write(dict(pairs), sync=True)
    done, failures = threading.Event(), []

    def read() -> None:
        try:
            while not done.is_set():
                assert all(store.get(key) == value for key, value in pairs.items())
                assert dict(store.iterate(b"k")) == pairs
        except Exception as error:  # the reader's thread must not hide it
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    renewed = 0
    while renewed < 20 and not failures:
        renewed += store.renew()
        store.write({b"x": number8(renewed)}, sync=True)
    done.set()
    for reader in readers:
        reader.join()
    assert not failures and store.get(b"x") == number8(20)
    store.close()
