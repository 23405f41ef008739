"""The verifier runs where there is nothing but itself: no node, no API, no contracts, no database.

An interpreter without site-packages gets a folder with a copy of `bulwark` (and of it only ledger,
audit and verifier) and links to the four libraries that the ledger needs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import bulwark
from bulwark.audit.packcompare import compare
from tests.unit.node.execution.alliance import make_genesis
from tests.unit.verifier.forged_papers import custody
from tests.unit.verifier.scene import packed, scene
from tests.unit.verifier.test_compare import forked

LIBRARIES = ("coincurve", "rfc8785", "msgspec", "sha3.py", "cffi")
"""What bulwark.ledger imports; cffi is coincurve's."""
NATIVE = ("_pysha3*.so", "_cffi_backend*.so")
PARTS = ("__init__.py", "ledger", "audit", "verifier")
STARTER = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
for name in ("node", "api", "contracts", "consensus", "genesis", "plyvel", "fastapi", "click"):
    try:
        __import__(name)
    except ImportError:
        continue
    sys.exit(name + " can be imported")
runpy.run_module("bulwark.verifier", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a machine that has the verifier and nothing else."""
    folder = tmp_path_factory.mktemp("verifier")
    own = Path(bulwark.__file__).parent
    (folder / "bulwark").mkdir()
    for part in PARTS:
        source, target = own / part, folder / "bulwark" / part
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    installed = Path(sysconfig.get_paths()["platlib"])
    for name in LIBRARIES:
        (folder / name).symlink_to(installed / name)
    for pattern in NATIVE:
        for path in installed.glob(pattern):
            (folder / path.name).symlink_to(path)
    return folder


def verify(library: Path, folder: Path, data: bytes, *words: str) -> tuple[int, str]:
    """A pack of the scene in its own interpreter."""
    (folder / "case.pack").write_bytes(data)
    (folder / "genesis.json").write_bytes(scene().node.genesis.to_json())
    return verify_files(library, folder / "case.pack", folder / "genesis.json", *words)


def verify_files(
    library: Path, file: Path, genesis: Path, *words: str, what: str = "pack"
) -> tuple[int, str]:
    """The command in its own interpreter; exit code and standard output."""
    done = subprocess.run(
        [
            *(sys.executable, "-I", "-S", "-c", STARTER, str(library)),
            *(what, str(file), "--genesis", str(genesis), *words),
        ],
        cwd=library,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def test_a_pack_verifies_with_the_library_and_the_genesis_document_alone(
    library: Path, tmp_path: Path
) -> None:
    code, output = verify(library, tmp_path, packed())
    assert code == 0, output
    assert output.startswith("VALID\n")
    assert "not that it is true" in output


def test_a_refusal_is_one_line_with_its_code_and_exit_code_1(library: Path, tmp_path: Path) -> None:
    code, output = verify(library, tmp_path, packed()[:-1])
    assert code == 1
    assert output.startswith("INVALID  archive.truncated: archive byte ")


def test_json_says_code_file_and_place(library: Path, tmp_path: Path) -> None:
    code, output = verify(library, tmp_path, custody(lambda e: e[1:]), "--json")
    assert code == 1
    found = json.loads(output)
    assert (found["code"], found["file"], found["place"]) == (
        "custody.broken",
        "custody.json",
        "entry 0",
    )


def test_another_signer_or_custody_than_expected_is_refused(library: Path, tmp_path: Path) -> None:
    code, output = verify(library, tmp_path, packed(), "--expect-signer", "0x" + "11" * 20)
    assert (code, "signer.unexpected" in output) == (1, True)
    code, output = verify(library, tmp_path, packed(), "--expect-custody", "22" * 32)
    assert (code, "custody.unexpected-end" in output) == (1, True)


async def test_evidence_of_a_fork_verifies_alone_too(library: Path, tmp_path: Path) -> None:
    one, other = forked()
    fork = (await compare(one, other, make_genesis())).fork
    assert fork is not None
    file, genesis = tmp_path / "fork.json", tmp_path / "genesis.json"
    file.write_bytes(fork.to_json(make_genesis()))
    genesis.write_bytes(make_genesis().to_json())
    code, output = verify_files(library, file, genesis, "--json", what="fork")
    assert (code, json.loads(output)["signed_both"]) == (0, ["alpha", "bravo", "charlie"])
    file.write_bytes(file.read_bytes().replace(b'"alpha"', b'"delta"'))
    code, output = verify_files(library, file, genesis, what="fork")
    assert (code, output.startswith("INVALID  fork:")) == (1, True)
