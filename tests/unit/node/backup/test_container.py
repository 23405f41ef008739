"""The backup's file: a wrong passphrase, damage and cuts are told apart and named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from node.backup.container import FRAME_BYTES, Reader, Writer
from node.backup.errors import BackupDamaged, NotABackup, WrongPassphrase

SECRET = b"a long enough passphrase"
PARTS = (b"first" * 1000, b"", os.urandom(FRAME_BYTES + 77), b"last")
MANIFEST = b'{"what": "it claims"}'


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("container") / "file"
    with path.open("wb") as stream:
        writer = Writer(stream, SECRET, os.urandom)
        for part in PARTS:
            writer.write(part)
            writer.end_part()
        writer.finish(MANIFEST)
    return path


def read(path: Path, passphrase: bytes = SECRET) -> tuple[bytes, dict[int, bytes | None]]:
    with path.open("rb") as stream:
        reader = Reader(stream, passphrase, "file")
        manifest = reader.manifest()
        found: dict[int, bytes | None] = {}
        for number, plain in reader.frames():
            held = found.get(number, b"")
            found[number] = None if plain is None or held is None else held + plain
        return manifest, found


def test_what_was_written_is_read(written: Path) -> None:
    manifest, found = read(written)
    assert manifest == MANIFEST
    assert found == {0: PARTS[0], 2: PARTS[2], 3: PARTS[3]}


def test_nothing_of_the_content_is_readable_in_the_file(written: Path) -> None:
    data = written.read_bytes()
    assert b"firstfirst" not in data
    assert b"claims" not in data


def test_a_wrong_passphrase_is_told_from_damage(written: Path) -> None:
    with pytest.raises(WrongPassphrase, match="does not open"):
        read(written, b"another passphrase")


def test_a_flipped_byte_damages_its_part_alone(written: Path, tmp_path: Path) -> None:
    data = bytearray(written.read_bytes())
    at = data.index(b"}", 20) + 1 + 7 + 16 + 7 + 100  # inside the first part's frame
    data[at] ^= 1
    damaged = tmp_path / "damaged"
    damaged.write_bytes(data)
    _, found = read(damaged)
    assert found[0] is None
    assert found[2] == PARTS[2]
    assert found[3] == PARTS[3]


def test_a_file_that_was_cut_anywhere_is_refused(written: Path, tmp_path: Path) -> None:
    data = written.read_bytes()
    for size in (3, 20, 150, 6_000, len(data) // 2, len(data) - 1):
        cut = tmp_path / "cut"
        cut.write_bytes(data[:size])
        with pytest.raises((BackupDamaged, NotABackup)):
            read(cut)


def test_frames_can_not_change_places(written: Path, tmp_path: Path) -> None:
    data = written.read_bytes()
    # The last data frame ("last") and the manifest are swapped for copies of each other's lengths:
    # whatever is moved has another number, so it does not open.
    frame = data.rindex(len(PARTS[3] + bytes(16)).to_bytes(4, "big") + b"\x00\x03\x01")
    size = 7 + len(PARTS[3]) + 16
    moved = data[: frame + size] + data[frame : frame + size] + data[frame + size :]
    path = tmp_path / "moved"
    path.write_bytes(moved)
    with path.open("rb") as stream:
        frames = list(Reader(stream, SECRET, "file").frames())
    assert [plain for number, plain in frames if number == 3] == [PARTS[3], None]


def test_other_files_and_other_key_derivations_are_refused(tmp_path: Path, written: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"not a backup at all, whatever it is")
    with pytest.raises(NotABackup, match="no backup of this format"):
        read(other)
    other.write_bytes(written.read_bytes().replace(b'"n":65536', b'"n":16777', 1))
    with pytest.raises(NotABackup, match="key derivation"):
        read(other)
