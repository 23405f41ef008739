"""Deferred modules: nothing is loaded before it is called, and what is computed is the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from node.execution.deferred import DEFERRED

ROOT = Path(__file__).parents[4]

# Each run is a process of its own: what this one has imported already can not be unloaded.
COMPUTE = """
import json, sys
if {deferred}:
    import node.execution
from eth.vm.forks.prague.computation import PRAGUE_PRECOMPILES
from eth.exceptions import VMError

class Gas:
    def __init__(self): self.used = 0
    def __call__(self, amount, reason): self.used += amount

class Message:
    def __init__(self, data): self.data = self.data_as_bytes = data

class Computation:
    def __init__(self, data):
        self.msg, self.consume_gas, self.output = Message(data), Gas(), b""

G1 = (1).to_bytes(32, "big") + (2).to_bytes(32, "big")
G2 = b"".join(n.to_bytes(32, "big") for n in (
    11559732032986387107991004021392285783925812861821192530917403151452391805634,
    10857046999023057135944570762232829481370756359578518086990519993285655852781,
    4082367875863433681332203403145435568316851327593401208105741076214120093531,
    8495653923123431417604973247489272438418190587263600148770280649306958101930,
))
MINUS = (1).to_bytes(32, "big") + (
    21888242871839275222246405745257275088696311157297823662689037894645226208583 - 2
).to_bytes(32, "big")
PAIRS = G1 + G2 + MINUS + G2
INPUTS = [
    (6, G1 + G1), (6, b"\\xff" * 64), (7, G1 + (5).to_bytes(32, "big")),
    (8, PAIRS), (8, PAIRS[:384 - 1]),
    (11, bytes(256)), (11, b"\\x01" * 256), (12, bytes(160)), (13, bytes(512)), (14, bytes(288)),
    (15, bytes(384)), (16, bytes(63) + b"\\x01"), (17, bytes(128)), (15, b"short"),
]
before = "py_ecc" in sys.modules
answers = []
for number, data in INPUTS:
    computation = Computation(data)
    try:
        PRAGUE_PRECOMPILES[bytes(19) + bytes([number])](computation)
        said = bytes(computation.output).hex()
    except VMError as error:
        said = f"VMError {{error}}"
    answers.append([number, said, computation.consume_gas.used])
import eth.precompiles
print(json.dumps([before, answers, sys.getrecursionlimit(), callable(eth.precompiles.ecadd)]))
"""


def compute(*, deferred: bool) -> list[object]:
    script = COMPUTE.format(deferred=deferred)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, timeout=120
    )
    answer: list[object] = json.loads(done.stdout)
    return answer


def test_deferred_precompiles_give_the_results_prices_and_failures_of_the_library() -> None:
    ours, theirs = compute(deferred=True), compute(deferred=False)
    assert ours[0] is False
    assert theirs[0] is True
    assert ours[1:] == theirs[1:]


def test_a_stand_in_has_the_functions_of_the_table_and_its_sub_modules_can_be_imported() -> None:
    script = (
        "import node.execution, importlib, sys\n"
        "from node.execution.deferred import DEFERRED\n"
        "for name, functions in DEFERRED.items():\n"
        "    assert all(callable(getattr(sys.modules[name], each)) for each in functions)\n"
        "from eth.precompiles.bls12_381.bls12_381_pairing import bls12_pairing_check\n"
        "from Crypto.Hash import keccak\n"
        "assert keccak.new(data=b'', digest_bits=256).hexdigest()[:8] == 'c5d24601'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, timeout=120, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", DEFERRED)
def test_an_unknown_name_of_a_stand_in_is_an_attribute_error(name: str) -> None:
    script = (
        "import node.execution, sys\n"
        f"try:\n    sys.modules[{name!r}].something_else\n"
        "except AttributeError:\n    print('refused')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, timeout=120, text=True
    )
    assert done.stdout == "refused\n", done.stderr
